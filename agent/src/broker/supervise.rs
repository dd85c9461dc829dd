//! Keeps one child running: started again with growing pauses, its output taken as log and counters.

use super::{BrokerSpec, BrokerStats, rumqttd::Counters};
use crate::{config::AgentConfig, error::AgentError, logs::LogRing, metrics::MetricsRing, process};
use continuum_common::wait::Patience;
use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

const LOOK_EVERY: Duration = Duration::from_millis(50);
const START_DEADLINE: Duration = Duration::from_secs(30);
const STOP_GRACE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The beginning of a command line that ties a child to this agent.
pub(super) fn child_argv(config: &AgentConfig) -> Result<Vec<String>, AgentError> {
    Ok(vec![
        config.helper()?.display().to_string(),
        "child".into(),
        format!("--parent={}", std::process::id()),
        "--".into(),
    ])
}

#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) spec: BrokerSpec,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Supervised {
    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.task.await.ok();
    }
}

/// Starts the child and returns when it accepts connections.
pub(super) async fn start(
    spec: BrokerSpec,
    argv: Vec<String>,
    logs: Arc<LogRing>,
    metrics: Arc<MetricsRing>,
    stats: Arc<Mutex<BrokerStats>>,
) -> Result<Supervised, AgentError> {
    // Somebody else on the port would be mistaken for the broker.
    if tokio::net::TcpStream::connect(spec.listen).await.is_ok() {
        return Err(AgentError::InUse(spec.listen));
    }
    let stop = CancellationToken::new();
    let first = spawn(&argv, &logs, &stats)?;
    let task = tokio::spawn(keep_running(
        first,
        argv,
        Arc::clone(&logs),
        Arc::clone(&metrics),
        Arc::clone(&stats),
        stop.clone(),
    ));
    // A caller that gives up in the middle leaves no broker that nobody knows of.
    let guard = stop.clone().drop_guard();
    let supervised = Supervised { spec, stop, task };
    let listen = supervised.spec.listen;
    let mut patience = Patience::new(START_DEADLINE, LOOK_EVERY);
    while let Err(error) = tokio::net::TcpStream::connect(listen).await {
        let restarts = stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .restarts;
        if restarts >= 3 || patience.again(()).await.is_err() {
            let said = logs.tail("broker", 3).unwrap_or_default().join(" | ");
            supervised.stop().await;
            return Err(AgentError::Deadline {
                what: format!("the MQTT broker on {listen}"),
                after: START_DEADLINE,
                last_seen: format!("{error}; {restarts} restarts; log: {said}"),
            });
        }
    }
    metrics.event(
        "broker",
        format!(
            "{} listens on {}",
            supervised.spec.backend.name(),
            supervised.spec.listen
        ),
    );
    guard.disarm();
    Ok(supervised)
}

fn spawn(
    argv: &[String],
    logs: &Arc<LogRing>,
    stats: &Arc<Mutex<BrokerStats>>,
) -> Result<Child, AgentError> {
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| AgentError::Invalid("an empty command".into()))?;
    let mut child = process::command(program)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(AgentError::start(program))?;
    stats.lock().unwrap_or_else(PoisonError::into_inner).pid = child.id();
    if let Some(pipe) = child.stdout.take() {
        let (logs, stats) = (Arc::clone(logs), Arc::clone(stats));
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                match serde_json::from_str::<Counters>(&line) {
                    Ok(counters) => {
                        stats
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .counters = Some(counters);
                    }
                    Err(_) => logs.push("broker", &line),
                }
            }
        });
    }
    if let Some(pipe) = child.stderr.take() {
        let logs = Arc::clone(logs);
        tokio::spawn(async move {
            let mut lines = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                logs.push("broker", &line);
            }
        });
    }
    Ok(child)
}

async fn keep_running(
    mut child: Child,
    argv: Vec<String>,
    logs: Arc<LogRing>,
    metrics: Arc<MetricsRing>,
    stats: Arc<Mutex<BrokerStats>>,
    stop: CancellationToken,
) {
    let mut pause = FIRST_PAUSE;
    loop {
        let begun = Instant::now();
        let status = tokio::select! {
            () = stop.cancelled() => {
                process::stop(&mut child, STOP_GRACE).await;
                stats.lock().unwrap_or_else(PoisonError::into_inner).pid = None;
                return;
            }
            status = child.wait() => status,
        };
        let how = status.map_or_else(|e| e.to_string(), |s| s.to_string());
        {
            let mut stats = stats.lock().unwrap_or_else(PoisonError::into_inner);
            stats.pid = None;
            stats.restarts += 1;
        }
        metrics.event("broker", format!("ended ({how}); starting it again"));
        if begun.elapsed() > Duration::from_mins(1) {
            pause = FIRST_PAUSE;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match spawn(&argv, &logs, &stats) {
                Ok(new) => {
                    child = new;
                    break;
                }
                Err(error) => metrics.event("broker", crate::error::chain(&error)),
            }
        }
    }
}
