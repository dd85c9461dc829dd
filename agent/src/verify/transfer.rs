//! How many bytes a way takes: sent over TCP as fast as they go, counted where they arrive.

use super::{Hello, PEER_DEADLINE, Peer, with_peer};
use crate::error::AgentError;
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

const CHUNK_BYTES: usize = 64 * 1024;
/// What an Ethernet device carries in one packet, where the own device does not say.
const USUAL_MTU_BYTES: u64 = 1500;

/// What a peer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub received_bytes: u64,
    pub counted_bytes: u64,
    pub counted: Duration,
}

impl Transfer {
    fn encode(self) -> Vec<u8> {
        let numbers = [
            self.received_bytes,
            self.counted_bytes,
            self.counted.as_nanos() as u64,
        ];
        numbers.iter().flat_map(|n| n.to_be_bytes()).collect()
    }

    async fn read(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Self> {
        Ok(Self {
            received_bytes: from.read_u64().await?,
            counted_bytes: from.read_u64().await?,
            counted: Duration::from_nanos(from.read_u64().await?),
        })
    }
}

/// Sends for as long as the peer is to skip and to count, or so many bytes; returns what it says that it took.
pub(crate) async fn send(
    peer: Peer,
    own: IpAddr,
    skip_ms: u32,
    count_ms: u32,
    most_bytes: u64,
    buffer_bytes: u32,
) -> Result<Transfer, AgentError> {
    let time = Duration::from_millis(u64::from(skip_ms) + u64::from(count_ms));
    let work = async {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(own, 0))?;
        // More would wait in a queue on the way, for as long as that needs for it.
        socket.set_send_buffer_size(buffer_bytes)?;
        let mut stream = socket.connect(peer.address).await?;
        let hello = Hello::Transfer { skip_ms, count_ms };
        stream.write_all(&hello.encode(peer.token)).await?;
        let chunk = vec![0x5a; CHUNK_BYTES];
        let (begun, mut sent) = (Instant::now(), 0);
        while begun.elapsed() < time && sent < most_bytes {
            let part = chunk.get(..(most_bytes - sent).min(CHUNK_BYTES as u64) as usize);
            sent += stream.write(part.unwrap_or(&chunk)).await? as u64;
        }
        stream.shutdown().await?;
        Transfer::read(&mut stream).await
    };
    let deadline = time + PEER_DEADLINE;
    let what = format!("bytes to reach {}", peer.address);
    with_peer(peer, "send bytes to", what, deadline, work).await
}

/// Takes what comes to its end, and answers with how much it was.
pub(super) async fn receive(
    stream: &mut tokio::net::TcpStream,
    skip_ms: u32,
    count_ms: u32,
    most_bytes: u64,
) -> std::io::Result<()> {
    let skip = Duration::from_millis(skip_ms.into());
    let count = Duration::from_millis(count_ms.into());
    let taken = take(stream, skip, count, most_bytes).await?;
    stream.write_all(&taken.encode()).await
}

async fn take(
    from: &mut (impl AsyncRead + Unpin),
    skip: Duration,
    count: Duration,
    most_bytes: u64,
) -> std::io::Result<Transfer> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut taken = Transfer::default();
    // The first bytes, and how many they were.
    let mut first: Option<(Instant, u64)> = None;
    let mut last = Instant::now();
    // When counting began, and what had come by then.
    let mut counting: Option<(Instant, u64)> = None;
    loop {
        let bytes = from.read(&mut chunk).await? as u64;
        let now = Instant::now();
        taken.received_bytes += bytes;
        if bytes == 0 {
            if let Some((from, before)) = first
                && taken.counted_bytes == 0
            {
                // All of it was there before anything was to be counted: a way that is faster than it was said to be.
                taken.counted = last - from;
                taken.counted_bytes = taken.received_bytes - before;
            }
            return Ok(taken);
        }
        last = now;
        if taken.received_bytes > most_bytes {
            return Err(std::io::Error::other(format!(
                "more than the {most_bytes} bytes that were announced"
            )));
        }
        let (begun, _) = *first.get_or_insert((now, bytes));
        let since = now - begun;
        match counting {
            None if since >= skip => counting = Some((now, taken.received_bytes)),
            // What arrives later waited in a queue, and came as fast as the rest.
            Some((from, before)) if since <= skip + count => {
                taken.counted = now - from;
                taken.counted_bytes = taken.received_bytes - before;
            }
            _ => {}
        }
    }
}

/// Of the device that carries an address.
pub(crate) fn mtu_bytes(own: IpAddr) -> u64 {
    let networks = sysinfo::Networks::new_with_refreshed_list();
    let found = networks.ok().and_then(|all| {
        let has = |network: &sysinfo::NetworkData| {
            let mut addresses = network.ip_networks().iter();
            addresses.any(|network| network.addr == own)
        };
        all.values().find(|n| has(n)).map(sysinfo::NetworkData::mtu)
    });
    found.filter(|mtu| *mtu > 0).unwrap_or(USUAL_MTU_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_taken_is_told_whole() {
        let taken = Transfer {
            received_bytes: u64::MAX - 1,
            counted_bytes: 7,
            counted: Duration::from_nanos(1_234_567_890),
        };
        let bytes = taken.encode();
        assert_eq!(Transfer::read(&mut &bytes[..]).await.unwrap(), taken);
    }

    #[tokio::test]
    async fn bytes_are_counted_after_what_is_skipped_and_no_more_than_was_announced() {
        let bytes = vec![1; 300_000];
        let take = async |skip, most_bytes| {
            let mut from = &bytes[..];
            take(&mut from, skip, PEER_DEADLINE, most_bytes).await
        };
        let all = take(Duration::ZERO, 1 << 20).await.unwrap();
        assert_eq!(all.received_bytes, 300_000);
        assert_eq!(all.counted_bytes, 300_000 - CHUNK_BYTES as u64, "{all:?}");
        // Over before counting was to begin: then all but the first piece counts.
        let fast = take(PEER_DEADLINE, 1 << 20).await.unwrap();
        assert_eq!(fast.counted_bytes, all.counted_bytes);
        let refused = take(Duration::ZERO, 100_000).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("100000 bytes"), "{error}");
    }
}
