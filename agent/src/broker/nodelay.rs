//! Answers without delay from a broker that has no option for it.
//!
//! rumqttd leaves Nagle's algorithm on: a message to a client waits until that client has acknowledged the one before,
//! and clients delay acknowledgements by up to 40 ms. On Linux an accepted connection has the options of the socket it
//! was accepted by, so it suffices to set one on rumqttd's listening socket, which lies in our own process.

use rustix::{
    net::{getsockname, sockopt},
    process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
};
use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_millis(5);

/// Waits for this process to listen on an address and switches the delay off for all that connect there.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, polling with a deadline"
)]
pub(super) fn switch_off_delay(listen: SocketAddr) {
    let deadline = Instant::now() + WITHIN;
    while Instant::now() < deadline {
        if let Some(socket) = listener(listen) {
            if let Err(error) = sockopt::set_tcp_nodelay(&socket, true) {
                tracing::warn!("switch off the delay of {listen}: {error}");
            }
            return;
        }
        std::thread::sleep(RETRY);
    }
    tracing::warn!(
        "nothing listens on {listen} after {} s: answers may be delayed",
        WITHIN.as_secs()
    );
}

/// A copy of this process' descriptor that listens there. By way of a pidfd: taking a number for a descriptor is unsafe.
fn listener(listen: SocketAddr) -> Option<OwnedFd> {
    let own = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
    std::fs::read_dir("/proc/self/fd")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let copy = pidfd_getfd(&own, number, PidfdGetfdFlags::empty()).ok()?;
            let is_it = sockopt::socket_acceptconn(&copy).unwrap_or(false)
                && SocketAddr::try_from(getsockname(&copy).ok()?).ok()? == listen;
            is_it.then_some(copy)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn accepted_connections_have_no_delay() {
        let listening = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listening.local_addr().unwrap();
        let before = TcpStream::connect(address).unwrap();
        let (accepted, _) = listening.accept().unwrap();
        assert!(!accepted.nodelay().unwrap());
        switch_off_delay(address);
        let after = TcpStream::connect(address).unwrap();
        let (accepted, _) = listening.accept().unwrap();
        assert!(accepted.nodelay().unwrap());
        drop((before, after));
    }
}
