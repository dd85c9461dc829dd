//! What nodes are attached to: a libvirt network of the deployment's own, or a bridge that the host has.

use super::{
    hypervisor::Hypervisor,
    xml::{self, Attachment, NetworkXml, OwnershipTag},
};
use crate::routes;
use continuum_config::Config;
use continuum_host::{
    error::Error,
    state::{Deployment, ResourceKind, StateRoot},
};
use continuum_model::Prefix;

fn network_name(id: &str, name: &str) -> String {
    format!("ct-{id}-{name}")
}

/// Whether a libvirt network or a route of the host covers the prefix.
pub(super) async fn is_taken(
    hypervisor: &(dyn Hypervisor + Sync),
    prefix: Prefix,
) -> Result<bool, Error> {
    for network in hypervisor.networks()? {
        let what = format!("network {}", network.name);
        if xml::has_address(&what, &network.xml, prefix)? {
            return Ok(true);
        }
    }
    routes::is_routed(prefix).await
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
            tag: OwnershipTag::of(deployment, root),
            bridge: format!("ct{}", deployment.id()),
            address: prefix.gateway().to_string(),
            internet: config.infrastructure.internet,
        })?;
        hypervisor.define_network(&text, &name)?;
    }
    deployment.confirm(ResourceKind::Network, &name, &[])?;
    Ok(Attachment::Network { name })
}
