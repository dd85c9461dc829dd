//! What nodes are attached to: a libvirt network of the deployment's own, or a bridge that the host has.

use super::{
    blocking,
    hypervisor::Hypervisor,
    xml::{self, Attachment, NetworkXml},
};
use crate::{
    config::Config,
    error::Error,
    plan::Prefix,
    process,
    state::{Deployment, ResourceKind},
};

fn network_name(id: &str, name: &str) -> String {
    format!("ct-{id}-{name}")
}

/// The id in a network's name, if it is one of the deployment's.
pub(super) fn deployment_id(network: &str, deployment: &str) -> Option<String> {
    let id = network
        .strip_prefix("ct-")?
        .strip_suffix(&format!("-{deployment}"))?;
    (id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_owned())
}

/// Whether a libvirt network or a route of the host covers the prefix.
pub(super) async fn is_taken(hypervisor: &impl Hypervisor, prefix: Prefix) -> Result<bool, Error> {
    let dotted = format!("'{}.", prefix.to_string().trim_end_matches(".0/24"));
    for network in blocking(|| hypervisor.networks())? {
        if network
            .xml
            .replace('"', "'")
            .contains(&format!("address={dotted}"))
        {
            return Ok(true);
        }
    }
    let output = process::command("ip")
        .args(["-json", "route", "show", "table", "all", "type", "unicast"])
        .output()
        .await
        .map_err(Error::file("start", "ip"))?;
    Ok(routes(&output.stdout)
        .iter()
        .any(|route| covers(route, prefix)))
}

fn routes(json: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Route {
        #[serde(default)]
        dst: String,
    }
    let routes: Vec<Route> = serde_json::from_slice(json).unwrap_or_default();
    routes.into_iter().map(|r| r.dst).collect()
}

/// Whether a route that is more special than the default one overlaps with the prefix.
fn covers(route: &str, prefix: Prefix) -> bool {
    let (address, length) = route.split_once('/').unwrap_or((route, "32"));
    let (Ok(address), Ok(length)) = (address.parse::<std::net::Ipv4Addr>(), length.parse::<u32>())
    else {
        return false;
    };
    // A wide route, such as 192.0.0.0/8, leads elsewhere in general and not to this network in particular.
    if length < 9 {
        return false;
    }
    let bits = length.min(24);
    let shift = 32 - bits;
    u32::from(address) >> shift == u32::from(prefix.host(0)) >> shift
}

/// Makes the network, or takes the bridge.
pub(super) fn create(
    hypervisor: &dyn Hypervisor,
    config: &Config,
    prefix: Prefix,
    deployment: &mut Deployment,
) -> Result<Attachment, Error> {
    if let Some(bridge) = &config.infrastructure.bridge {
        return Ok(Attachment::Bridge {
            name: bridge.clone(),
        });
    }
    let name = network_name(&deployment.id(), deployment.name());
    deployment.intend(ResourceKind::Network, &name)?;
    let exists = blocking(|| hypervisor.networks())?
        .iter()
        .any(|n| n.name == name);
    if !exists {
        let text = xml::network(&NetworkXml {
            name: name.clone(),
            bridge: format!("ct{}", deployment.id()),
            address: prefix.gateway().to_string(),
            internet: config.infrastructure.internet,
        })?;
        blocking(|| hypervisor.define_network(&text, &name))?;
    }
    deployment.confirm(ResourceKind::Network, &name, &[])?;
    Ok(Attachment::Network { name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_that_matter() {
        let prefix = Prefix([192, 168, 100]);
        assert!(covers("192.168.100.0/24", prefix));
        assert!(covers("192.168.0.0/16", prefix));
        assert!(covers("192.168.100.7", prefix));
        assert!(!covers("192.168.101.0/24", prefix));
        assert!(!covers("default", prefix));
        assert!(!covers("10.0.0.0/8", prefix));
        assert_eq!(
            routes(br#"[{"dst":"default"},{"dst":"10.0.0.0/24","dev":"x"}]"#),
            ["default", "10.0.0.0/24"]
        );
    }

    #[test]
    fn names_lead_back_to_the_deployment() {
        let name = network_name("01234567", "mist-edge");
        assert_eq!(deployment_id(&name, "mist-edge").unwrap(), "01234567");
        assert!(deployment_id(&name, "edge").is_none());
        assert!(deployment_id("default", "edge").is_none());
    }
}
