//! What agents measure of their nodes and of the ways between them, here on loopback addresses.

mod common;

use common::{Agent, wait::within};
use continuum_proto as wire;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::{Code, transport::Channel};
use wire::verify_client::VerifyClient;

async fn client(agent: &Agent) -> VerifyClient<Channel> {
    VerifyClient::new(agent.connect().await)
}

async fn listen(agent: &Agent, most_bytes: u64) -> wire::ListenResponse {
    let request = wire::ListenRequest {
        open_ms: 30_000,
        most_bytes,
    };
    let mut client = client(agent).await;
    let answer = within("Listen", client.listen(request)).await;
    answer.expect("ports").into_inner()
}

fn transfer(to: Ipv4Addr, ports: &wire::ListenResponse) -> wire::TransferRequest {
    wire::TransferRequest {
        address: to.to_string(),
        tcp_port: ports.tcp_port,
        token: ports.token.clone(),
        skip_ms: 50,
        count_ms: 200,
        most_bytes: 8 << 20,
        buffer_bytes: 64 * 1024,
    }
}

#[tokio::test]
async fn bytes_that_are_sent_are_counted_where_they_arrive() {
    let (one, other) = (Agent::start().await, Agent::start().await);
    let ports = listen(&other, 8 << 20).await;
    let request = transfer(other.setup.address, &ports);
    let mut client = client(&one).await;
    let taken = within("Transfer", client.transfer(request)).await;
    let taken = taken.expect("a transfer").into_inner();
    assert!(taken.counted_bytes > 0 && taken.counted_ns > 0, "{taken:?}");
    assert!(taken.received_bytes <= 8 << 20, "{taken:?}");
    assert!(taken.counted_bytes <= taken.received_bytes, "{taken:?}");
    assert!(taken.mtu_bytes >= 1280, "{taken:?}");
}

#[tokio::test]
async fn every_datagram_is_told_of() {
    let (one, other) = (Agent::start().await, Agent::start().await);
    let ports = listen(&other, 0).await;
    let request = wire::TrainRequest {
        address: other.setup.address.to_string(),
        udp_port: ports.udp_port,
        tcp_port: ports.tcp_port,
        token: ports.token.clone(),
        count: 300,
        interval_us: 500,
        wait_ms: 50,
    };
    let mut client = client(&one).await;
    let train = within("Train", client.train(request.clone())).await;
    let train = train.expect("a train").into_inner();
    assert_eq!((train.sent, train.duplicates), (300, 0), "{train:?}");
    // A host that is busy may drop some even here, but hardly all of them.
    assert!((200..=300).contains(&train.received), "{train:?}");
    let nobody = wire::TrainRequest {
        udp_port: 9,
        count: 20,
        ..request
    };
    let train = within("Train", client.train(nobody)).await;
    let train = train.expect("a train").into_inner();
    assert_eq!((train.sent, train.received), (20, 0));
}

#[tokio::test]
async fn nobody_measures_without_the_token_or_more_than_was_announced() {
    let (one, other) = (Agent::start().await, Agent::start().await);
    let ports = listen(&other, 100_000).await;
    let mut client = client(&one).await;
    let refused = async |request: wire::TransferRequest, client: &mut VerifyClient<Channel>| {
        let answer = within("Transfer", client.transfer(request)).await;
        answer.expect_err("a refusal")
    };
    let other_token = wire::TransferRequest {
        token: vec![0; 16].into(),
        ..transfer(other.setup.address, &ports)
    };
    let status = refused(other_token, &mut client).await;
    assert_eq!(status.code(), Code::Internal, "{status}");
    let too_much = transfer(other.setup.address, &ports);
    refused(too_much, &mut client).await;
    assert!(other.log().contains("token"), "{}", other.log());
    assert!(other.log().contains("100000 bytes"), "{}", other.log());
    for (bad, words) in [
        (
            wire::TransferRequest {
                address: "moon".into(),
                ..transfer(other.setup.address, &ports)
            },
            "`moon` is no address",
        ),
        (
            wire::TransferRequest {
                token: vec![1].into(),
                ..transfer(other.setup.address, &ports)
            },
            "16 bytes",
        ),
        (
            wire::TransferRequest {
                tcp_port: 70_000,
                ..transfer(other.setup.address, &ports)
            },
            "70000 is no port",
        ),
    ] {
        let status = refused(bad, &mut client).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(words), "{status}");
    }
}

#[tokio::test]
async fn ports_close_after_their_time_whoever_is_still_connected() {
    let agent = Agent::start().await;
    let request = wire::ListenRequest {
        open_ms: 300,
        most_bytes: 0,
    };
    let mut client = client(&agent).await;
    let ports = within("Listen", client.listen(request)).await;
    let port = ports.expect("ports").into_inner().tcp_port as u16;
    let connect = tokio::net::TcpStream::connect((agent.setup.address, port));
    let mut stream = connect.await.expect("a connection");
    stream.write_all(b"half a").await.expect("bytes");
    let mut rest = Vec::new();
    // Closed or reset, but over.
    within("the end of the connection", stream.read_to_end(&mut rest))
        .await
        .ok();
    assert!(rest.is_empty());
    let again = tokio::net::TcpStream::connect((agent.setup.address, port)).await;
    assert!(again.is_err(), "port {port} is open still");
}

#[tokio::test]
async fn cores_and_disk_are_measured_one_after_the_other_and_leave_nothing() {
    let agent = Agent::start().await;
    let (mut one, mut other) = (client(&agent).await, client(&agent).await);
    let cores = within(
        "Processor",
        one.processor(wire::ProcessorRequest { busy_ms: 100 }),
    );
    let disk = wire::DiskRequest {
        write_ms: 100,
        read_ms: 100,
        most_bytes: 4 << 20,
    };
    let disk = within("Disk", other.disk(disk));
    let (cores, disk) = tokio::join!(cores, disk);
    let cores = cores.expect("cores").into_inner().cores;
    assert!(!cores.is_empty());
    assert!(cores.iter().all(|core| core.work_share > 0.0), "{cores:?}");
    let disk = disk.expect("a disk").into_inner();
    assert!(disk.write_bytes_per_s > 0.0, "{disk:?}");
    assert!(disk.read_bytes_per_s > 0.0, "{disk:?}");
    assert!(!agent.data_dir().join("verify.disk").exists());
}

#[tokio::test]
async fn a_node_says_how_it_is() {
    let agent = Agent::start().await;
    let mut client = client(&agent).await;
    let now = within("Condition", client.condition(wire::ConditionRequest {})).await;
    let now = now.expect("a condition").into_inner();
    assert!(now.memory_bytes > 1 << 20 && now.cores > 0, "{now:?}");
    assert!(now.cpu_ms > now.idle_ms, "{now:?}");
}
