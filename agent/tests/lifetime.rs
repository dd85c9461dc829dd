//! Who ends with whom: runs with a silent controller, children with their agent, however it ends.

mod common;

use common::{
    Agent, Setup, mqtt,
    wait::{self, SOON, eventually, within},
    workload::{self, Watch},
};
use continuum_proto::{self as wire, metrics_client::MetricsClient, node_client::NodeClient};
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Prints a line each tenth of a second; when asked to end, says so in a file and does.
const POLITE: &str = "out=${4#--out=}\n\
                      trap 'echo asked > \"$out/asked\"; exit 0' TERM\n\
                      while :; do echo alive; sleep 0.1; done";
const LEASE: Duration = Duration::from_secs(1);

struct Node {
    agent: Agent,
    broker: u32,
    run: u32,
}

/// An agent with a broker and a run that has begun.
async fn busy_node(script: &str) -> Node {
    let setup = Setup::new();
    setup.write_workload(script);
    let agent = setup.start().await;
    let broker = mqtt::start_broker(&agent).await.pid;
    let run = workload::start(&agent, "run-1", 0)
        .await
        .expect("start the run")
        .pid;
    let mut watch = Watch::open(&agent, "run-1", 0)
        .await
        .expect("watch the run");
    watch.next_line().await;
    assert!(wait::is_running(broker) && wait::is_running(run));
    Node { agent, broker, run }
}

#[tokio::test]
async fn a_run_ends_when_the_controller_goes_away_and_not_before() {
    let setup = Setup::new();
    setup.write_workload(POLITE);
    let agent = setup.start().await;
    let lease_ms = LEASE.as_millis() as u64;
    let run = workload::start(&agent, "run-1", lease_ms)
        .await
        .unwrap()
        .pid;
    let mut watch = Watch::open(&agent, "run-1", 0).await.unwrap();
    // As long as the controller listens the lease is kept, without a request.
    let begun = Instant::now();
    while begun.elapsed() < 3 * LEASE {
        watch.next_line().await;
    }
    drop(watch);
    let left = Instant::now();
    // Looked at from outside: a request would keep the lease.
    wait::ended("the run without a controller", run).await;
    assert!(left.elapsed() >= LEASE / 2, "after {:?}", left.elapsed());
    let exit = Watch::open(&agent, "run-1", 0).await.unwrap().exit().await;
    assert!(exit.reason.contains("lease"), "{exit:?}");
    assert_eq!(exit.code, Some(0), "it was asked before it was killed");
}

/// A status command or another bench must not keep alive what a killed controller left.
#[tokio::test]
async fn requests_of_others_do_not_keep_a_run_alive() {
    let setup = Setup::new();
    setup.write_workload(POLITE);
    let agent = setup.start().await;
    let lease_ms = LEASE.as_millis() as u64;
    let run = workload::start(&agent, "run-1", lease_ms)
        .await
        .unwrap()
        .pid;
    let channel = agent.connect().await;
    eventually(
        "the run to end although somebody asks for the agent's name",
        async || {
            common::info(channel.clone()).await.unwrap();
            if wait::is_running(run) {
                Err("it runs".to_owned())
            } else {
                Ok(())
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_new_bench_ends_the_runs_of_an_old_one() {
    let setup = Setup::new();
    setup.write_workload(POLITE);
    let agent = setup.start().await;
    let start = async |id: &str, bench: &str| {
        let request = continuum_proto::StartWorkloadRequest {
            bench: bench.into(),
            ..workload::request(id, 0)
        };
        workload::start_as(&agent, request).await.unwrap().pid
    };
    let (old, other) = (start("old-1", "old").await, start("old-2", "old").await);
    assert!(
        wait::is_running(old),
        "runs of one bench stand side by side"
    );
    let new = start("new-1", "new").await;
    wait::ended("the first old run", old).await;
    wait::ended("the second old run", other).await;
    assert!(wait::is_running(new));
}

#[tokio::test]
async fn a_run_without_a_lease_outlives_the_controller() {
    let node = busy_node(POLITE).await;
    // Nobody is connected; another run with a lease tells when one would be over.
    let leased = workload::start(&node.agent, "run-2", LEASE.as_millis() as u64).await;
    wait::ended("the run with a lease", leased.unwrap().pid).await;
    assert!(wait::is_running(node.run));
}

/// What a node owes to whoever ends it politely.
async fn assert_ends_with_its_children(mut node: Node, begun: Instant) {
    let status = node.agent.exit_status().await;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(begun.elapsed() < SOON);
    // Nothing to wait for: the agent ends after its children.
    assert!(!wait::is_running(node.broker), "the broker runs");
    assert!(!wait::is_running(node.run), "the run runs");
    let asked = node.agent.data_dir().join("runs/run-1/out/asked");
    assert!(asked.exists(), "the run was killed instead of asked");
    assert!(!node.agent.log().contains("panicked"));
}

#[tokio::test]
async fn an_agent_told_to_end_ends_its_children_first() {
    for signal in [Signal::TERM, Signal::INT] {
        let node = busy_node(POLITE).await;
        let begun = Instant::now();
        wait::signal(node.agent.pid(), signal);
        assert_ends_with_its_children(node, begun).await;
    }
}

#[tokio::test]
async fn open_streams_do_not_keep_an_agent_from_ending() {
    let node = busy_node(POLITE).await;
    let channel = node.agent.connect().await;
    let mut metrics = MetricsClient::new(channel.clone());
    let request = wire::StreamMetricsRequest::default();
    let _metrics = metrics.stream(request).await.unwrap();
    let mut watch = Watch::open(&node.agent, "run-1", 0).await.unwrap();
    let begun = Instant::now();
    wait::signal(node.agent.pid(), Signal::TERM);
    // Who watches still hears how the run ended.
    let exit = watch.exit().await;
    assert!(exit.reason.contains("agent was told to end"), "{exit:?}");
    assert_ends_with_its_children(node, begun).await;
}

#[tokio::test]
async fn the_controller_can_end_an_agent() {
    let node = busy_node(POLITE).await;
    let mut client = NodeClient::new(node.agent.connect().await);
    let begun = Instant::now();
    let shutdown = client.shutdown(wire::ShutdownRequest { power_off: false });
    within("Shutdown", shutdown).await.unwrap();
    assert_ends_with_its_children(node, begun).await;
}

#[tokio::test]
async fn a_program_being_run_ends_with_its_agent() {
    let mut node = busy_node(POLITE).await;
    let mut client = NodeClient::new(node.agent.connect().await);
    let request = wire::ExecRequest {
        argv: ["sh", "-c", "echo $$; exec sleep 100"]
            .map(str::to_owned)
            .into(),
        ..wire::ExecRequest::default()
    };
    let mut events = client
        .exec(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let first = within("output", events.message()).await.unwrap().unwrap();
    let Some(wire::exec_response::Event::Stdout(line)) = first.event else {
        panic!("no output came");
    };
    let pid: u32 = String::from_utf8_lossy(&line).trim().parse().unwrap();
    wait::signal(node.agent.pid(), Signal::TERM);
    assert_eq!(node.agent.exit_status().await.code(), Some(0));
    wait::ended("the program", pid).await;
}

#[tokio::test]
async fn a_killed_agent_takes_its_children_along() {
    // One that would ignore every request to end.
    let mut node = busy_node("trap '' TERM INT HUP; echo ready; exec sleep 100").await;
    wait::signal(node.agent.pid(), Signal::KILL);
    node.agent.exit_status().await;
    wait::ended("the broker", node.broker).await;
    wait::ended("the run", node.run).await;
}
