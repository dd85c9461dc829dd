//! Descriptions for libvirt. Values are escaped by the template engine; no I/O here.

use crate::error::ProviderError;
use continuum_host::{
    error::Error,
    state::{Deployment, StateRoot},
};
use continuum_model::Prefix;
use minijinja::{Environment, UndefinedBehavior, value::Serde};
use roxmltree::Document;
use serde::Serialize;
use std::net::Ipv4Addr;

/// Of our own element in libvirt's metadata, as the templates have it.
const NAMESPACE: &str = "urn:continuum:1";

/// What nodes are attached to.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Attachment {
    Network { name: String },
    Bridge { name: String },
}

/// Says in libvirt's metadata whose a thing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct OwnershipTag {
    pub(super) deployment: String,
    pub(super) uuid: String,
    /// The state directory that it is recorded in: two users may have deployments of one name.
    pub(super) owner: String,
}

impl OwnershipTag {
    pub(super) fn of(deployment: &Deployment, root: &StateRoot) -> Self {
        Self {
            deployment: deployment.name().to_owned(),
            uuid: deployment.uuid().to_string(),
            owner: root.owner(),
        }
    }

    /// In the description of `what`; `None` = it is none of ours.
    pub(super) fn read(what: &str, xml: &str) -> Result<Option<Self>, Error> {
        let document = parse(what, xml)?;
        let ours = |node: &roxmltree::Node<'_, '_>| node.has_tag_name((NAMESPACE, "deployment"));
        let tag = document.descendants().find(ours);
        Ok(tag.and_then(|tag| {
            let attribute = |name| tag.attribute(name).map(str::to_owned);
            Some(Self {
                deployment: attribute("name")?,
                uuid: attribute("uuid")?,
                owner: attribute("owner")?,
            })
        }))
    }

    /// As names of domains, networks and volumes have it.
    pub(super) fn id(&self) -> String {
        self.uuid.replace('-', "").chars().take(8).collect()
    }
}

/// One that is not understood is an error: taken for another's it would be left behind, and its address for free.
fn parse<'a>(what: &str, xml: &'a str) -> Result<Document<'a>, Error> {
    Document::parse(xml).map_err(|error| {
        ProviderError::Hypervisor {
            doing: format!("read libvirt's description of {what}"),
            why: error.to_string(),
        }
        .into()
    })
}

/// Whether the description of `what`, a network, has an address of the prefix.
pub(super) fn has_address(what: &str, xml: &str, prefix: Prefix) -> Result<bool, Error> {
    let document = parse(what, xml)?;
    // A MAC is an `address` too, and is none of IPv4.
    let mut addresses = document
        .descendants()
        .filter_map(|n| n.attribute("address")?.parse::<Ipv4Addr>().ok());
    Ok(addresses.any(|address| prefix.net().contains(&address)))
}

/// Everything in a domain's description.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DomainXml {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) tag: OwnershipTag,
    pub(super) node: String,
    pub(super) kvm: bool,
    pub(super) cores: u32,
    pub(super) memory_mib: u64,
    pub(super) translation_mib: u64,
    pub(super) pinned: Vec<u32>,
    pub(super) kernel: String,
    pub(super) initrd: String,
    pub(super) disk: String,
    pub(super) seed: String,
    pub(super) network: Attachment,
    pub(super) tap: String,
    pub(super) mac: String,
    pub(super) console: String,
}

/// Everything in a network's description.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NetworkXml {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) tag: OwnershipTag,
    pub(super) bridge: String,
    pub(super) address: String,
    pub(super) internet: bool,
}

/// Everything in a volume's description.
#[derive(Debug, Clone, Serialize)]
pub(super) struct VolumeXml {
    pub(super) name: String,
    pub(super) format: &'static str,
    pub(super) bytes: u64,
    pub(super) mode: &'static str,
    /// Path of a qcow2 file below.
    pub(super) backing: Option<String>,
}

fn render(name: &'static str, text: &'static str, values: impl Serialize) -> Result<String, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    // The ending of the name switches escaping on.
    environment
        .add_template(name, text)
        .and_then(|()| environment.get_template(name)?.render(Serde(values)))
        .map_err(|source| ProviderError::Description { what: name, source }.into())
}

pub(super) fn domain(values: &DomainXml) -> Result<String, Error> {
    render(
        "domain.xml",
        include_str!("../../templates/domain.xml.j2"),
        values,
    )
}

pub(super) fn network(values: &NetworkXml) -> Result<String, Error> {
    render(
        "network.xml",
        include_str!("../../templates/network.xml.j2"),
        values,
    )
}

pub(super) fn volume(values: &VolumeXml) -> Result<String, Error> {
    render(
        "volume.xml",
        include_str!("../../templates/volume.xml.j2"),
        values,
    )
}

/// A pool of files in one directory; its name tells pools of several state directories apart.
pub(super) fn pool(path: &str) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Pool<'a> {
        name: String,
        path: &'a str,
    }
    let digest: String = continuum_images::hash::texts([path])
        .chars()
        .take(8)
        .collect();
    let values = Pool {
        name: format!("continuum-{digest}"),
        path,
    };
    render(
        "pool.xml",
        include_str!("../../templates/pool.xml.j2"),
        values,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(deployment: &str) -> OwnershipTag {
        OwnershipTag {
            deployment: deployment.into(),
            uuid: "0123-4567-89".into(),
            owner: "o-1".into(),
        }
    }

    fn example() -> DomainXml {
        DomainXml {
            name: "ct-1-edge0".into(),
            tag: tag("a'b<c&d"),
            node: "edge0".into(),
            kvm: false,
            cores: 2,
            memory_mib: 1024,
            translation_mib: 256,
            pinned: vec![4, 5],
            kernel: "/k".into(),
            initrd: "/i".into(),
            disk: "/d".into(),
            seed: "/s".into(),
            network: Attachment::Bridge { name: "br0".into() },
            tap: "ct1-0".into(),
            mac: "52:54:00:00:00:01".into(),
            console: "/c".into(),
        }
    }

    #[test]
    fn values_cannot_break_out() {
        let text = domain(&example()).unwrap();
        assert!(!text.contains("a'b<c"), "{text}");
        assert!(text.contains("<domain type='qemu'"), "{text}");
        assert!(text.contains("<vcpupin vcpu='1' cpuset='5'/>"), "{text}");
        assert!(text.contains("<source bridge='br0'/>"), "{text}");
    }

    #[test]
    fn metadata_is_found_again() {
        let text = domain(&DomainXml {
            tag: tag("mist-edge"),
            kvm: true,
            ..example()
        })
        .unwrap();
        assert!(text.contains("<domain type='kvm'"), "{text}");
        let found = OwnershipTag::read("domain x", &text).unwrap().unwrap();
        assert_eq!(found, tag("mist-edge"));
        assert_eq!(found.id(), "01234567");
        let none = OwnershipTag::read("domain x", "<domain/>").unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn a_description_that_is_not_understood_is_an_error_that_names_its_object() {
        let broken = "<network><ip address='192.168.100.1'>";
        for error in [
            OwnershipTag::read("network lab", broken).unwrap_err(),
            has_address("network lab", broken, Prefix::from([192, 168, 100])).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("description of network lab"), "{text}");
        }
    }

    #[test]
    fn a_network_takes_the_prefix_of_its_address_and_no_other() {
        let text =
            "<network><mac address='52:54:00:00:00:01'/><ip address='192.168.100.1'/></network>";
        for (third, is_taken) in [(100, true), (10, false), (101, false)] {
            let prefix = Prefix::from([192, 168, third]);
            let found = has_address("network lab", text, prefix).unwrap();
            assert_eq!(found, is_taken, "{prefix}");
        }
    }

    #[test]
    fn networks_volumes_and_pools() {
        let text = network(&NetworkXml {
            name: "ct-1-x".into(),
            tag: tag("x"),
            bridge: "ct1".into(),
            address: "192.168.100.1".into(),
            internet: false,
        })
        .unwrap();
        assert!(
            !text.contains("<forward") && text.contains("<dns enable='no'/>"),
            "{text}"
        );
        let found = OwnershipTag::read("network x", &text).unwrap();
        assert_eq!(found, Some(tag("x")));
        let text = volume(&VolumeXml {
            name: "v".into(),
            format: "qcow2",
            bytes: 10,
            mode: "0600",
            backing: Some("/base".into()),
        })
        .unwrap();
        assert!(
            text.contains("base</path>") && text.contains("<format type='qcow2'/>"),
            "{text}"
        );
        assert!(pool("/a").unwrap() != pool("/b").unwrap());
    }
}
