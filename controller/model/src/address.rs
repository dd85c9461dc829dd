//! Addresses: prefix.N by slot, and MACs that never change for a deployment.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::net::Ipv4Addr;

/// A /24 that belongs to one deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix(pub [u8; 3]);

impl Prefix {
    /// Address of a slot; the first node has number 2, as upstream counts.
    pub fn address(self, slot: u32) -> Ipv4Addr {
        self.host(2 + slot as u8)
    }

    /// Address with a host number.
    pub fn host(self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.0;
        Ipv4Addr::new(a, b, c, number)
    }

    /// The host's own address in it.
    pub fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, c] = self.0;
        write!(f, "{a}.{b}.{c}.0/24")
    }
}

/// MAC of a node: from the deployment's name and the slot, so that it stays the same when the node is made anew.
pub fn mac(deployment: &str, slot: u32) -> String {
    let digest = Sha256::digest(format!("{deployment}\0{slot}"));
    let [a, b, c, ..] = digest.as_slice() else {
        return "52:54:00:00:00:01".into();
    };
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_macs() {
        let prefix = Prefix([192, 168, 100]);
        assert_eq!(prefix.address(0).to_string(), "192.168.100.2");
        assert_eq!(prefix.address(249).to_string(), "192.168.100.251");
        assert_eq!(prefix.to_string(), "192.168.100.0/24");
        assert_eq!(mac("a", 0), mac("a", 0));
        assert_ne!(mac("a", 0), mac("a", 1));
        assert_ne!(mac("a", 0), mac("b", 0));
    }
}
