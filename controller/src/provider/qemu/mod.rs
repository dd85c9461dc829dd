//! Provider `qemu`: virtual machines through libvirt.
//!
//! ```text
//! hypervisor   what is asked of libvirt, as a trait; `libvirt` is the real one
//! fabric       the network that nodes are attached to
//! disks        base image, overlays and seeds in a storage pool
//! seed         the NoCloud disk of a node
//! xml          descriptions of domains, networks, pools and volumes
//! accelerator  KVM if it really boots a kernel, else TCG
//! ```

mod accelerator;
mod disks;
mod fabric;
mod hypervisor;
mod libvirt;
mod seed;
mod xml;

use super::{Context, LimitReport, NodeState, Provider, Secrets};
use crate::{
    config::Config,
    error::Error,
    plan::{NodePlan, Plan, Prefix},
    state::{Deployment, ResourceKind},
};
use accelerator::Accelerator;
use hypervisor::{DomainState, Hypervisor};
use libvirt::Libvirt;
use std::path::PathBuf;

/// Memory that the host keeps for itself.
const HOST_RESERVE_MIB: u64 = 1024;
/// QEMU's own memory beyond the guest's.
const QEMU_OVERHEAD_MIB: u64 = 150;

#[derive(Debug)]
pub(super) struct Qemu;

/// Name of a node's domain.
fn domain_name(id: &str, node: &str) -> String {
    format!("ct-{id}-{node}")
}

/// Runs blocking libvirt calls without holding up other tasks.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn console_path(context: &Context, domain: &str) -> PathBuf {
    context.root.console().join(format!("{domain}.log"))
}

#[async_trait::async_trait]
impl Provider for Qemu {
    fn name(&self) -> &'static str {
        "qemu"
    }

    fn summary(&self) -> &'static str {
        "QEMU/KVM virtual machines through libvirt"
    }

    fn emulates_network(&self) -> bool {
        true
    }

    fn default_prefix(&self) -> (u8, u8) {
        (192, 168)
    }

    async fn is_taken(
        &self,
        _context: &Context,
        config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error> {
        let hypervisor = blocking(|| Libvirt::open(&config.infrastructure.libvirt_uri))?;
        fabric::is_taken(&hypervisor, prefix).await
    }

    async fn preflight(&self, context: &Context, config: &Config, plan: &Plan) -> Vec<String> {
        let mut reasons = Vec::new();
        let say = |error: &Error| crate::error::chain(error);
        match blocking(|| Libvirt::open(&config.infrastructure.libvirt_uri)) {
            Ok(hypervisor) => {
                if let Some(bridge) = &config.infrastructure.bridge
                    && !std::path::Path::new("/sys/class/net")
                        .join(bridge)
                        .join("bridge")
                        .exists()
                {
                    reasons.push(format!("there is no bridge `{bridge}` on this host"));
                }
                match blocking(|| hypervisor.host()) {
                    Ok(host) => {
                        let wanted =
                            plan.memory_mib() + QEMU_OVERHEAD_MIB * plan.nodes.len() as u64;
                        let usable = host.memory_available_mib.saturating_sub(HOST_RESERVE_MIB);
                        if wanted > usable {
                            reasons.push(format!(
                                "the nodes need {wanted} MiB (guests {} MiB, QEMU {QEMU_OVERHEAD_MIB} MiB each), but only \
                                 {usable} MiB are usable (available {} MiB, kept for the host {HOST_RESERVE_MIB} MiB); \
                                 take fewer or smaller nodes",
                                plan.memory_mib(),
                                host.memory_available_mib,
                            ));
                        }
                        let pinned =
                            plan.nodes.iter().map(|n| n.pinned.len()).sum::<usize>() as u32;
                        if pinned > host.cpus {
                            reasons.push(format!(
                                "cpu_pin needs {pinned} physical cores, this host has {}",
                                host.cpus
                            ));
                        }
                    }
                    Err(error) => reasons.push(say(&error)),
                }
            }
            Err(error) => reasons.push(say(&error)),
        }
        if let Err(error) = continuum_images::store::current(&context.cache) {
            reasons.push(say(&error.into()));
        }
        reasons
    }

    async fn create(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let image = continuum_images::store::current(&context.cache)?;
        let accelerator =
            accelerator::choose(&config.infrastructure.accelerator, &image.file("kernel")).await?;
        deployment.set_fact("accelerator", accelerator.label())?;
        deployment.set_fact("image", image.manifest.key.clone())?;
        deployment.set_fact("bundle", image.manifest.bundle.clone())?;
        if accelerator == Accelerator::Tcg {
            context.progress.line(
                "no usable KVM: guests are emulated (TCG), many times slower than real; results are labelled",
            );
        }
        let hypervisor = blocking(|| Libvirt::open(&config.infrastructure.libvirt_uri))?;
        let pool = context.root.pool();
        let base = blocking(|| {
            disks::ensure_base(
                &hypervisor,
                &pool,
                &context.root,
                &image,
                &*context.progress,
            )
        })?;
        let network = fabric::create(&hypervisor, config, plan.prefix, deployment)?;
        std::fs::create_dir_all(context.root.console())
            .map_err(Error::file("create", context.root.console()))?;
        for node in &plan.nodes {
            if context.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let domain = domain_name(&deployment.id(), &node.name);
            let state = blocking(|| hypervisor.domain_state(&domain))?;
            if state == DomainState::Running {
                continue;
            }
            if state == DomainState::Absent {
                let content = seed::image(config, node, secrets, deployment, plan.prefix)?;
                let disks = disks::create(&hypervisor, &base, node, deployment, &content)?;
                deployment.intend(ResourceKind::Domain, &domain)?;
                let text = xml::domain(&xml::DomainXml {
                    name: domain.clone(),
                    deployment: deployment.name().to_owned(),
                    uuid: deployment.uuid().to_string(),
                    node: node.name.clone(),
                    kvm: accelerator == Accelerator::Kvm,
                    cores: node.cores,
                    memory_mib: node.memory_mib,
                    pinned: node.pinned.clone(),
                    kernel: base.kernel.clone(),
                    initrd: base.initrd.clone(),
                    disk: disks.disk,
                    seed: disks.seed,
                    network: network.clone(),
                    tap: format!("ct{}-{}", deployment.id(), node.slot)
                        .chars()
                        .take(15)
                        .collect(),
                    mac: node.mac.clone(),
                    console: console_path(context, &domain).display().to_string(),
                })?;
                blocking(|| hypervisor.define_domain(&text))?;
            }
            blocking(|| hypervisor.start_domain(&domain))?;
            deployment.confirm(
                ResourceKind::Domain,
                &domain,
                &[("node", node.name.clone())],
            )?;
        }
        Ok(())
    }

    async fn limit(
        &self,
        _context: &Context,
        plan: &Plan,
        deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        let hypervisor = blocking(|| Libvirt::open(deployment.libvirt_uri()))?;
        let mut reports = Vec::new();
        for node in &plan.nodes {
            let domain = domain_name(&deployment.id(), &node.name);
            reports.extend(limit_node(&hypervisor, &domain, node).await?);
        }
        Ok(reports)
    }

    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error> {
        let hypervisor = blocking(|| Libvirt::open(deployment.libvirt_uri()))?;
        let mut removed = Vec::new();
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
                let existed = blocking(|| match kind {
                    ResourceKind::Domain => hypervisor.remove_domain(&name),
                    ResourceKind::Volume => hypervisor.remove_volume(&context.root.pool(), &name),
                    ResourceKind::Network => hypervisor.remove_network(&name),
                    ResourceKind::Process | ResourceKind::Directory => Ok(false),
                })?;
                if existed {
                    removed.push(format!("{kind:?} {name}").to_lowercase());
                }
                if kind == ResourceKind::Domain {
                    std::fs::remove_file(console_path(context, &name)).ok();
                    std::fs::remove_file(console_path(context, &format!("{name}.log.0"))).ok();
                }
                deployment.forget(kind, &name)?;
            }
        }
        removed.extend(sweep(
            context,
            &hypervisor,
            deployment.name(),
            Some(&deployment.id()),
        )?);
        Ok(removed)
    }

    async fn sweep(&self, context: &Context, name: &str, uri: &str) -> Result<Vec<String>, Error> {
        let hypervisor = blocking(|| Libvirt::open(uri))?;
        sweep(context, &hypervisor, name, None)
    }

    async fn states(
        &self,
        _context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error> {
        let hypervisor = blocking(|| Libvirt::open(deployment.libvirt_uri()))?;
        deployment
            .nodes()
            .iter()
            .map(|node| {
                let state = blocking(|| {
                    hypervisor.domain_state(&domain_name(&deployment.id(), &node.name))
                })?;
                Ok(NodeState {
                    node: node.name.clone(),
                    state: state.name().to_owned(),
                })
            })
            .collect()
    }

    async fn console(
        &self,
        context: &Context,
        deployment: &Deployment,
        node: &str,
    ) -> Option<String> {
        let path = console_path(context, &domain_name(&deployment.id(), node));
        let bytes = std::fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
        Some(lines.get(lines.len().saturating_sub(5)..)?.join(" | "))
    }
}

/// Whatever carries the deployment's name in libvirt, recorded or not; others' things are never touched.
fn sweep(
    context: &Context,
    hypervisor: &dyn Hypervisor,
    name: &str,
    id: Option<&str>,
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    let mut ids: Vec<String> = id.iter().map(|i| (*i).to_owned()).collect();
    for domain in blocking(|| hypervisor.domains())? {
        if domain.deployment.as_deref() == Some(name) {
            ids.extend(
                domain
                    .uuid
                    .iter()
                    .map(|u| u.replace('-', "").chars().take(8).collect()),
            );
            blocking(|| hypervisor.remove_domain(&domain.name))?;
            std::fs::remove_file(console_path(context, &domain.name)).ok();
            removed.push(format!("domain {}", domain.name));
        }
    }
    for network in blocking(|| hypervisor.networks())? {
        if let Some(id) = fabric::deployment_id(&network.name, name) {
            ids.push(id);
            blocking(|| hypervisor.remove_network(&network.name))?;
            removed.push(format!("network {}", network.name));
        }
    }
    let pool = context.root.pool();
    for volume in blocking(|| hypervisor.volumes(&pool))? {
        if ids
            .iter()
            .any(|id| volume.starts_with(&format!("ct-{id}-")))
        {
            blocking(|| hypervisor.remove_volume(&pool, &volume))?;
            removed.push(format!("volume {volume}"));
        }
    }
    Ok(removed)
}

async fn limit_node(
    hypervisor: &Libvirt,
    domain: &str,
    node: &NodePlan,
) -> Result<Vec<LimitReport>, Error> {
    let report = |limit: &str, asked: f64, read_back: f64| LimitReport {
        node: node.name.clone(),
        limit: limit.to_owned(),
        asked,
        read_back,
    };
    let mut reports = Vec::new();
    let quota = blocking(|| hypervisor.set_cpu_quota(domain, node.quota))?;
    reports.push(report("cpu_quota", node.quota, quota));
    if node.disk_read_mb_s > 0 || node.disk_write_mb_s > 0 {
        let (read, write) = hypervisor
            .set_disk_limits(domain, node.disk_read_mb_s, node.disk_write_mb_s)
            .await?;
        reports.push(report("disk_read_mb_s", node.disk_read_mb_s as f64, read));
        reports.push(report(
            "disk_write_mb_s",
            node.disk_write_mb_s as f64,
            write,
        ));
    }
    for r in &reports {
        if (r.asked - r.read_back).abs() > 0.005 * r.asked.max(1.0) {
            return Err(Error::Hypervisor {
                doing: format!("set {} of node {}", r.limit, r.node),
                why: format!("asked for {}, libvirt has {}", r.asked, r.read_back),
            });
        }
    }
    Ok(reports)
}
