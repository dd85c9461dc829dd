//! Service `Workload`: runs are started, watched, stopped, collected. How they end with others is in `lifetime.rs`.

mod common;

use common::{
    Agent, Setup,
    wait::{self, eventually, within},
    workload::{self, Watch},
};
use continuum_proto::{self as wire, workload_client::WorkloadClient};
use tonic::Code;

async fn agent_with(script: &str) -> Agent {
    let setup = Setup::new();
    setup.write_workload(script);
    setup.start().await
}

#[tokio::test]
async fn a_run_is_told_line_by_line_to_its_end() {
    let agent = agent_with("echo first; echo problem >&2; echo last; exit 5").await;
    let started = workload::start(&agent, "run-1", 0).await.unwrap();
    assert!(!started.limits_enforced && started.cpu_max.is_empty());
    let mut watch = Watch::open(&agent, "run-1", 0).await.unwrap();
    let exit = watch.exit().await;
    assert_eq!(watch.lines, ["first", "last"]);
    assert_eq!(watch.log, ["problem"]);
    assert_eq!(
        (exit.code, exit.signal, exit.reason.as_str()),
        (Some(5), None, "")
    );
    // Numbers rise without a gap, so that a reader can come back.
    let count = watch.seqs.len() as u64;
    assert_eq!(watch.seqs, (1..=count).collect::<Vec<_>>());
    let mut again = Watch::open(&agent, "run-1", count - 1).await.unwrap();
    again.exit().await;
    assert_eq!(again.seqs, [count]);
}

#[tokio::test]
async fn the_program_gets_the_description_unread_and_two_directories() {
    let script = "test \"$1\" = run || exit 9\n\
                  cat \"$2\" > \"${4#--out=}/spec\"\n\
                  printf %s \"${3#--bundle=}\" > \"${4#--out=}/bundle\"";
    let agent = agent_with(script).await;
    let spec = "{ \"application\": \"$(id)\",\n \"x\": [1, 2.50] }";
    let mut request = workload::request("run-1", 0);
    request.spec_json = spec.into();
    workload::start_as(&agent, request).await.unwrap();
    let exit = Watch::open(&agent, "run-1", 0).await.unwrap().exit().await;
    assert_eq!(exit.code, Some(0));
    assert_eq!(
        workload::collect(&agent, "run-1", "spec").await.unwrap(),
        spec.as_bytes()
    );
    let bundle = agent.setup.path("bundle").display().to_string();
    assert_eq!(
        workload::collect(&agent, "run-1", "bundle").await.unwrap(),
        bundle.as_bytes()
    );
}

#[tokio::test]
async fn a_large_file_is_collected_whole() {
    let agent = agent_with("yes 0123456789 | head -c 3000000 > \"${4#--out=}/samples.csv\"").await;
    workload::start(&agent, "run-1", 0).await.unwrap();
    Watch::open(&agent, "run-1", 0).await.unwrap().exit().await;
    let file = workload::collect(&agent, "run-1", "samples.csv")
        .await
        .unwrap();
    let expected: Vec<u8> = b"0123456789\n"
        .iter()
        .copied()
        .cycle()
        .take(3_000_000)
        .collect();
    assert!(file == expected, "{} bytes came", file.len());
}

#[tokio::test]
async fn only_files_of_the_run_are_collected() {
    let agent = agent_with("true").await;
    workload::start(&agent, "run-1", 0).await.unwrap();
    Watch::open(&agent, "run-1", 0).await.unwrap().exit().await;
    for name in ["../spec.json", "/etc/passwd", "", "a/../../spec.json"] {
        let status = workload::collect(&agent, "run-1", name).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{name:?}: {status}");
    }
    let status = workload::collect(&agent, "run-1", "none.csv")
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
}

#[tokio::test]
async fn stopping_lets_it_end_by_itself_and_says_why() {
    let agent =
        agent_with("trap 'echo asked; exit 0' TERM; echo ready; while :; do sleep 0.1; done").await;
    let started = workload::start(&agent, "run-1", 0).await.unwrap();
    let mut watch = Watch::open(&agent, "run-1", 0).await.unwrap();
    watch.line("ready").await;
    assert!(wait::is_running(started.pid));
    workload::stop(&agent, "run-1").await.unwrap();
    assert!(!wait::is_running(started.pid));
    let exit = watch.exit().await;
    assert_eq!(watch.lines, ["ready", "asked"]);
    assert_eq!(exit.code, Some(0));
    assert!(exit.reason.contains("the controller asked"), "{exit:?}");
    // Once more changes nothing.
    workload::stop(&agent, "run-1").await.unwrap();
}

#[tokio::test]
async fn one_that_does_not_listen_is_killed_with_all_it_started() {
    let agent = agent_with("trap '' TERM; sleep 30 & echo $!; while :; do wait; done").await;
    let started = workload::start(&agent, "run-1", 0).await.unwrap();
    let mut watch = Watch::open(&agent, "run-1", 0).await.unwrap();
    let grandchild = watch.next_line().await.parse().unwrap();
    workload::stop(&agent, "run-1").await.unwrap();
    let exit = watch.exit().await;
    let kill = rustix::process::Signal::KILL.as_raw();
    assert_eq!((exit.code, exit.signal), (None, Some(kill)));
    wait::ended("the run", started.pid).await;
    wait::ended("what the run started", grandchild).await;
}

#[tokio::test]
async fn an_id_is_never_used_twice() {
    let agent = agent_with("true").await;
    workload::start(&agent, "run-1", 0).await.unwrap();
    Watch::open(&agent, "run-1", 0).await.unwrap().exit().await;
    let status = workload::start(&agent, "run-1", 1).await.unwrap_err();
    assert_eq!(status.code(), Code::AlreadyExists, "{status}");
}

#[tokio::test]
async fn a_request_that_comes_again_starts_nothing_and_gets_the_same_answer() {
    let agent = agent_with("exec sleep 30").await;
    let channel = agent.connect().await;
    let starts = (0..8).map(|_| {
        let mut client = WorkloadClient::new(channel.clone());
        tokio::spawn(async move { client.start(workload::request("run-1", 0)).await })
    });
    let starts: Vec<_> = starts.collect();
    let mut pids = Vec::new();
    for start in starts {
        let started = within("a start", start).await.unwrap().unwrap();
        pids.push(started.into_inner().pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "runs started: {pids:?}");
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    type Change = fn(&mut wire::StartWorkloadRequest);
    let agent = agent_with("true").await;
    for id in ["", "../x", "a/b", "a b", "é", &"x".repeat(65)] {
        let status = workload::start(&agent, id, 0).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{id:?}: {status}");
    }
    let cases: [Change; 4] = [
        |r| r.spec_json = "{".into(),
        |r| r.spec_json.clear(),
        |r| r.cpu_cores = f64::NAN,
        |r| r.cpu_cores = -1.0,
    ];
    for change in cases {
        let mut request = workload::request("run-1", 0);
        change(&mut request);
        let status = workload::start_as(&agent, request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    // None of them used up the id.
    workload::start(&agent, "run-1", 0).await.unwrap();
    let Err(status) = Watch::open(&agent, "run-2", 0).await else {
        panic!("there is no such run");
    };
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().contains("there are: run-1"), "{status}");
}

#[tokio::test]
async fn without_a_program_the_bundle_is_named_and_the_id_is_still_free() {
    let agent = Agent::start().await;
    let status = workload::start(&agent, "run-1", 0).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound, "{status}");
    let program = agent.setup.path("bundle/bin/continuum-workload");
    let program = program.display().to_string();
    assert!(status.message().contains(&program), "{status}");
    agent.setup.write_workload("true");
    workload::start(&agent, "run-1", 0).await.unwrap();
}

#[tokio::test]
async fn a_line_without_end_is_cut_and_does_not_fill_the_memory() {
    let agent = agent_with("head -c 300000 /dev/zero | tr '\\0' x; echo; echo done").await;
    workload::start(&agent, "run-1", 0).await.unwrap();
    let mut watch = Watch::open(&agent, "run-1", 0).await.unwrap();
    let exit = watch.exit().await;
    assert_eq!(exit.code, Some(0));
    assert!(watch.lines.iter().all(|l| l.len() <= 64 * 1024));
    assert_eq!(watch.lines.concat().len(), 300_000 + "done".len());
}

#[tokio::test]
async fn the_log_of_a_run_is_kept_for_people() {
    let agent = agent_with("echo 'it is about to fail' >&2; exit 1").await;
    workload::start(&agent, "run-1", 0).await.unwrap();
    eventually("the line in the log of workloads", async || {
        let request = wire::LogsRequest {
            source: "workload".into(),
            tail_lines: 5,
        };
        let mut client = wire::node_client::NodeClient::new(agent.connect().await);
        let mut answers = client
            .logs(request)
            .await
            .map_err(|s| s.to_string())?
            .into_inner();
        let lines = answers.message().await.map_err(|s| s.to_string())?;
        let lines = lines.unwrap_or_default().lines;
        if lines.iter().any(|l| l == "it is about to fail") {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
}
