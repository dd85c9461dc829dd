//! Machines of a deployment, on any hypervisor: intents first, then disks, definition and start; removal by what is
//! recorded and by what carries the deployment's name.

use super::{
    accelerator::Accelerator,
    console_path, disks, domain_name,
    hypervisor::Hypervisor,
    network, preflight,
    xml::{self, OwnershipTag},
};
use crate::{MachineState, NodeState, seed};
use continuum_config::Config;
use continuum_host::{
    context::Context,
    error::Error,
    keys::Secrets,
    state::{Deployment, ResourceKind},
};
use continuum_images::store::Image;
use continuum_model::{NodePlan, Plan};

/// What machines are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct CreateContext<'a> {
    pub(super) context: &'a Context,
    pub(super) config: &'a Config,
    pub(super) plan: &'a Plan,
    pub(super) secrets: &'a Secrets,
    pub(super) image: &'a Image,
    pub(super) accelerator: Accelerator,
}

/// Makes what is missing and starts what is stopped.
pub(super) fn create(
    hypervisor: &dyn Hypervisor,
    create: CreateContext<'_>,
    deployment: &mut Deployment,
) -> Result<(), Error> {
    let CreateContext {
        context,
        config,
        plan,
        secrets,
        image,
        accelerator,
    } = create;
    let pool = context.root.pool();
    let base = disks::ensure_base(hypervisor, &pool, &context.root, image, &*context.progress)?;
    let attachment = network::create(hypervisor, config, plan.prefix, deployment, &context.root)?;
    std::fs::create_dir_all(context.root.console())
        .map_err(Error::file("create", context.root.console()))?;
    let headroom = preflight::headroom(hypervisor.host()?, plan, accelerator);
    for node in &plan.nodes {
        if context.cancel.is_cancelled() {
            return Err(Error::Interrupted);
        }
        let domain = domain_name(&deployment.id(), &node.name);
        let state = hypervisor.domain_state(&domain)?;
        if matches!(state, MachineState::Running | MachineState::Paused) {
            continue;
        }
        if state == MachineState::Gone {
            let content = seed::image(config, node, secrets, deployment, plan.prefix)?;
            let disks = disks::create(hypervisor, &base, node, deployment, content)?;
            deployment.intend(ResourceKind::Domain, &domain)?;
            let text = xml::domain(&xml::DomainXml {
                name: domain.clone(),
                tag: OwnershipTag::of(deployment, &context.root),
                node: node.name.clone(),
                kvm: accelerator == Accelerator::Kvm,
                cores: node.cores,
                memory_mib: node.memory_mib,
                translation_mib: accelerator.translation_mib(node.memory_mib, headroom),
                pinned: node.pinned.clone(),
                kernel: base.kernel.clone(),
                initrd: base.initrd.clone(),
                disk: disks.disk,
                seed: disks.seed,
                network: attachment.clone(),
                tap: format!("ct{}-{}", deployment.id(), node.slot)
                    .chars()
                    .take(15)
                    .collect(),
                mac: node.mac.clone(),
                console: console_path(context, &domain).display().to_string(),
            })?;
            hypervisor.define_domain(&text)?;
        }
        hypervisor.start_domain(&domain)?;
        deployment.confirm(
            ResourceKind::Domain,
            &domain,
            &[("node", node.name.clone())],
        )?;
    }
    Ok(())
}

/// Removes everything of a deployment; says what.
pub(super) fn destroy(
    hypervisor: &dyn Hypervisor,
    context: &Context,
    deployment: &mut Deployment,
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    know_pool(hypervisor, context, deployment)?;
    // Recorded things first, in the order that lets each go: machines, disks, network.
    for kind in [
        ResourceKind::Domain,
        ResourceKind::Volume,
        ResourceKind::Network,
    ] {
        let names: Vec<String> = deployment
            .resources()
            .iter()
            .filter(|r| r.kind == kind)
            .map(|r| r.name.clone())
            .collect();
        for name in names {
            let existed = match kind {
                ResourceKind::Domain => hypervisor.remove_domain(&name),
                ResourceKind::Volume => hypervisor.remove_volume(&context.root.pool(), &name),
                ResourceKind::Network => hypervisor.remove_network(&name),
                _ => Ok(false),
            }?;
            if existed {
                removed.push(format!("{kind:?} {name}").to_lowercase());
            }
            if kind == ResourceKind::Domain {
                remove_console(context, &name);
            }
            // On a full disk nothing can be written until something is removed. What stays recorded is looked for
            // again by the next `down`, and the record goes with the directory at the end.
            if let Err(error) = deployment.forget(kind, &name) {
                tracing::warn!("{}", continuum_host::error::chain(&error));
            }
        }
    }
    let uuid = deployment.uuid().to_string();
    removed.extend(destroy_orphans(
        hypervisor,
        context,
        &|tag| tag.uuid == uuid,
        &[deployment.id()],
    )?);
    Ok(removed)
}

/// A daemon that does not know the pool says that there are no volumes, and disks with keys on them would stay for good: one
/// that was started anew, or another one than made the machines.
fn know_pool(
    hypervisor: &dyn Hypervisor,
    context: &Context,
    deployment: &Deployment,
) -> Result<(), Error> {
    let mut resources = deployment.resources().iter();
    if resources.any(|r| r.kind == ResourceKind::Volume) {
        hypervisor.prepare_pool(&context.root.pool())?;
    }
    Ok(())
}

fn remove_console(context: &Context, domain: &str) {
    let path = console_path(context, domain);
    // libvirt's log daemon keeps one older part.
    let mut older = path.clone().into_os_string();
    older.push(".0");
    std::fs::remove_file(path).ok();
    std::fs::remove_file(older).ok();
}

/// Removes every domain and network whose tag is `ours`, and the volumes of these deployments and of `ids`.
pub(super) fn destroy_orphans(
    hypervisor: &dyn Hypervisor,
    context: &Context,
    ours: &dyn Fn(&OwnershipTag) -> bool,
    ids: &[String],
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    let mut ids = ids.to_vec();
    for domain in hypervisor.domains()? {
        if let Some(tag) = domain.tag.filter(ours) {
            ids.push(tag.id());
            hypervisor.remove_domain(&domain.name)?;
            remove_console(context, &domain.name);
            removed.push(format!("domain {}", domain.name));
        }
    }
    for network in hypervisor.networks()? {
        let what = format!("network {}", network.name);
        if let Some(tag) = OwnershipTag::read(&what, &network.xml)?.filter(ours) {
            ids.push(tag.id());
            hypervisor.remove_network(&network.name)?;
            removed.push(format!("network {}", network.name));
        }
    }
    let pool = context.root.pool();
    for volume in hypervisor.volumes(&pool)? {
        if ids
            .iter()
            .any(|id| volume.starts_with(&format!("ct-{id}-")))
        {
            hypervisor.remove_volume(&pool, &volume)?;
            removed.push(format!("volume {volume}"));
        }
    }
    Ok(removed)
}

/// How each node is.
pub(super) fn states(
    hypervisor: &dyn Hypervisor,
    deployment: &Deployment,
) -> Result<Vec<NodeState>, Error> {
    let look = |node: &NodePlan| {
        let state = hypervisor.domain_state(&domain_name(&deployment.id(), &node.name))?;
        Ok(NodeState {
            node: node.name.clone(),
            state,
        })
    };
    deployment.nodes().iter().map(look).collect()
}
