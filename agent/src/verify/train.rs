//! Which datagrams a way loses, and which overtake others: each has a number.

use super::{Hello, PEER_DEADLINE, Peer, Token, with_peer};
use crate::error::AgentError;
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::MissedTickBehavior,
};

/// Token, train, number, and nothing: short, so that a train does not fill the way.
const PAYLOAD_BYTES: usize = 32;
/// Of Ethernet, IPv4 and UDP.
const HEADER_BYTES: usize = 42;
/// Of one train.
const MOST_DATAGRAMS: u32 = 100_000;
/// At one time.
const MOST_TRAINS: usize = 32;

/// What became of a train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Train {
    pub sent: u32,
    pub received: u32,
    pub reordered: u32,
    pub duplicates: u32,
    pub bytes: u64,
}

/// What came of one train so far.
#[derive(Debug, Default)]
struct Arrived {
    has: Vec<bool>,
    received: u32,
    reordered: u32,
    duplicates: u32,
}

impl Arrived {
    fn add(&mut self, number: u32) {
        let number = number as usize;
        if number >= self.has.len() {
            self.has.resize(number + 1, false);
        } else if self.has.get(number) == Some(&false) {
            self.reordered += 1;
        }
        match self.has.get_mut(number) {
            Some(has) if !*has => {
                *has = true;
                self.received += 1;
            }
            _ => self.duplicates += 1,
        }
    }
}

/// Those that came to one pair of ports.
#[derive(Debug, Default)]
pub(super) struct Trains(Mutex<BTreeMap<u32, Arrived>>);

impl Trains {
    fn add(&self, train: u32, number: u32) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = all.contains_key(&train);
        if number < MOST_DATAGRAMS && (is_known || all.len() < MOST_TRAINS) {
            all.entry(train).or_default().add(number);
        }
    }

    /// For who sent it.
    pub(super) fn report(&self, train: u32) -> Vec<u8> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let none = Arrived::default();
        let arrived = all.get(&train).unwrap_or(&none);
        let numbers = [arrived.received, arrived.reordered, arrived.duplicates];
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }
}

/// Takes datagrams until it is dropped.
pub(super) async fn receive(
    socket: UdpSocket,
    token: Token,
    trains: Arc<Trains>,
) -> std::io::Result<()> {
    let mut bytes = [0; 2 * PAYLOAD_BYTES];
    loop {
        let length = socket.recv(&mut bytes).await?;
        if let Some((train, number)) = bytes.get(..length).and_then(|b| decode(b, token)) {
            trains.add(train, number);
        }
    }
}

fn encode(token: Token, train: u32, number: u32) -> Vec<u8> {
    let mut bytes = [&token[..], &train.to_be_bytes(), &number.to_be_bytes()].concat();
    bytes.resize(PAYLOAD_BYTES, 0);
    bytes
}

fn decode(bytes: &[u8], token: Token) -> Option<(u32, u32)> {
    let (has, rest) = bytes.split_first_chunk()?;
    let (train, rest) = rest.split_first_chunk()?;
    let number = rest.first_chunk()?;
    (*has == token).then(|| (u32::from_be_bytes(*train), u32::from_be_bytes(*number)))
}

/// Sends a train, and asks the peer what came of it; `report_port` is TCP, on which nothing is lost.
pub(crate) async fn send(
    peer: Peer,
    report_port: u16,
    own: IpAddr,
    count: u32,
    interval: Duration,
    wait: Duration,
) -> Result<Train, AgentError> {
    let count = count.min(MOST_DATAGRAMS);
    let train = uuid::Uuid::new_v4().as_fields().0;
    let work = async {
        let socket = UdpSocket::bind(SocketAddr::new(own, 0)).await?;
        socket.connect(peer.address).await?;
        let mut tick = tokio::time::interval(interval.max(Duration::from_micros(100)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for number in 0..count {
            tick.tick().await;
            // A full queue of the own device is a loss like any other.
            socket.send(&encode(peer.token, train, number)).await.ok();
        }
        tokio::time::sleep(wait).await;
        let report = SocketAddr::new(peer.address.ip(), report_port);
        let mut stream = TcpStream::connect(report).await?;
        let hello = Hello::Report { train };
        stream.write_all(&hello.encode(peer.token)).await?;
        Ok(Train {
            sent: count,
            received: stream.read_u32().await?,
            reordered: stream.read_u32().await?,
            duplicates: stream.read_u32().await?,
            bytes: u64::from(count) * (PAYLOAD_BYTES + HEADER_BYTES) as u64,
        })
    };
    let deadline = interval * count + wait + PEER_DEADLINE;
    let what = format!("{} to say which datagrams came", peer.address);
    with_peer(peer, "send datagrams to", what, deadline, work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_late_and_doubled_datagrams_are_told_apart() {
        let trains = Trains::default();
        for number in [0, 1, 3, 2, 3, 7, MOST_DATAGRAMS] {
            trains.add(9, number);
        }
        let report = trains.report(9);
        assert_eq!(report, [0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(trains.report(8), [0; 12]);
    }

    #[test]
    fn datagrams_of_others_are_none() {
        let bytes = encode([1; 16], 5, 6);
        assert_eq!(bytes.len(), PAYLOAD_BYTES);
        assert_eq!(decode(&bytes, [1; 16]), Some((5, 6)));
        assert_eq!(decode(&bytes, [2; 16]), None);
        assert_eq!(decode(&bytes[..20], [1; 16]), None);
    }
}
