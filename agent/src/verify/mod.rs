//! What this node and its ways to others really are: measured when the controller asks, to be compared with what it asked
//! for when it made them.
//!
//! ```text
//! listen      ports that peers measure with, for a while
//! transfer    bytes as fast as the way takes them, over TCP
//! train       numbered datagrams: which came, and in which order
//! processor   how much of each core there is
//! disk        how fast a file is written and read
//! condition   what the kernel says: memory, time that others had, time that was throttled
//! ```
//! Round trips are those of service `Network`. Everything ends by itself: after its time, its bytes, or its deadline.

mod condition;
mod disk;
mod listen;
mod processor;
mod train;
mod transfer;

pub(crate) use condition::condition;
pub(crate) use disk::measure as disk;
pub(crate) use listen::listen;
pub(crate) use processor::measure as processor;
pub(crate) use train::send as train;
pub(crate) use transfer::{mtu_bytes, send as transfer};

use crate::error::AgentError;
use continuum_common::wait;
use std::{net::SocketAddr, time::Duration};

/// Admits to the ports of one `listen`.
pub(crate) type Token = [u8; 16];

/// For a peer to answer, beyond what is measured.
const PEER_DEADLINE: Duration = Duration::from_secs(20);

/// Where a peer listens, and what admits there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    pub token: Token,
}

/// Work with a peer, which ends at a deadline; `what` is what it waits for.
async fn with_peer<T>(
    peer: Peer,
    doing: &'static str,
    what: String,
    deadline: Duration,
    work: impl Future<Output = std::io::Result<T>>,
) -> Result<T, AgentError> {
    let done = wait::within(deadline, what, work).await?;
    done.map_err(|source| AgentError::Peer {
        doing,
        peer: peer.address,
        source,
    })
}

/// What a TCP connection to a peer begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hello {
    /// Bytes follow: so long none are counted, then so long they are.
    Transfer { skip_ms: u32, count_ms: u32 },
    /// What came of a train?
    Report { train: u32 },
}

impl Hello {
    const BYTES: usize = 25;

    fn encode(self, token: Token) -> Vec<u8> {
        let (kind, one, other) = match self {
            Self::Transfer { skip_ms, count_ms } => (b'T', skip_ms, count_ms),
            Self::Report { train } => (b'R', train, 0),
        };
        let (one, other) = (one.to_be_bytes(), other.to_be_bytes());
        [&token[..], &[kind], &one, &other].concat()
    }

    /// `None` = not of whom the token was given to.
    fn decode(bytes: &[u8], token: Token) -> Option<Self> {
        let (has, rest) = bytes.split_first_chunk()?;
        let (kind, rest) = rest.split_first()?;
        let (one, other) = rest.split_first_chunk()?;
        let (one, other) = (u32::from_be_bytes(*one), other.try_into().ok()?);
        if *has != token {
            return None;
        }
        match kind {
            b'T' => Some(Self::Transfer {
                skip_ms: one,
                count_ms: u32::from_be_bytes(other),
            }),
            b'R' => Some(Self::Report { train: one }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_the_token_is_understood() {
        let token = [7; 16];
        let hellos = [
            Hello::Transfer {
                skip_ms: 300,
                count_ms: 700,
            },
            Hello::Report { train: 0xdead_beef },
        ];
        for hello in hellos {
            let bytes = hello.encode(token);
            assert_eq!(Hello::decode(&bytes, token), Some(hello));
            assert_eq!(Hello::decode(&bytes, [8; 16]), None);
        }
    }
}
