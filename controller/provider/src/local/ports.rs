//! Who listens where on this machine. Asked by connecting: listening could take an address from who is about to start.

use std::{net::Ipv4Addr, time::Duration};
use tokio::net::TcpStream;

/// On loopback an answer takes microseconds.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// In the network of no deployment: who answers here answers at every address.
const NOBODYS: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 254);

/// Whether somebody listens there.
pub(super) async fn is_open(address: Ipv4Addr, port: u16) -> bool {
    let connect = TcpStream::connect((address, port));
    matches!(
        tokio::time::timeout(CONNECT_DEADLINE, connect).await,
        Ok(Ok(_))
    )
}

/// Why no node could have a port: somebody listens on it at every address of this machine.
pub(super) async fn taken_everywhere(port: u16, whose: &str) -> Option<String> {
    is_open(NOBODYS, port).await.then(|| {
        format!(
            "another program listens on port {port} of every address of this machine (0.0.0.0:{port}), and {whose} need it \
             on addresses of their own; `ss -ltnp 'sport = :{port}'` as root says which: stop it, or let it listen on \
             127.0.0.1 alone"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_somebody_has_at_every_address_is_told_with_what_to_do() {
        let everywhere = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let why = taken_everywhere(port, "brokers").await.unwrap();
        for part in [&*format!("0.0.0.0:{port}"), "brokers need it", "ss -ltnp"] {
            assert!(why.contains(part), "no {part} in {why}");
        }
        drop(everywhere);
        // At one address it is in nobody's way.
        let somewhere = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
        let _somewhere = somewhere.unwrap();
        assert_eq!(taken_everywhere(port, "brokers").await, None);
    }
}
