//! The session with the broker: one that outlives its connections.
//!
//! What was given to it and is not acknowledged goes out again over the next connection. What may wait is bounded in
//! bytes; who sends asks for room first. What a broker acknowledged and then lost is for the applications to find, by
//! asking each other for what is missing (`endpoint.rs`, `ledger.rs`): with that a broker need not keep a session, and
//! one that died, or whose log has overrun, is no loss.

mod connection;
mod outbox;

use crate::MAX_MESSAGE_BYTES;
use bytes::Bytes;
use connection::Connection;
use continuum_workload_core::application::{RunError, Stop};
pub(crate) use outbox::Tag;
use outbox::{Message, Outbox};
use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
};

/// How long the first connection may take.
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_mins(1);
/// A broker counts a client as gone after one and a half of it. Long, because some count from the last whole packet:
/// a photo over a slow link is one.
const KEEP_ALIVE: Duration = Duration::from_mins(10);
/// What may wait for the broker.
const WAITING_BYTES: u64 = 32 << 20;
const MAX_PACKET_BYTES: usize = MAX_MESSAGE_BYTES + 1024;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What a session sees.
pub(crate) enum Seen<'a> {
    /// A message, and when it was there.
    Message(&'a [u8], std::time::Instant),
    /// The connection was made anew: what came in between is lost.
    Reconnected,
}

/// Whether the broker is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    None,
    /// It is to be asked.
    Due,
    /// It was asked, and has not answered.
    Open,
}

struct State {
    outbox: Outbox,
    acks: Vec<u16>,
    question: Question,
    /// Goodbye once everything is out.
    ends: bool,
    is_connected: bool,
}

struct Shared {
    state: Mutex<State>,
    /// There is something to send.
    work: Notify,
    changed: watch::Sender<()>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct Session {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    reconnects: Arc<AtomicU64>,
    /// Connected, or why not; its sender is gone with the task.
    status: watch::Receiver<Result<(), String>>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Session {
    /// Connects to `broker` (`address:port`) and, if there is one, subscribes to `topic`; returns once the broker has
    /// confirmed.
    pub(crate) async fn connect(
        broker: &str,
        client_id: &str,
        topic: Option<String>,
        stop: &Stop,
        on: impl FnMut(Seen<'_>) + Send + 'static,
    ) -> Result<Self, RunError> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                outbox: Outbox::new(WAITING_BYTES),
                acks: Vec::new(),
                question: Question::None,
                ends: false,
                is_connected: false,
            }),
            work: Notify::new(),
            changed: watch::Sender::new(()),
        });
        let reconnects = Arc::new(AtomicU64::new(0));
        let (status, mut seen) = watch::channel(Err(String::from("no answer")));
        let task = tokio::spawn(keep_connected(
            broker.to_owned(),
            client_id.to_owned(),
            topic,
            Arc::clone(&shared),
            Arc::clone(&reconnects),
            status,
            on,
        ));
        let session = Self {
            shared,
            task,
            reconnects,
            status: seen.clone(),
        };
        let ready = async { seen.wait_for(Result::is_ok).await.is_ok() };
        let is_ready = tokio::select! {
            ready = tokio::time::timeout(CONNECT_DEADLINE, ready) => matches!(ready, Ok(true)),
            () = stop.requested() => return Err(RunError::Stopped),
        };
        if !is_ready {
            let last = seen.borrow().clone().err().unwrap_or_default();
            return Err(RunError::Deadline {
                what: format!("MQTT broker {broker} (last error: {last})"),
                seconds: CONNECT_DEADLINE.as_secs(),
            });
        }
        Ok(session)
    }

    /// Waits until so many bytes more may wait. Nothing is lost when it is not waited for to the end.
    pub(crate) async fn room(&self, bytes: u64) {
        let mut changed = self.shared.changed.subscribe();
        while !self.has_room(bytes) {
            // The sender lives as long as this session.
            changed.changed().await.ok();
        }
    }

    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        self.shared.lock().outbox.has_room(bytes)
    }

    /// Bytes that wait, or are not acknowledged.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.shared.lock().outbox.bytes()
    }

    /// Whether the broker owes nothing: connected, everything acknowledged, no question open.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.shared.lock();
        state.is_connected && state.outbox.is_empty() && state.question != Question::Open
    }

    /// Whether such a message waits, or is not acknowledged.
    pub(crate) fn has(&self, tag: Tag) -> bool {
        self.shared.lock().outbox.has(tag)
    }

    /// Takes one message over; who sends many asks for [`Self::room`] first.
    pub(crate) fn publish(&self, topic: &str, payload: Vec<u8>, tag: Tag) {
        self.shared.lock().outbox.push(Message {
            topic: topic.to_owned(),
            payload: Bytes::from(payload),
            tag,
        });
        self.shared.work.notify_one();
    }

    /// Waits until the broker has acknowledged everything.
    pub(crate) async fn flush(&self) {
        let mut changed = self.shared.changed.subscribe();
        while !self.shared.lock().outbox.is_empty() {
            changed.changed().await.ok();
        }
    }

    /// Messages sent again since this was last asked.
    pub(crate) fn take_resent(&self) -> Vec<Tag> {
        self.shared.lock().outbox.take_resent()
    }

    /// How often it had to connect again.
    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// Says goodbye, if somebody listens within two seconds.
    pub(crate) async fn close(&self) {
        self.shared.lock().ends = true;
        self.shared.work.notify_one();
        let mut status = self.status.clone();
        let ended = async { while status.changed().await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(2), ended)
            .await
            .ok();
    }
}

async fn keep_connected(
    broker: String,
    client_id: String,
    topic: Option<String>,
    shared: Arc<Shared>,
    reconnects: Arc<AtomicU64>,
    status: watch::Sender<Result<(), String>>,
    mut on: impl FnMut(Seen<'_>) + Send + 'static,
) {
    let mut pause = FIRST_PAUSE;
    let mut connected_before = false;
    loop {
        let error = match Connection::open(&broker, &client_id, topic.as_deref()).await {
            Ok(connection) => {
                pause = FIRST_PAUSE;
                if connected_before {
                    reconnects.fetch_add(1, Ordering::Relaxed);
                    tracing::info!("connected to the broker again");
                    on(Seen::Reconnected);
                }
                connected_before = true;
                shared.lock().is_connected = true;
                drop(status.send_replace(Ok(())));
                match connection.serve(&shared, &mut on).await {
                    Ok(()) => return,
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        tracing::warn!("connection to the broker: {error}");
        {
            let mut state = shared.lock();
            state.outbox.disconnected();
            state.acks.clear();
            state.question = Question::None;
            state.is_connected = false;
            if state.ends {
                return;
            }
        }
        if !connected_before {
            drop(status.send_replace(Err(error.to_string())));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
