//! One connection to the broker: made, then read from and written to side by side until it breaks.
//!
//! Reading never waits for writing: over a slow link a photo takes seconds to go out, and an answer that comes meanwhile
//! must not be noted as later than it was. The client of rumqttc does one after the other, ends a connection whose photo
//! takes more than five seconds, and forgets what is not acknowledged when the broker has no session; of it only the
//! packets are used.

use super::{KEEP_ALIVE, MAX_PACKET_BYTES, Question, Seen, Shared};
use bytes::BytesMut;
use rumqttc::{
    ConnAck, Connect, ConnectReturnCode, Packet, PubAck, QoS, Subscribe, SubscribeReasonCode,
    mqttbytes,
};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Instant, timeout},
};

/// For a TCP connection.
const DIAL: Duration = Duration::from_secs(10);
/// For the broker's first words. One that stands still has the connection and says nothing: asking again helps nobody.
const GREETING: Duration = Duration::from_mins(1);
/// After so long without a word the broker is asked whether it is there.
const QUIET: Duration = Duration::from_secs(10);
/// A connection that moves no byte in either direction for so long, while something is to be moved, is given up.
const DEAD: Duration = Duration::from_secs(40);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("no connection within {} s", DIAL.as_secs())]
    Dial,
    #[error("no word from the broker within {} s", GREETING.as_secs())]
    Greeting,
    #[error("refused by the broker: {0:?}")]
    Refused(ConnectReturnCode),
    #[error("the broker refuses the subscription to `{0}`")]
    Subscription(String),
    #[error("the broker sends what is no MQTT: {0}")]
    Packet(mqttbytes::Error),
    #[error("the broker closed it")]
    Closed,
    #[error("nothing came or went for {} s", DEAD.as_secs())]
    Dead,
}

pub(super) struct Connection {
    read: Reader,
    write: OwnedWriteHalf,
}

struct Reader {
    half: OwnedReadHalf,
    buffer: BytesMut,
}

impl Reader {
    async fn next(&mut self, moved: impl Fn()) -> Result<Packet, Broken> {
        loop {
            match Packet::read(&mut self.buffer, MAX_PACKET_BYTES) {
                Ok(packet) => return Ok(packet),
                Err(mqttbytes::Error::InsufficientBytes(_)) => {}
                Err(error) => return Err(Broken::Packet(error)),
            }
            self.buffer.reserve(64 * 1024);
            if self.half.read_buf(&mut self.buffer).await? == 0 {
                return Err(Broken::Closed);
            }
            moved();
        }
    }
}

fn bytes_of(packet: &Packet, into: &mut BytesMut) -> Result<(), Broken> {
    packet
        .write(into, MAX_PACKET_BYTES)
        .map(|_| ())
        .map_err(Broken::Packet)
}

impl Connection {
    /// Connects, and subscribes if there is something to subscribe to.
    pub(super) async fn open(
        broker: &str,
        client_id: &str,
        topic: Option<&str>,
    ) -> Result<Self, Broken> {
        let dialled = timeout(DIAL, TcpStream::connect(broker)).await;
        let stream = dialled.map_err(|_| Broken::Dial)??;
        // Without this each answer waits some 40 ms for a delayed acknowledgement.
        stream.set_nodelay(true)?;
        let (half, write) = stream.into_split();
        let mut connection = Self {
            read: Reader {
                half,
                buffer: BytesMut::new(),
            },
            write,
        };
        let greeted = timeout(GREETING, connection.greet(client_id, topic)).await;
        greeted.map_err(|_| Broken::Greeting)??;
        Ok(connection)
    }

    async fn greet(&mut self, client_id: &str, topic: Option<&str>) -> Result<(), Broken> {
        let mut connect = Connect::new(client_id);
        connect.keep_alive = KEEP_ALIVE.as_secs() as u16;
        // Nothing is left to the broker: what is missing after a break is found by asking for it, with any broker.
        connect.clean_session = true;
        let mut bytes = BytesMut::new();
        bytes_of(&Packet::Connect(connect), &mut bytes)?;
        self.write.write_all(&bytes).await?;
        match self.read.next(|| {}).await? {
            Packet::ConnAck(ConnAck {
                code: ConnectReturnCode::Success,
                ..
            }) => {}
            Packet::ConnAck(ack) => return Err(Broken::Refused(ack.code)),
            _ => return Err(Broken::Packet(mqttbytes::Error::IncorrectPacketFormat)),
        }
        let Some(topic) = topic else { return Ok(()) };
        let mut subscribe = Subscribe::new(topic, QoS::AtLeastOnce);
        subscribe.pkid = 1;
        bytes.clear();
        bytes_of(&Packet::Subscribe(subscribe), &mut bytes)?;
        self.write.write_all(&bytes).await?;
        match self.read.next(|| {}).await? {
            Packet::SubAck(ack) if !ack.return_codes.contains(&SubscribeReasonCode::Failure) => {
                Ok(())
            }
            _ => Err(Broken::Subscription(topic.to_owned())),
        }
    }

    /// Until it breaks; `Ok` once it was closed as asked.
    pub(super) async fn serve(
        self,
        shared: &Shared,
        on: &mut (dyn FnMut(Seen<'_>) + Send),
    ) -> Result<(), Broken> {
        let moved = tokio::sync::watch::Sender::new(Instant::now());
        let Self { read, write } = self;
        tokio::select! {
            ended = reading(read, shared, on, &moved) => ended,
            ended = writing(write, shared, &moved) => ended,
        }
    }
}

async fn reading(
    mut read: Reader,
    shared: &Shared,
    on: &mut (dyn FnMut(Seen<'_>) + Send),
    moved: &tokio::sync::watch::Sender<Instant>,
) -> Result<(), Broken> {
    loop {
        let was_moved = || {
            moved.send_replace(Instant::now());
        };
        match read.next(was_moved).await? {
            Packet::Publish(publish) => {
                on(Seen::Message(&publish.payload, std::time::Instant::now()));
                if publish.qos == QoS::AtLeastOnce {
                    shared.lock().acks.push(publish.pkid);
                    shared.work.notify_one();
                }
            }
            Packet::PubAck(ack) => {
                let is_new = shared.lock().outbox.acknowledge(ack.pkid);
                if is_new {
                    shared.changed.send_replace(());
                }
                // The window may have room again.
                shared.work.notify_one();
            }
            Packet::PingResp => shared.lock().question = Question::None,
            _ => {}
        }
    }
}

async fn writing(
    mut write: OwnedWriteHalf,
    shared: &Shared,
    moved: &tokio::sync::watch::Sender<Instant>,
) -> Result<(), Broken> {
    let mut bytes = BytesMut::new();
    loop {
        bytes.clear();
        let is_end = fill(shared, &mut bytes)?;
        let mut rest: &[u8] = &bytes;
        while !rest.is_empty() {
            let taken = while_it_moves(moved, write.write(rest)).await??;
            if taken == 0 {
                return Err(Broken::Closed);
            }
            moved.send_replace(Instant::now());
            rest = rest.get(taken..).unwrap_or_default();
        }
        if is_end {
            write.shutdown().await?;
            return Ok(());
        }
        if !bytes.is_empty() {
            continue;
        }
        let last = *moved.borrow();
        let (is_asked, waits_for_it) = {
            let state = shared.lock();
            let is_asked = state.question == Question::Open;
            (is_asked, is_asked || !state.outbox.is_empty())
        };
        tokio::select! {
            () = shared.work.notified() => {}
            () = tokio::time::sleep_until(last + QUIET), if !is_asked => {
                if moved.borrow().elapsed() >= QUIET {
                    shared.lock().question = Question::Due;
                }
            }
            () = tokio::time::sleep_until(last + DEAD), if waits_for_it => {
                if moved.borrow().elapsed() >= DEAD {
                    return Err(Broken::Dead);
                }
            }
        }
    }
}

/// A write that may take as long as anything else moves.
async fn while_it_moves<T>(
    moved: &tokio::sync::watch::Sender<Instant>,
    doing: impl Future<Output = T>,
) -> Result<T, Broken> {
    tokio::pin!(doing);
    loop {
        let until = *moved.borrow() + DEAD;
        tokio::select! {
            done = &mut doing => return Ok(done),
            () = tokio::time::sleep_until(until) => {
                if moved.borrow().elapsed() >= DEAD {
                    return Err(Broken::Dead);
                }
            }
        }
    }
}

/// What goes out next: acknowledgements, then a question, then one message; `true` after the last of all.
fn fill(shared: &Shared, bytes: &mut BytesMut) -> Result<bool, Broken> {
    let mut state = shared.lock();
    for id in std::mem::take(&mut state.acks) {
        bytes_of(&Packet::PubAck(PubAck::new(id)), bytes)?;
    }
    if state.question == Question::Due {
        state.question = Question::Open;
        bytes_of(&Packet::PingReq, bytes)?;
    }
    if let Some(publish) = state.outbox.next() {
        bytes_of(&Packet::Publish(publish), bytes)?;
    } else if state.ends {
        bytes_of(&Packet::Disconnect, bytes)?;
        return Ok(true);
    }
    Ok(false)
}
