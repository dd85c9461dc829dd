//! Addresses: prefix.N by slot, and MACs that never change for a deployment.

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{net::Ipv4Addr, str::FromStr};

/// A /24 that belongs to one deployment; in state its first three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "[u8; 3]", into = "[u8; 3]")]
pub struct Prefix(Ipv4Net);

impl Prefix {
    pub fn net(self) -> Ipv4Net {
        self.0
    }

    /// Address of a slot; the first node has number 2, as upstream counts.
    pub fn address(self, slot: u32) -> Ipv4Addr {
        self.host(2 + slot as u8)
    }

    /// The host's own address in it.
    pub fn gateway(self) -> Ipv4Addr {
        self.host(1)
    }

    fn host(self, number: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0.network().to_bits() | u32::from(number))
    }
}

impl From<[u8; 3]> for Prefix {
    fn from([a, b, c]: [u8; 3]) -> Self {
        Self(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), 24))
    }
}

impl From<Prefix> for [u8; 3] {
    fn from(prefix: Prefix) -> Self {
        let [a, b, c, _] = prefix.0.network().octets();
        [a, b, c]
    }
}

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A /16 that prefixes are taken from; in configs its first two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefixes(Ipv4Net);

impl Prefixes {
    pub const fn new(a: u8, b: u8) -> Self {
        Self(Ipv4Net::new_assert(Ipv4Addr::new(a, b, 0, 0), 16))
    }

    pub fn net(self) -> Ipv4Net {
        self.0
    }

    /// The one with this third number.
    pub fn get(self, c: u8) -> Prefix {
        let [a, b, ..] = self.0.network().octets();
        [a, b, c].into()
    }
}

impl FromStr for Prefixes {
    type Err = ipnet::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        format!("{text}.0.0/16").parse().map(Self)
    }
}

impl std::fmt::Display for Prefixes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [a, b, ..] = self.0.network().octets();
        write!(f, "{a}.{b}")
    }
}

impl Serialize for Prefixes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
        let prefix = Prefix::from([192, 168, 100]);
        assert_eq!(prefix.address(0).to_string(), "192.168.100.2");
        assert_eq!(prefix.address(249).to_string(), "192.168.100.251");
        assert_eq!(prefix.to_string(), "192.168.100.0/24");
        assert_eq!(prefix.gateway().to_string(), "192.168.100.1");
        assert_eq!(Prefixes::new(192, 168).get(100), prefix);
        assert_eq!(mac("a", 0), mac("a", 0));
        assert_ne!(mac("a", 0), mac("a", 1));
        assert_ne!(mac("a", 0), mac("b", 0));
    }

    #[test]
    fn two_numbers_are_a_range_of_prefixes_and_nothing_else_is() {
        let prefixes: Prefixes = "10.20".parse().unwrap();
        assert_eq!(prefixes.net().to_string(), "10.20.0.0/16");
        assert_eq!(prefixes.to_string(), "10.20");
        for bad in ["", "10", "1.2.3", "+1.254", "256.1", "10.20/8", "a.b"] {
            assert!(bad.parse::<Prefixes>().is_err(), "{bad:?}");
        }
    }
}
