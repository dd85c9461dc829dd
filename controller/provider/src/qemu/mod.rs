//! Provider `qemu`: virtual machines through libvirt.
//!
//! ```text
//! hypervisor   what is asked of libvirt, as a trait; `libvirt` is the real one, `deadline` ends calls that hang
//! machines     machines of a deployment, on any hypervisor
//! limits       their CPU quotas and disk limits, read back
//! network      the network that nodes are attached to
//! disks        base image, overlays and seeds in a storage pool
//! xml          descriptions of domains, networks, pools and volumes
//! accelerator  KVM if it really boots a kernel, else TCG
//! advice       what helps where libvirt cannot be reached
//! ```

mod accelerator;
mod advice;
mod deadline;
mod disks;
#[cfg(test)]
mod fake;
mod hypervisor;
mod libvirt;
mod limits;
mod machines;
#[cfg(test)]
mod machines_tests;
mod network;
mod preflight;
mod xml;

use super::{Allow, Capabilities, CoresOfAProgram, Fitness, LimitReport, NodeState, Provider};
use crate::error::ProviderError;
use accelerator::Accelerator;
use continuum_config::{AcceleratorChoice, Config, ProviderKind};
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_model::{Acceleration, Facts, Plan, Prefix, Prefixes};
use continuum_plan::verify::tolerances::{self, Tolerances};
use deadline::TimeoutHypervisor;
use hypervisor::Hypervisor;
use libvirt::Libvirt;
use std::path::PathBuf;
use xml::OwnershipTag;

/// Said before anything else where there is no KVM.
const EMULATED: &str = "no usable KVM: guests are emulated (TCG), many times slower than real, and results say so; \
                        real ones at native speed without KVM: --set infrastructure.provider=uml";

#[derive(Debug)]
pub(super) struct Qemu;

fn domain_name(id: &str, node: &str) -> String {
    format!("ct-{id}-{node}")
}

/// A connection whose calls end.
fn open(uri: &str) -> Result<TimeoutHypervisor, Error> {
    let uri = uri.to_owned();
    TimeoutHypervisor::open(deadline::CALL, move || Libvirt::open(&uri))
}

fn console_path(context: &Context, domain: &str) -> PathBuf {
    context.root.console().join(format!("{domain}.log"))
}

#[async_trait::async_trait]
impl Provider for Qemu {
    fn name(&self) -> &'static str {
        ProviderKind::Qemu.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            summary: "QEMU/KVM virtual machines through libvirt",
            emulates_network: true,
            has_machines: true,
            needs_namespace: false,
            cores_of_a_program: CoresOfAProgram::All,
            default_prefixes: Prefixes::new(192, 168),
        }
    }

    async fn fitness(&self, context: &Context, libvirt_uri: &str) -> Fitness {
        let unfit = |error: Error| Fitness::Unfit(continuum_host::error::chain(&error));
        let image = match continuum_images::store::current(&context.cache) {
            Ok(image) => image,
            Err(error) => return unfit(error.into()),
        };
        if let Err(error) = open(libvirt_uri).and_then(|hypervisor| hypervisor.host()) {
            return unfit(error);
        }
        match accelerator::choose(AcceleratorChoice::Kvm, &image.file("kernel")).await {
            Ok(_) => Fitness::Native("KVM boots a kernel here".into()),
            Err(refused) => Fitness::Emulated(refused.to_string()),
        }
    }

    async fn is_taken(
        &self,
        _context: &Context,
        config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error> {
        let hypervisor = open(&config.infrastructure.qemu.libvirt_uri)?;
        network::is_taken(&hypervisor, prefix).await
    }

    async fn preflight(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        _allow: Allow,
    ) -> Vec<String> {
        let mut reasons = Vec::new();
        let say = |error: &Error| continuum_host::error::chain(error);
        let mut accelerator = Accelerator::Tcg;
        match continuum_images::store::current(&context.cache) {
            Ok(image) => {
                let asked = config.infrastructure.qemu.accelerator;
                match accelerator::choose(asked, &image.file("kernel")).await {
                    Ok(chosen) => accelerator = chosen,
                    Err(refused) => reasons.push(refused.to_string()),
                }
            }
            Err(error) => reasons.push(say(&error.into())),
        }
        if accelerator == Accelerator::Tcg && reasons.is_empty() {
            context.progress.line(EMULATED);
        }
        match open(&config.infrastructure.qemu.libvirt_uri) {
            Ok(hypervisor) => {
                if let Some(bridge) = &config.infrastructure.bridge
                    && !std::path::Path::new("/sys/class/net")
                        .join(bridge)
                        .join("bridge")
                        .exists()
                {
                    reasons.push(format!("there is no bridge `{bridge}` on this host"));
                }
                match hypervisor.host() {
                    Ok(host) => reasons.extend(preflight::reasons(host, plan, accelerator)),
                    Err(error) => reasons.push(say(&error)),
                }
            }
            Err(error) => reasons.push(say(&error)),
        }
        reasons
    }

    async fn reserve_prefix(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        _secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let hypervisor = open(&config.infrastructure.qemu.libvirt_uri)?;
        network::create(&hypervisor, config, plan.prefix, deployment, &context.root).map(|_| ())
    }

    async fn create(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        let image = crate::image::of(context, config, deployment)?;
        let accelerator = accelerator::choose(
            config.infrastructure.qemu.accelerator,
            &image.file("kernel"),
        )
        .await
        .map_err(ProviderError::from)?;
        deployment.add_facts(Facts {
            acceleration: Some(accelerator.fact()),
            image: Some(image.manifest.key.clone()),
            bundle: Some(image.manifest.bundle.clone()),
            ..Facts::default()
        })?;
        let hypervisor = open(&config.infrastructure.qemu.libvirt_uri)?;
        let create = machines::CreateContext {
            context,
            config,
            plan,
            secrets,
            image: &image,
            accelerator,
        };
        machines::create(&hypervisor, create, deployment)
    }

    fn tolerances(&self, deployment: &Deployment) -> Option<&'static Tolerances> {
        Some(match deployment.facts().acceleration.as_ref()? {
            Acceleration::Kvm => &tolerances::KVM,
            Acceleration::Without(_) => &tolerances::TCG,
        })
    }

    async fn apply_limits(
        &self,
        _context: &Context,
        plan: &Plan,
        deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        let hypervisor = open(deployment.libvirt_uri())?;
        let mut reports = Vec::new();
        for node in &plan.nodes {
            let domain = domain_name(&deployment.id(), &node.name);
            reports.extend(limits::apply_limits(&hypervisor, &domain, node)?);
        }
        Ok(reports)
    }

    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error> {
        let hypervisor = open(deployment.libvirt_uri())?;
        machines::destroy(&hypervisor, context, deployment)
    }

    async fn destroy_orphans(
        &self,
        context: &Context,
        name: &str,
        uri: &str,
    ) -> Result<Vec<String>, Error> {
        let hypervisor = open(uri)?;
        let owner = context.root.owner();
        let ours = |tag: &OwnershipTag| tag.deployment == name && tag.owner == owner;
        machines::destroy_orphans(&hypervisor, context, &ours, &[])
    }

    async fn states(
        &self,
        _context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error> {
        let hypervisor = open(deployment.libvirt_uri())?;
        machines::states(&hypervisor, deployment)
    }

    async fn console(
        &self,
        context: &Context,
        deployment: &Deployment,
        node: &str,
    ) -> Option<String> {
        let path = console_path(context, &domain_name(&deployment.id(), node));
        let bytes = std::fs::read(path).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}
