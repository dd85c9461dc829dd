//! `Node.Exec`: programs run as they are named, within their limits, and end with whoever wanted them.

mod common;

use common::{
    Agent,
    wait::{self, SOON, within},
};
use continuum_proto::{self as wire, node_client::NodeClient};
use std::time::{Duration, Instant};
use tonic::{Code, Status, Streaming, transport::Channel};
use wire::exec_response::Event;

#[derive(Debug, Default)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    exit: wire::ExecExit,
}

fn request(argv: &[&str]) -> wire::ExecRequest {
    wire::ExecRequest {
        id: "test-exec".into(),
        argv: argv.iter().map(|&a| a.to_owned()).collect(),
        ..wire::ExecRequest::default()
    }
}

async fn begin(
    channel: Channel,
    request: wire::ExecRequest,
) -> Result<Streaming<wire::ExecResponse>, Status> {
    let mut client = NodeClient::new(channel);
    let request = tokio_stream::once(request);
    Ok(within("Exec", client.exec(request)).await?.into_inner())
}

async fn exec(agent: &Agent, request: wire::ExecRequest) -> Result<Output, Status> {
    let mut events = begin(agent.connect().await, request).await?;
    let mut output = Output::default();
    let mut exits = 0;
    while let Some(answer) = within("output of the program", events.message()).await? {
        assert_eq!(exits, 0, "something came after the end");
        match answer.event.expect("an event") {
            Event::Stdout(bytes) => output.stdout.extend_from_slice(&bytes),
            Event::Stderr(bytes) => output.stderr.extend_from_slice(&bytes),
            Event::Exit(exit) => {
                output.exit = exit;
                exits += 1;
            }
        }
    }
    assert_eq!(exits, 1, "the program's end was not told");
    Ok(output)
}

/// The first line that a program prints: a process id.
async fn first_pid(events: &mut Streaming<wire::ExecResponse>) -> u32 {
    let answer = within("the program's first output", events.message()).await;
    let answer = answer.expect("an answer").expect("an answer");
    let Some(Event::Stdout(line)) = answer.event else {
        panic!("no output came");
    };
    let line = String::from_utf8_lossy(&line);
    line.trim().parse().expect("a process id")
}

#[tokio::test]
async fn streams_and_exit_code_come_apart() {
    let agent = Agent::start().await;
    let argv = ["sh", "-c", "echo out; echo err >&2; exit 7"];
    let output = exec(&agent, request(&argv)).await.unwrap();
    assert_eq!(output.stdout, b"out\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.exit.code, Some(7));
    assert_eq!((output.exit.signal, output.exit.timed_out), (None, false));
}

#[tokio::test]
async fn a_signal_is_told_instead_of_an_exit_code() {
    let agent = Agent::start().await;
    let argv = ["sh", "-c", "kill -USR1 $$"];
    let output = exec(&agent, request(&argv)).await.unwrap();
    let usr1 = rustix::process::Signal::USR1.as_raw();
    assert_eq!((output.exit.code, output.exit.signal), (None, Some(usr1)));
}

#[tokio::test]
async fn characters_of_a_shell_mean_nothing() {
    let agent = Agent::start().await;
    let words = [
        "$(id)", "`id`", ";", "id", "&&", "|", "> /x", "*", "~", "$HOME", "", "a b", "\n", "'\"",
    ];
    let mut argv = vec!["printf", "%s\\n"];
    argv.extend(words);
    let output = exec(&agent, request(&argv)).await.unwrap();
    let expected = words.join("\n") + "\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    // Nor is there a program of that name.
    let status = exec(&agent, request(&["echo x; id"])).await.unwrap_err();
    assert!(status.message().contains("start `echo x; id`"), "{status}");
}

#[tokio::test]
async fn input_and_environment_reach_the_program() {
    let agent = Agent::start().await;
    let mut wanted = request(&["sh", "-c", "cat; printf %s \"$GREETING\""]);
    wanted.stdin = b"from outside; ".to_vec().into();
    wanted.env = [("GREETING".to_owned(), "$(hello)".to_owned())].into();
    let output = exec(&agent, wanted).await.unwrap();
    assert_eq!(output.stdout, b"from outside; $(hello)");
}

#[tokio::test]
async fn input_comes_as_it_is_typed_and_ends_with_its_stream() {
    let agent = Agent::start().await;
    let (sender, requests) = tokio::sync::mpsc::channel(4);
    sender.send(request(&["cat"])).await.unwrap();
    let mut client = NodeClient::new(agent.connect().await);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut events = client.exec(requests).await.unwrap().into_inner();
    for line in ["one\n", "two\n"] {
        let more = wire::ExecRequest {
            stdin: line.as_bytes().into(),
            ..wire::ExecRequest::default()
        };
        sender.send(more).await.unwrap();
        let answer = within("an echo", events.message()).await.unwrap();
        let Some(Event::Stdout(echo)) = answer.unwrap().event else {
            panic!("no echo of {line:?} came");
        };
        assert_eq!(echo, line.as_bytes());
    }
    drop(sender);
    let answer = within("the end", events.message()).await.unwrap();
    let Some(Event::Exit(exit)) = answer.unwrap().event else {
        panic!("it did not end with its input");
    };
    assert_eq!(exit.code, Some(0));
}

#[tokio::test]
async fn a_program_has_ended_whatever_holds_its_output() {
    let agent = Agent::start().await;
    let begun = Instant::now();
    let argv = ["sh", "-c", "sleep 100 & echo $!; exit 4"];
    let output = exec(&agent, request(&argv)).await.unwrap();
    let pid: u32 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .unwrap();
    wait::signal(pid, rustix::process::Signal::KILL);
    assert_eq!(output.exit.code, Some(4));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn without_a_program_nothing_is_run() {
    let agent = Agent::start().await;
    let status = exec(&agent, request(&[])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let status = exec(&agent, request(&["/does/not/exist"]))
        .await
        .unwrap_err();
    let text = "start `/does/not/exist`: No such file";
    assert!(status.message().contains(text), "{status}");
}

#[tokio::test]
async fn the_callers_id_is_in_the_log() {
    let agent = Agent::start().await;
    exec(&agent, request(&["true"])).await.unwrap();
    assert!(agent.log().contains("exec test-exec: true"));
}

#[tokio::test]
async fn a_deadline_ends_the_program_and_all_it_started() {
    let agent = Agent::start().await;
    let mut wanted = request(&["sh", "-c", "sleep 100 & echo $!; wait"]);
    wanted.timeout_ms = 1500;
    let begun = Instant::now();
    let mut events = begin(agent.connect().await, wanted).await.unwrap();
    let grandchild = first_pid(&mut events).await;
    assert!(wait::is_running(grandchild));
    let answer = within("the end of the program", events.message()).await;
    let Some(Event::Exit(exit)) = answer.unwrap().unwrap().event else {
        panic!("no end was told");
    };
    assert!(exit.timed_out && exit.code.is_none(), "{exit:?}");
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    wait::ended("what the program started", grandchild).await;
}

#[tokio::test]
async fn a_program_ends_when_its_caller_goes_away() {
    let agent = Agent::start().await;
    let argv = ["sh", "-c", "echo $$; exec sleep 100"];
    let mut events = begin(agent.connect().await, request(&argv)).await.unwrap();
    let pid = first_pid(&mut events).await;
    drop(events);
    wait::ended("the program", pid).await;
}

#[tokio::test]
async fn output_beyond_the_limit_is_counted_and_does_not_stall_the_program() {
    const LIMIT: u64 = continuum_agent::process::OUTPUT_LIMIT_BYTES as u64;
    let agent = Agent::start().await;
    let over = LIMIT + 100_000;
    let script = format!("head -c {over} /dev/zero; head -c 10 /dev/zero >&2; exit 3");
    let output = exec(&agent, request(&["sh", "-c", &script])).await.unwrap();
    assert_eq!(output.stdout.len() as u64, LIMIT);
    // The limit is on each stream.
    assert_eq!(output.stderr.len(), 10);
    assert_eq!(output.exit.dropped_bytes, 100_000);
    assert_eq!(output.exit.code, Some(3));
}

#[tokio::test]
async fn programs_run_side_by_side() {
    let agent = Agent::start().await;
    let channel = agent.connect().await;
    let mut open = Vec::new();
    for _ in 0..20 {
        let argv = ["sh", "-c", "echo $$; exec sleep 100"];
        open.push(begin(channel.clone(), request(&argv)).await.unwrap());
    }
    let mut pids = Vec::new();
    for events in &mut open {
        pids.push(first_pid(events).await);
    }
    assert!(pids.iter().all(|&pid| wait::is_running(pid)));
    drop(open);
    for pid in pids {
        wait::ended("a program without a caller", pid).await;
    }
}

#[tokio::test]
async fn a_program_does_not_outlive_a_killed_agent() {
    let mut agent = Agent::start().await;
    let argv = ["sh", "-c", "echo $$; exec sleep 100"];
    let mut events = begin(agent.connect().await, request(&argv)).await.unwrap();
    let pid = first_pid(&mut events).await;
    wait::signal(agent.pid(), rustix::process::Signal::KILL);
    agent.exit_status().await;
    let outcome = tokio::time::timeout(Duration::from_secs(5), wait::ended("it", pid)).await;
    if wait::is_running(pid) {
        // Not left behind for the machine's owner to find.
        wait::signal(pid, rustix::process::Signal::KILL);
    }
    assert!(outcome.is_ok(), "the program outlived its agent");
}
