//! agent: debugging over the same gRPC that everything else uses.

use super::{logs::LogSource, output::Output};
use crate::{error::CommandError, session};
use clap::Subcommand;
use continuum_agents::{Agent, GrpcAgent, InstallStep};
use continuum_host::{context::Context, error::Error, keys::Secrets, progress::note};
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
    pin::pin,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

#[derive(Debug, Subcommand)]
pub(crate) enum AgentAction {
    /// Who it is and what it can do
    Info,
    /// Whether it answers, how far away it is, and how its broker is doing
    Health,
    /// Run a program on the node; its standard input, unless that is a terminal, and its exit code are this command's
    Exec {
        /// Longest time in seconds, an hour at most; then the exit code is 124
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
        timeout_s: u64,
        /// Program and arguments
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// Its last log lines
    Logs {
        /// Whose
        #[arg(long, default_value = "agent", value_enum)]
        source: LogSource,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: u32,
    },
    /// What it measures of itself
    Metrics,
    /// Ask for a component as `up` does, with settings of your own
    Install {
        /// As its agent knows it; `info` shows those that are there
        component: String,
        /// Settings
        #[arg(value_name = "NAME=VALUE")]
        options: Vec<String>,
    },
    /// Write a file below the agent's files directory
    Put {
        /// File here
        file: PathBuf,
        /// Relative path there
        path: String,
    },
    /// Read a file from below the agent's files directory
    Get {
        /// Relative path there
        path: String,
        /// File here
        file: PathBuf,
    },
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    node: &str,
    action: AgentAction,
) -> Result<(), Error> {
    let (deployment, _, _) = session::open(context, name)?;
    let secrets = Secrets::open(&deployment)?;
    session::check_keys(&deployment, &secrets)?;
    let agent = GrpcAgent::of_node(deployment.node(node)?, &secrets)?;
    match action {
        AgentAction::Info => info(output, &agent).await?,
        AgentAction::Install { component, options } => {
            install(context, output, &agent, &component, &options).await?;
        }
        AgentAction::Health => health(output, &agent).await?,
        AgentAction::Exec { timeout_s, argv } => exec(output, &agent, timeout_s, &argv).await?,
        AgentAction::Logs { source, lines } => {
            let lines = agent.logs(source.name(), lines).await?;
            output.text(&lines.join("\n"));
            output.json(&json!({ "lines": lines }));
        }
        AgentAction::Metrics => {
            let sample = agent.metrics().await?.unwrap_or_default();
            let value = json!(sample);
            let rows = value.as_object().into_iter().flatten();
            output.table(
                &["metric", "value"],
                rows.map(|(k, v)| vec![k.clone(), v.to_string()]).collect(),
            );
            output.json(&value);
        }
        AgentAction::Put { file, path } => {
            let placed = agent.put(&file, &path).await?;
            output.text(&placed);
            output.json(&json!({ "path": placed }));
        }
        AgentAction::Get { path, file } => {
            let bytes = agent.get(&path, &file).await?;
            output.text(&format!("{bytes} bytes written to {}", file.display()));
            output.json(&json!({ "bytes": bytes, "file": file.display().to_string() }));
        }
    }
    Ok(())
}

async fn info(output: &Output, agent: &impl Agent) -> Result<(), Error> {
    let info = agent.info().await?;
    output.table(
        &["what", "value"],
        vec![
            vec!["node".into(), info.node.clone()],
            vec!["deployment".into(), info.deployment_id.clone()],
            vec!["agent".into(), info.agent_version.clone()],
            vec!["host name".into(), info.hostname.clone()],
            vec![
                "system".into(),
                format!("{}, kernel {}", info.os, info.kernel),
            ],
            vec!["cores".into(), info.cpus.to_string()],
            vec!["memory".into(), format!("{} MiB", info.memory_bytes >> 20)],
            vec!["up".into(), format!("{} s", info.uptime_s)],
            vec!["can".into(), info.capabilities.join(", ")],
            vec!["installed".into(), info.components.join(", ")],
        ],
    );
    output.json(&json!(info));
    Ok(())
}

async fn install(
    context: &Context,
    output: &Output,
    agent: &impl Agent,
    component: &str,
    options: &[String],
) -> Result<(), Error> {
    let split = |option: &String| {
        let (name, value) = option.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    let settings: Option<_> = options.iter().map(split).collect();
    let settings = settings.ok_or_else(|| Error::Words {
        doing: format!("install {component}"),
        why: "settings are NAME=VALUE".to_owned(),
    })?;
    let say = |step: InstallStep| {
        let InstallStep {
            step,
            state,
            detail,
        } = step;
        context.progress.say(&format!("{step} {state} {detail}"));
    };
    agent.install(component, settings, &[], &say).await?;
    output.text(&format!("{component} is there"));
    output.json(&json!({ "installed": component }));
    Ok(())
}

async fn exec(
    output: &Output,
    agent: &GrpcAgent,
    timeout_s: u64,
    argv: &[String],
) -> Result<(), Error> {
    let timeout = Duration::from_secs(timeout_s);
    let takes_input = agent.info().await?.takes_input();
    let (input, unreadable) = standard_input();
    let program = async {
        if takes_input {
            agent.exec_with(argv, timeout, input).await
        } else {
            without_input(agent.node(), input, agent.exec(argv, timeout)).await
        }
    };
    let done = tokio::select! {
        done = program => done?,
        // The program is killed: an end of its input would have it work with a part of it.
        Ok(error) = unreadable => return Err(CommandError::StandardInput(error).into()),
    };
    if output.is_json() {
        output.json(&json!({
            "code": done.code,
            "signal": done.signal,
            "timed_out": done.timed_out,
            "dropped_bytes": done.dropped_bytes,
            "stdout": String::from_utf8_lossy(&done.stdout),
            "stderr": String::from_utf8_lossy(&done.stderr),
        }));
    } else {
        output.bytes(&done.stdout);
        Output::error_bytes(&done.stderr);
        if done.dropped_bytes > 0 {
            note(&format!(
                "warning: {} bytes beyond the agent's limit are missing; write to a file and `get` it",
                done.dropped_bytes
            ));
        }
    }
    if done.code == Some(0) {
        return Ok(());
    }
    // As a shell and timeout(1) tell it.
    let (how, code) = match (done.timed_out, done.code, done.signal) {
        (true, ..) => (format!("it was not done after {timeout_s} s"), 124),
        (false, Some(code), _) => (format!("exit code {code}"), code),
        (false, None, Some(signal)) => (format!("signal {signal}"), 128 + signal),
        (false, None, None) => ("it is not known how it ended".to_owned(), 1),
    };
    Err(Error::Program {
        program: argv.join(" "),
        node: agent.node().to_owned(),
        how,
        code: code as u8,
    })
}

/// What is piped into this command, as it comes; nothing from a terminal, for which `ssh` is there.
fn standard_input() -> (
    impl Stream<Item = Vec<u8>> + Send,
    oneshot::Receiver<std::io::Error>,
) {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let (fail, unreadable) = oneshot::channel();
    let mut input = std::io::stdin();
    if !input.is_terminal() {
        // A thread that nobody waits for: the program may end before its input does.
        std::thread::spawn(move || {
            let mut chunk = vec![0; 32 * 1024];
            loop {
                let bytes = match input.read(&mut chunk) {
                    Ok(0) => break,
                    Ok(n) => chunk.get(..n).unwrap_or_default().to_vec(),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        fail.send(error).ok();
                        // The input stays open until the command has failed.
                        std::thread::park();
                        break;
                    }
                };
                if sender.blocking_send(bytes).is_err() {
                    break;
                }
            }
        });
    }
    let input = stream::unfold(receiver, |mut receiver| async move {
        Some((receiver.recv().await?, receiver))
    });
    (input, unreadable)
}

/// Runs a program by an agent that would drop its input: none is as good as an empty one, any other is refused.
async fn without_input<T>(
    node: &str,
    input: impl Stream<Item = Vec<u8>>,
    program: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let given = async {
        let mut input = pin!(input);
        if input.next().await.is_none() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        done = program => done,
        () = given => Err(Error::Foreign {
            node: node.to_owned(),
            why: "its agent is older and hands no standard input to programs; give none (`< /dev/null`) and `put` a file \
                  instead, or build the guest image anew (continuum-ctl image build), then `down` and `up`"
                .into(),
        }),
    }
}

async fn health(output: &Output, agent: &impl Agent) -> Result<(), Error> {
    let begun = Instant::now();
    agent.info().await?;
    let first = begun.elapsed();
    let begun = Instant::now();
    agent.metrics().await?;
    let round_trip = begun.elapsed();
    let clock = agent.clock_offset().await?;
    let broker = agent.broker_stats().await?;
    let ms = |d: Duration| format!("{:.2} ms", d.as_secs_f64() * 1000.0);
    output.table(
        &["what", "value"],
        vec![
            vec!["first answer, with TLS".into(), ms(first)],
            vec!["round trip".into(), ms(round_trip)],
            vec![
                "clock offset".into(),
                format!(
                    "{} µs ± {} µs",
                    clock.offset_ns / 1000,
                    clock.error_ns / 1000
                ),
            ],
            vec![
                "broker".into(),
                if broker.running {
                    format!("{} on {}", broker.backend, broker.listen)
                } else {
                    "not running".into()
                },
            ],
        ],
    );
    output.json(&json!({
        "first_answer_ms": first.as_secs_f64() * 1000.0,
        "round_trip_ms": round_trip.as_secs_f64() * 1000.0,
        "clock": clock,
        "broker": broker,
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn input_for_an_agent_that_would_drop_it_is_refused() {
        let given = stream::iter([b"3 photos".to_vec()]);
        let refused = without_input("edge0", given, std::future::pending::<Result<(), _>>());
        let text = refused.await.unwrap_err().to_string();
        assert!(
            text.contains("edge0") && text.contains("image build"),
            "{text}"
        );
        // Nothing was piped in, or a silent pipe.
        let none = without_input("edge0", stream::empty(), async { Ok(7) });
        assert_eq!(none.await.unwrap(), 7);
        let silent = without_input("edge0", stream::pending(), async { Ok(7) });
        assert_eq!(silent.await.unwrap(), 7);
    }
}
