//! One claim of addresses at a time on this host, whoever makes it and wherever its state lies.

use crate::error::Error;
use continuum_common::wait::Wait;
use std::{
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener},
    },
    time::Duration,
};

const WITHIN: Duration = Duration::from_mins(1);
const RETRY: Duration = Duration::from_millis(50);
const NAME: &str = "continuum-claims-addresses";

/// Held until dropped, or until the process ends. A name in the kernel's list of abstract sockets: every user sees the
/// same one, no file stays, and another network namespace, whose addresses are its own, has another.
#[derive(Debug)]
pub struct AddressLock {
    _socket: UnixListener,
}

impl AddressLock {
    /// Waits for the others.
    pub async fn take() -> Result<Self, Error> {
        Self::take_named(&name(), WITHIN).await
    }

    async fn take_named(name: &str, within: Duration) -> Result<Self, Error> {
        let address = SocketAddr::from_abstract_name(name).map_err(Error::AddressLock)?;
        let mut wait = Wait::new(
            "another `up` on this host to claim its addresses",
            within,
            RETRY,
        );
        loop {
            match UnixListener::bind_addr(&address) {
                Ok(socket) => return Ok(Self { _socket: socket }),
                Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(e) => return Err(Error::AddressLock(e)),
            }
            let held = format!("the socket @{name} is held; `ss -xlp` shows by whom");
            wait.again(held).await?;
        }
    }
}

#[cfg(not(feature = "test-hooks"))]
fn name() -> String {
    NAME.to_owned()
}

#[cfg(feature = "test-hooks")]
fn name() -> String {
    APART.with_borrow(|apart| apart.clone().unwrap_or_else(|| NAME.to_owned()))
}

#[cfg(feature = "test-hooks")]
thread_local! {
    static APART: std::cell::RefCell<Option<String>> = const { std::cell::RefCell::new(None) };
}

/// Claims of this thread are beside those of the host from now on: simulated time does not wait for real processes.
#[cfg(feature = "test-hooks")]
pub fn claim_apart(name: String) {
    APART.set(Some(name));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time() {
        let name = format!("continuum-test-{}", std::process::id());
        let short = Duration::from_millis(100);
        let first = AddressLock::take_named(&name, short).await.unwrap();
        let error = AddressLock::take_named(&name, short)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("another `up`"), "{error}");
        drop(first);
        AddressLock::take_named(&name, short).await.unwrap();
    }
}
