//! What stands in front of rumqttd, in its process: clients that it would end without a word come in or are told why not,
//! its memory has a limit, and is given back when nobody is there.
//!
//! ```text
//! client -- CONNECT --> gate -- keep-alive 0, names, version --> rumqttd's listener for MQTT 3.1.1, or for 5
//!        <-- CONNACK --      <-- everything else as it is ----->
//! ```
//! rumqttd frees nothing while it runs. So when no client is connected, none has left a session behind and no message is
//! retained, this process becomes itself anew; its listening socket stays open meanwhile, so that who comes just then waits
//! a moment instead of being turned away.

mod connect;
mod frames;
mod memory;

use crate::error::AgentError;
use connect::{Client, Refusal, Version};
use frames::Frame;
use memory::Memory;
use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use std::{
    collections::HashSet,
    net::SocketAddr,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, timeout},
};

/// The number of the listening socket, for a process that follows itself.
const LISTENER: &str = "CONTINUUM_BROKER_LISTENER";
/// For a client's first packet.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// For what is still under way when a client has said its last.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// So long without clients until memory is given back, if it is that much.
const IDLE: Duration = Duration::from_secs(5);
const WORTH_IT_BYTES: u64 = 64 << 20;
const CHUNK: usize = 64 * 1024;
const HTTP: &str = "this broker speaks MQTT over TCP, not over WebSocket\n";

/// What a gate is to do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) listen: SocketAddr,
    pub(super) max_connections: u32,
    /// Of a whole packet, without what stands in front of it.
    pub(super) max_packet_bytes: usize,
    pub(super) memory_bytes: u64,
    /// rumqttd's own listeners.
    pub(super) v4: SocketAddr,
    pub(super) v5: SocketAddr,
}

struct State {
    connections: u32,
    /// Clients with a session that outlives their connection.
    sessions: HashSet<String>,
    memory: Memory,
}

struct Gate {
    settings: Settings,
    state: Mutex<State>,
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens, or goes on listening where this process did before.
pub(super) fn listener(listen: SocketAddr) -> Result<std::net::TcpListener, AgentError> {
    let inherited = std::env::var(LISTENER).ok().and_then(|n| n.parse().ok());
    let listener = match inherited {
        Some(number) => own_descriptor(number).map(std::net::TcpListener::from),
        None => std::net::TcpListener::bind(listen),
    };
    let listener = listener.and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|source| AgentError::Serve {
        listen,
        source: source.into(),
    })
}

/// By way of a pidfd: taking a number for a descriptor is unsafe.
fn own_descriptor(number: i32) -> std::io::Result<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(&own, number, PidfdGetfdFlags::empty())?)
}

pub(super) async fn serve(
    listener: std::net::TcpListener,
    settings: Settings,
) -> Result<(), AgentError> {
    let error = |source: std::io::Error| AgentError::Serve {
        listen: settings.listen,
        source: source.into(),
    };
    let number = listener.as_raw_fd();
    let inherited = std::env::var(LISTENER).ok().and_then(|n| n.parse().ok());
    let listener = TcpListener::from_std(listener).map_err(error)?;
    let gate = Arc::new(Gate {
        settings,
        state: Mutex::new(State {
            connections: 0,
            sessions: HashSet::new(),
            memory: Memory::new(settings.memory_bytes),
        }),
    });
    tracing::info!(
        "rumqttd listens on {}; messages may take {} MiB",
        settings.listen,
        settings.memory_bytes >> 20
    );
    let mut idle_since = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, from)) => {
                    gate.lock().connections += 1;
                    let gate = Arc::clone(&gate);
                    tokio::spawn(async move {
                        if let Err(why) = pass(&gate, client).await {
                            tracing::warn!("client at {from}: {why}");
                        }
                        gate.lock().connections -= 1;
                    });
                }
                Err(error) => {
                    tracing::warn!("accept a client: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            _ = tick.tick() => {
                let is_needed = {
                    let state = gate.lock();
                    state.connections > 0 || !state.sessions.is_empty() || state.memory.has_retained()
                };
                if is_needed {
                    idle_since = Instant::now();
                } else if idle_since.elapsed() >= IDLE && own_memory() > WORTH_IT_BYTES {
                    let error = begin_anew(inherited.unwrap_or(number), &listener);
                    tracing::warn!("give memory back: {error}");
                    idle_since = Instant::now();
                }
            }
        }
    }
}

fn own_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let rss = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kib = rss.and_then(|l| l.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or_default() << 10
}

/// Becomes this program again, with the same arguments; returns only why it could not.
fn begin_anew(number: i32, listener: &TcpListener) -> std::io::Error {
    tracing::info!("no client is left: giving back {} MiB", own_memory() >> 20);
    // An inherited one is open for programs that follow already.
    if number == listener.as_raw_fd()
        && let Err(errno) = fcntl_setfd(listener, FdFlags::empty())
    {
        return errno.into();
    }
    let words = std::fs::read("/proc/self/cmdline").unwrap_or_default();
    let words = words.split(|b| *b == 0).skip(1).filter(|w| !w.is_empty());
    let words = words.map(|w| String::from_utf8_lossy(w).into_owned());
    #[expect(
        clippy::disallowed_methods,
        reason = "exec of this process, not a new one"
    )]
    std::process::Command::new("/proc/self/exe")
        .args(words)
        .env(LISTENER, number.to_string())
        .exec()
}

/// A client's connection from its first byte to its last; an error is for the log.
async fn pass(gate: &Gate, mut client: TcpStream) -> Result<(), String> {
    client.set_nodelay(true).map_err(|e| e.to_string())?;
    let mut buffer = Vec::new();
    let greeting = timeout(CONNECT_WITHIN, first_packet(gate, &mut client, &mut buffer));
    let greeted = match greeting.await {
        // Somebody who only looks whether it listens.
        Ok(Ok(None)) => return Ok(()),
        Ok(Ok(Some(greeted))) => admit(gate, greeted),
        Ok(Err(refusal)) => Err(refusal),
        Err(_) => {
            return Err(format!(
                "said nothing within {} s",
                CONNECT_WITHIN.as_secs()
            ));
        }
    };
    let greeted = match greeted {
        Ok(greeted) => greeted,
        Err(refusal) => {
            client.write_all(&refusal.answer).await.ok();
            client.shutdown().await.ok();
            return Err(format!("refused: {}", refusal.why));
        }
    };
    let inner = match greeted.version {
        Version::V4 => gate.settings.v4,
        Version::V5 => gate.settings.v5,
    };
    let io = |e: std::io::Error| format!("rumqttd: {e}");
    let mut server = TcpStream::connect(inner).await.map_err(io)?;
    server.set_nodelay(true).map_err(io)?;
    server.write_all(&greeted.packet).await.map_err(io)?;
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, to_server) = server.into_split();
    let down = async {
        tokio::io::copy(&mut from_server, &mut to_client).await.ok();
        to_client.shutdown().await.ok();
    };
    tokio::pin!(down);
    let up = up(gate, &greeted, buffer, from_client, to_server);
    tokio::select! {
        result = up => {
            if result.is_ok() {
                timeout(LAST_WORDS, down).await.ok();
            }
            result
        }
        () = &mut down => Ok(()),
    }
}

/// A CONNECT; what came behind it stays in the buffer.
async fn first_packet(
    gate: &Gate,
    client: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> Result<Option<Client>, Refusal> {
    let refusal = |why: &str| Refusal {
        answer: Vec::new(),
        why: why.to_owned(),
    };
    loop {
        if client.read_buf(buffer).await.unwrap_or(0) == 0 {
            return if buffer.is_empty() {
                Ok(None)
            } else {
                Err(refusal("it ended inside its first packet"))
            };
        }
        if buffer.starts_with(b"GET ") {
            let length = HTTP.len();
            let head = "HTTP/1.1 501 Not Implemented\r\nConnection: close\r\n";
            return Err(Refusal {
                answer: format!("{head}Content-Length: {length}\r\n\r\n{HTTP}").into_bytes(),
                why: "it speaks HTTP".into(),
            });
        }
        if buffer.first() != Some(&0x10) {
            return Err(refusal("its first packet is no CONNECT"));
        }
        let frame = Frame::read(buffer).map_err(|()| refusal("its first packet has no length"))?;
        let Some(frame) = frame else { continue };
        if frame.body() > gate.settings.max_packet_bytes {
            return Err(refusal("its first packet is too large"));
        }
        if let Some(body) = buffer.get(frame.head..frame.bytes) {
            let read = connect::read(body)?;
            buffer.drain(..frame.bytes);
            return Ok(Some(read));
        }
    }
}

fn admit(gate: &Gate, client: Client) -> Result<Client, Refusal> {
    let most = gate.settings.max_connections;
    let mut state = gate.lock();
    // This one is counted already.
    if state.connections > most {
        return Err(Refusal::full(client.version, most));
    }
    if client.is_clean {
        state.sessions.remove(&client.id);
    } else {
        state.sessions.insert(client.id.clone());
    }
    Ok(client)
}

/// From the client to rumqttd, packet by packet, until the client ends.
async fn up(
    gate: &Gate,
    client: &Client,
    mut buffer: Vec<u8>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> Result<(), String> {
    // Bytes of the packet that is on its way.
    let mut left = 0_usize;
    loop {
        // As far as the buffer goes, whole packets and the beginning of a large one.
        let mut known = 0;
        loop {
            let passing = left.min(buffer.len() - known);
            known += passing;
            left -= passing;
            if left > 0 {
                break;
            }
            let rest = buffer.get(known..).unwrap_or_default();
            let Some(frame) = next_packet(gate, client, rest)? else {
                break;
            };
            left = frame.bytes;
        }
        if known > 0 {
            let passed = buffer.get(..known).unwrap_or_default();
            if to.write_all(passed).await.is_err() {
                return Ok(());
            }
            buffer.drain(..known);
        }
        buffer.reserve(CHUNK);
        match from.read_buf(&mut buffer).await {
            Ok(1..) => {}
            Ok(0) => {
                to.shutdown().await.ok();
                return Ok(());
            }
            Err(_) => return Ok(()),
        }
    }
}

/// The packet that begins here, if enough of it is there to let it pass.
fn next_packet(gate: &Gate, client: &Client, bytes: &[u8]) -> Result<Option<Frame>, String> {
    let no_mqtt = |()| format!("`{}` sent what is no MQTT", client.id);
    let Some(frame) = Frame::read(bytes).map_err(no_mqtt)? else {
        return Ok(None);
    };
    if frame.body() > gate.settings.max_packet_bytes {
        return Err(format!(
            "`{}` sent a packet of {} bytes, the most are {}",
            client.id,
            frame.body(),
            gate.settings.max_packet_bytes
        ));
    }
    if frame.is_subscribe() {
        let Some(packet) = bytes.get(..frame.bytes) else {
            return Ok(None);
        };
        let filters = frames::filters(frame, packet, client.version == Version::V5);
        let mut state = gate.lock();
        for filter in &filters {
            state.memory.subscribe(filter);
        }
    }
    if frame.is_publish() {
        let Some(topic_end) = frames::topic_end(frame, bytes) else {
            return Ok(None);
        };
        if bytes.len() < topic_end.min(frame.bytes) {
            return Ok(None);
        }
        let topic = frames::topic(frame, bytes);
        let mut state = gate.lock();
        let size = frame.bytes as u64;
        if !state.memory.publish(topic, size, frame.is_retained()) {
            return Err(format!(
                "`{}` published on `{}`, and the messages of all topics take {} of {} MiB: it is disconnected; \
                 memory is given back when all clients have left",
                client.id,
                topic.unwrap_or_default(),
                state.memory.held() >> 20,
                state.memory.limit() >> 20
            ));
        }
    }
    Ok(Some(frame))
}
