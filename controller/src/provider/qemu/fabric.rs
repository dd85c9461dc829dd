//! What nodes are attached to: a libvirt network of the deployment's own, or a bridge that the host has.

use super::{
    hypervisor::Hypervisor,
    xml::{self, Attachment, Mark, NetworkXml},
};
use crate::{
    config::Config,
    error::Error,
    plan::Prefix,
    process,
    state::{Deployment, ResourceKind, StateRoot},
};

/// For a look at the kernel's tables.
const LIST_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);

fn network_name(id: &str, name: &str) -> String {
    format!("ct-{id}-{name}")
}

/// Whether a libvirt network or a route of the host covers the prefix.
pub(super) async fn is_taken(
    hypervisor: &(dyn Hypervisor + Sync),
    prefix: Prefix,
) -> Result<bool, Error> {
    let dotted = format!("'{}.", prefix.to_string().trim_end_matches(".0/24"));
    for network in hypervisor.networks()? {
        if network
            .xml
            .replace('"', "'")
            .contains(&format!("address={dotted}"))
        {
            return Ok(true);
        }
    }
    let doing = "list the routes of this host";
    let list = process::command("ip")
        .args(["-json", "route", "show", "table", "all", "type", "unicast"])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(LIST_DEADLINE, list)
        .await
        .map_err(|_| Error::Deadline {
            what: "`ip route`".into(),
            after: LIST_DEADLINE,
            last: String::new(),
        })?
        .map_err(|e| Error::other(doing, format!("{e}; apt-get install iproute2")))?;
    if !output.status.success() {
        return Err(Error::other(
            doing,
            String::from_utf8_lossy(&output.stderr).trim(),
        ));
    }
    Ok(routes(&output.stdout)?
        .iter()
        .any(|route| covers(route, prefix)))
}

fn routes(json: &[u8]) -> Result<Vec<String>, Error> {
    #[derive(serde::Deserialize)]
    struct Route {
        #[serde(default)]
        dst: String,
    }
    let routes: Vec<Route> = serde_json::from_slice(json)
        .map_err(|e| Error::other("read the routes of this host", e))?;
    Ok(routes.into_iter().map(|r| r.dst).collect())
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
    root: &StateRoot,
) -> Result<Attachment, Error> {
    if let Some(bridge) = &config.infrastructure.bridge {
        return Ok(Attachment::Bridge {
            name: bridge.clone(),
        });
    }
    let name = network_name(&deployment.id(), deployment.name());
    deployment.intend(ResourceKind::Network, &name)?;
    let exists = hypervisor.networks()?.iter().any(|n| n.name == name);
    if exists {
        // A host that was rebooted has it defined and not started.
        hypervisor.start_network(&name)?;
    } else {
        let text = xml::network(&NetworkXml {
            name: name.clone(),
            mark: Mark::of(deployment, root),
            bridge: format!("ct{}", deployment.id()),
            address: prefix.gateway().to_string(),
            internet: config.infrastructure.internet,
        })?;
        hypervisor.define_network(&text, &name)?;
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
            routes(br#"[{"dst":"default"},{"dst":"10.0.0.0/24","dev":"x"}]"#).unwrap(),
            ["default", "10.0.0.0/24"]
        );
    }
}
