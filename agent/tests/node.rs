//! Service `Node`: who the agent is, files, limits, health. Programs are in `exec.rs`.

mod common;

use common::{Agent, files_below, info, wait::within};
use continuum_proto::{self as wire, clock_client::ClockClient, node_client::NodeClient};
use sha2::{Digest, Sha256};
use tonic::{Code, Status};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use wire::{get_response, put_request};

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn header(path: &str, bytes: &[u8]) -> wire::FileHeader {
    wire::FileHeader {
        path: path.into(),
        sha256: sha256(bytes),
        size_bytes: bytes.len() as u64,
        mode: 0o640,
    }
}

/// Sends a header and the bytes in pieces.
async fn put(
    agent: &Agent,
    header: wire::FileHeader,
    bytes: &[u8],
    chunk: usize,
) -> Result<wire::PutResponse, Status> {
    let mut parts = vec![wire::PutRequest {
        part: Some(put_request::Part::Header(header)),
    }];
    parts.extend(bytes.chunks(chunk).map(|c| wire::PutRequest {
        part: Some(put_request::Part::Chunk(c.to_vec().into())),
    }));
    let mut client = NodeClient::new(agent.connect().await);
    let answer = within("Put", client.put(tokio_stream::iter(parts))).await?;
    Ok(answer.into_inner())
}

async fn get(agent: &Agent, path: &str) -> Result<(wire::FileHeader, Vec<u8>), Status> {
    let mut client = NodeClient::new(agent.connect().await);
    let request = wire::GetRequest { path: path.into() };
    let mut answers = within("Get", client.get(request)).await?.into_inner();
    let (mut header, mut bytes) = (None, Vec::new());
    while let Some(answer) = within("a piece of the file", answers.message()).await? {
        match answer.part {
            Some(get_response::Part::Header(h)) => header = Some(h),
            Some(get_response::Part::Chunk(chunk)) => bytes.extend_from_slice(&chunk),
            None => {}
        }
    }
    Ok((header.expect("a header"), bytes))
}

#[tokio::test]
async fn info_says_who_and_what_the_agent_is() {
    let agent = Agent::start().await;
    let info = info(agent.connect().await).await.unwrap();
    assert_eq!(
        (info.node.as_str(), info.deployment_id.as_str()),
        ("node0", "test")
    );
    assert_eq!(info.pid, agent.pid());
    assert_eq!(info.protocol_version, wire::PROTOCOL_VERSION);
    assert_eq!(info.agent_version, env!("CARGO_PKG_VERSION"));
    assert!(info.cpus > 0 && info.memory_bytes > 0 && info.uptime_s > 0);
    assert!(!info.boot_id.is_empty() && !info.kernel.is_empty());
    // It shares its machine: neither links nor limits nor software.
    assert_eq!(info.capabilities, ["broker", "workload", "exec-stdin"]);
}

#[tokio::test]
async fn a_clock_that_is_shared_is_told_and_not_set() {
    let agent = Agent::start().await;
    let mut client = ClockClient::new(agent.connect().await);
    let told = within("Exchange", client.exchange(wire::ClockExchangeRequest {})).await;
    let told = told.unwrap().into_inner();
    assert!(told.received_unix_ns > 0 && told.sent_unix_ns >= told.received_unix_ns);
    let request = wire::ClockAdjustRequest { by_ns: 1 };
    let refused = within("Adjust", client.adjust(request)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert!(
        refused.message().contains("shares its machine"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_controller_of_another_protocol_is_told_both_versions() {
    let agent = Agent::start().await;
    let mut client = NodeClient::new(agent.connect().await);
    let request = wire::InfoRequest {
        controller_version: "9.8.7".into(),
        protocol_version: 4711,
    };
    let status = within("Info", client.info(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    for part in ["9.8.7", "4711", env!("CARGO_PKG_VERSION")] {
        assert!(status.message().contains(part), "{status}");
    }
}

#[tokio::test]
async fn health_is_serving() {
    let agent = Agent::start().await;
    for service in ["", "continuum.v1.Node"] {
        let mut client = HealthClient::new(agent.connect().await);
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = within("health", client.check(request)).await.unwrap();
        let status = answer.into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "service `{service}`");
    }
}

#[tokio::test]
async fn a_file_comes_back_as_it_went() {
    let agent = Agent::start().await;
    let bytes: Vec<u8> = (0..1_000_003_u32).map(|n| (n % 251) as u8).collect();
    let answer = put(&agent, header("some/dir/file", &bytes), &bytes, 100_000)
        .await
        .unwrap();
    assert_eq!(answer.size_bytes, bytes.len() as u64);
    let on_disk = std::fs::read(&answer.path).unwrap();
    assert!(on_disk == bytes, "the file on the node differs");
    let (back, content) = get(&agent, "some/dir/file").await.unwrap();
    assert_eq!(back, header("some/dir/file", &bytes));
    assert!(content == bytes, "the file that came back differs");
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let agent = Agent::start().await;
    put(&agent, header("empty", b""), b"", 1).await.unwrap();
    let (back, content) = get(&agent, "empty").await.unwrap();
    assert_eq!((back.size_bytes, content.len()), (0, 0));
}

#[tokio::test]
async fn wrong_bytes_do_not_get_the_name_and_leave_nothing() {
    let agent = Agent::start().await;
    let wrong = header("file", b"announced");
    let status = put(&agent, wrong.clone(), b"different", 3)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DataLoss);
    assert!(status.message().contains(&wrong.sha256), "{status}");
    for bytes in [&b"announced and more"[..], &b"annou"[..], &b""[..]] {
        let status = put(&agent, wrong.clone(), bytes, 3).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert!(files_below(&agent.data_dir()).is_empty());
    assert_eq!(
        get(&agent, "file").await.unwrap_err().code(),
        Code::NotFound
    );
}

#[tokio::test]
async fn a_failed_put_leaves_the_old_file_alone() {
    let agent = Agent::start().await;
    put(&agent, header("file", b"old"), b"old", 8)
        .await
        .unwrap();
    put(&agent, header("file", b"new"), b"bad", 8)
        .await
        .unwrap_err();
    assert_eq!(get(&agent, "file").await.unwrap().1, b"old");
    assert_eq!(files_below(&agent.data_dir()), ["files/file"]);
}

#[tokio::test]
async fn paths_that_leave_the_directory_are_refused() {
    let agent = Agent::start().await;
    let absolute = agent.setup.path("escaped").display().to_string();
    let paths = [
        "../x",
        "a/../../x",
        "./x",
        "",
        "..",
        "/etc/passwd",
        "a\0b",
        &absolute,
    ];
    for path in paths {
        let status = put(&agent, header(path, b"x"), b"x", 1).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{path:?}: {status}");
        let status = get(&agent, path).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{path:?}: {status}");
    }
    assert!(files_below(&agent.data_dir()).is_empty());
    assert!(!agent.setup.path("escaped").exists());
}

#[tokio::test]
async fn a_message_above_the_limit_is_refused_and_the_agent_goes_on() {
    let agent = Agent::start().await;
    let bytes = vec![7; 5 << 20];
    let status = put(&agent, header("big", &bytes), &bytes, bytes.len())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::OutOfRange, "{status}");
    assert!(files_below(&agent.data_dir()).is_empty());
    // The same bytes in pieces are fine.
    put(&agent, header("big", &bytes), &bytes, 1 << 20)
        .await
        .unwrap();
}

#[tokio::test]
async fn the_machine_is_not_powered_off_when_it_is_shared() {
    let agent = Agent::start().await;
    let mut client = NodeClient::new(agent.connect().await);
    let request = wire::ShutdownRequest { power_off: true };
    let status = within("Shutdown", client.shutdown(request)).await;
    assert_eq!(status.unwrap_err().code(), Code::FailedPrecondition);
    info(agent.connect().await).await.unwrap();
}

#[tokio::test]
async fn logs_are_kept_and_an_unknown_source_is_told_the_known_ones() {
    let agent = Agent::start().await;
    let mut client = NodeClient::new(agent.connect().await);
    let mut logs = client
        .logs(wire::LogsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let lines = within("lines", logs.message())
        .await
        .unwrap()
        .unwrap()
        .lines;
    assert!(
        lines[0].contains("agent of node node0 serves on"),
        "{lines:?}"
    );
    let request = wire::LogsRequest {
        source: "nonsense".into(),
        tail_lines: 1,
    };
    let status = within("Logs", client.logs(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("there are: agent"), "{status}");
}
