//! One run: its process, its events, its end.

use super::{
    WorkloadSpec,
    cgroup::{Cgroup, Usage},
};
use crate::{
    clock::now_unix_ns, error::AgentError, logs::LogRing, metrics::MetricsRing, process,
    state::Contact,
};
use std::{
    collections::VecDeque,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Child,
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Events that are kept for readers that come late: so many, and their texts together so long.
const EVENTS_KEPT: usize = 10_000;
const EVENT_BYTES_KEPT: usize = 4 << 20;
/// A longer line is cut.
const LINE_BYTES: usize = 64 * 1024;
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What a run said, or its end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum EventKind {
    /// On standard output.
    Line(String),
    /// On standard error.
    Log(String),
    /// The last event.
    Exit(Exit),
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Why the agent ended it; empty if it did not.
    pub reason: String,
    /// Times the memory limit killed a process.
    pub oom_kills: u64,
    /// CPU time used; zero where there is no control group.
    pub cpu: Duration,
    /// Most memory at a time; likewise.
    pub memory_peak_bytes: u64,
}

/// One event with its number, from 1.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunEvent {
    pub seq: u64,
    pub time_unix_ns: i64,
    pub kind: EventKind,
}

#[derive(Debug, Default)]
struct Inner {
    events: VecDeque<RunEvent>,
    bytes: usize,
    next_seq: u64,
    pid: Option<u32>,
    reason: String,
}

impl RunEvent {
    fn text_bytes(&self) -> usize {
        match &self.kind {
            EventKind::Line(text) | EventKind::Log(text) => text.len(),
            EventKind::Exit(_) => 0,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Run {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
    stop: CancellationToken,
    ended: CancellationToken,
    started: Instant,
    bench: String,
    /// Whoever watches this run; others must not keep it alive.
    contact: Contact,
}

impl Run {
    /// Starts the program and a task that watches it.
    pub(super) fn start(
        spec: &WorkloadSpec,
        argv: &[String],
        group: Option<Cgroup>,
        logs: Arc<LogRing>,
        metrics: Arc<MetricsRing>,
    ) -> Result<Arc<Self>, AgentError> {
        let (program, arguments) = argv
            .split_first()
            .ok_or_else(|| AgentError::Invalid("an empty command".into()))?;
        let mut child = process::command(program)
            .args(arguments)
            .env("OMP_NUM_THREADS", "1")
            .env("OPENBLAS_NUM_THREADS", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(AgentError::start(program))?;
        let run = Arc::new(Self {
            inner: Mutex::new(Inner {
                next_seq: 1,
                pid: child.id(),
                ..Inner::default()
            }),
            changed: watch::channel(0).0,
            stop: CancellationToken::new(),
            ended: CancellationToken::new(),
            started: Instant::now(),
            bench: spec.bench.clone(),
            contact: Contact::default(),
        });
        metrics.event("workload", format!("run {} started", spec.id));
        let readers = [
            tokio::spawn(read_lines(
                child.stdout.take(),
                Arc::clone(&run),
                EventKind::Line,
                None,
            )),
            tokio::spawn(read_lines(
                child.stderr.take(),
                Arc::clone(&run),
                EventKind::Log,
                Some(logs),
            )),
        ];
        let (id, lease) = (spec.id.clone(), spec.lease);
        tokio::spawn({
            let run = Arc::clone(&run);
            async move {
                let exit = watch_child(&run, &mut child, group, lease).await;
                for reader in readers {
                    // A grandchild could keep the pipe open for ever.
                    tokio::time::timeout(Duration::from_secs(2), reader)
                        .await
                        .ok();
                }
                metrics.event("workload", format!("run {id} ended: {}", describe(&exit)));
                run.lock().pid = None;
                run.push(EventKind::Exit(exit));
                run.ended.cancel();
            }
        });
        Ok(run)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, kind: EventKind) {
        let mut inner = self.lock();
        let event = RunEvent {
            seq: inner.next_seq,
            time_unix_ns: now_unix_ns(),
            kind,
        };
        inner.next_seq += 1;
        inner.bytes += event.text_bytes();
        inner.events.push_back(event);
        while inner.events.len() > EVENTS_KEPT || inner.bytes > EVENT_BYTES_KEPT {
            let Some(oldest) = inner.events.pop_front() else {
                break;
            };
            inner.bytes -= oldest.text_bytes();
        }
        drop(inner);
        self.changed.send_modify(|n| *n += 1);
    }

    /// Events after a number.
    pub(crate) fn after(&self, seq: u64) -> Vec<RunEvent> {
        self.lock()
            .events
            .iter()
            .filter(|e| e.seq > seq)
            .cloned()
            .collect()
    }

    /// Changes whenever an event was added.
    pub(crate) fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.lock().pid
    }

    /// When it was started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn bench(&self) -> &str {
        &self.bench
    }

    /// Whoever watches this run.
    pub(crate) fn contact(&self) -> &Contact {
        &self.contact
    }

    /// Ends it and waits for that.
    pub(crate) async fn stop(&self, reason: &str) {
        {
            let mut inner = self.lock();
            if inner.pid.is_some() && inner.reason.is_empty() {
                reason.clone_into(&mut inner.reason);
            }
        }
        self.stop.cancel();
        self.ended.cancelled().await;
    }
}

async fn watch_child(
    run: &Run,
    child: &mut Child,
    group: Option<Cgroup>,
    lease: Option<Duration>,
) -> Exit {
    let lease_over = async {
        match lease {
            Some(lease) => run.contact.silent_for(lease).await,
            None => std::future::pending().await,
        }
    };
    let group_id = child.id();
    let status = tokio::select! {
        status = child.wait() => status,
        () = run.stop.cancelled() => {
            process::stop(child, STOP_GRACE).await;
            child.wait().await
        }
        () = lease_over => {
            "the controller was silent for longer than the lease".clone_into(&mut run.lock().reason);
            process::stop(child, STOP_GRACE).await;
            child.wait().await
        }
    };
    process::kill_group(group_id);
    let usage = group.as_ref().map_or_else(Usage::default, Cgroup::usage);
    if let Some(group) = &group {
        group.kill();
    }
    let status = status.ok();
    Exit {
        code: status.and_then(|s| s.code()),
        signal: status.and_then(|s| std::os::unix::process::ExitStatusExt::signal(&s)),
        reason: run.lock().reason.clone(),
        oom_kills: usage.oom_kills,
        cpu: usage.cpu,
        memory_peak_bytes: usage.memory_peak_bytes,
    }
}

fn describe(exit: &Exit) -> String {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".into(),
    };
    let oom = if exit.oom_kills > 0 {
        ", memory limit hit"
    } else {
        ""
    };
    if exit.reason.is_empty() {
        format!("{how}{oom}")
    } else {
        format!("{how}{oom}, {}", exit.reason)
    }
}

async fn read_lines(
    pipe: Option<impl AsyncRead + Unpin>,
    run: Arc<Run>,
    kind: fn(String) -> EventKind,
    logs: Option<Arc<LogRing>>,
) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        // A program that never ends its line must not fill the memory.
        let mut limited = tokio::io::AsyncReadExt::take(&mut reader, LINE_BYTES as u64);
        match limited.read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(logs) = &logs {
            logs.push("workload", &text);
        }
        run.push(kind(text));
    }
}
