//! Provider `uml`: guests are User Mode Linux, a Linux kernel as an ordinary process. Native speed without KVM, with or
//! without root.
//!
//! ```text
//! kernel           kernel and base disk, where a guest's user can read them
//! placement        which kernel a guest gets, and which of the host's processors (pure)
//! sandbox          how a guest is started: user, view of the file system, arguments (pure)
//! supervisor       the process that a guest lives in
//! console          the end of what a guest writes, bounded
//! guests           directories and supervisors of a deployment
//! network          the bridge that guests are attached to
//! control_groups   CPU quota, memory and cores of the host's processes that guests are
//! cpu_quota        asked of them, and read back
//! disk_limits      in the guest's own kernel
//! namespace        of ordinary users: where bridges can be made without root
//! preflight        what a host must have (pure), of what `host` says
//! probe            whether the kernel runs here
//! ```

mod console;
mod control_groups;
mod cpu_quota;
mod disk_limits;
pub mod guests;
mod host;
mod kernel;
pub mod namespace;
mod network;
mod placement;
mod preflight;
mod probe;
mod sandbox;
pub mod supervisor;

use super::{
    Allow, Capabilities, CoresOfAProgram, Fitness, LimitReport, MachineState, NodeState, Provider,
    routes, seed,
};
use continuum_config::{Config, ProviderKind};
use continuum_host::{
    context::Context,
    error::Error,
    keys::Secrets,
    state::{Deployment, ResourceKind},
};
use continuum_model::{Acceleration, Facts, NodePlan, Plan, Prefix, Prefixes};
use continuum_plan::verify::tolerances::{self, Tolerances};
use control_groups::ControlGroups;
use kernel::Kernel;
use network::Owner;
use sandbox::GuestSpec;
use std::path::PathBuf;

/// Numbers of users that no distribution gives to anybody: above those of containers, below the sign.
const FIRST_USER: u32 = 0x7000_0000;

#[derive(Debug)]
pub(super) struct Uml;

/// Copies of kernels that no new guest would be started from, with their sizes in bytes.
pub fn unused_kernels(context: &Context) -> Result<Vec<(PathBuf, u64)>, Error> {
    kernel::unused(context)
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Who a guest is on the host: as root, a user that nobody else is.
fn user_of(deployment: &Deployment, slot: u32) -> Option<u32> {
    let (number, ..) = deployment.uuid().as_fields();
    is_root().then_some(FIRST_USER + ((number & 0xf_ffff) << 8) + slot)
}

fn owner_of(context: &Context, deployment: &Deployment) -> Owner {
    Owner {
        root: context.root.owner(),
        deployment: deployment.name().to_owned(),
        uuid: deployment.uuid().to_string(),
    }
}

#[async_trait::async_trait]
impl Provider for Uml {
    fn name(&self) -> &'static str {
        ProviderKind::Uml.name()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            summary: "User Mode Linux: real guests at native speed without KVM, with or without root",
            emulates_network: true,
            has_machines: true,
            needs_namespace: true,
            cores_of_a_program: CoresOfAProgram::One,
            default_prefixes: Prefixes::new(192, 168),
        }
    }

    async fn fitness(&self, context: &Context, _libvirt_uri: &str) -> Fitness {
        let looked = async {
            let kernel = kernel::kernel(context)?;
            probe::release(context, &kernel).await
        };
        match looked.await {
            Ok(release) => Fitness::Native(format!("User Mode Linux {release} runs here")),
            Err(error) => Fitness::Unfit(continuum_host::error::chain(&error)),
        }
    }

    async fn is_taken(
        &self,
        _context: &Context,
        _config: &Config,
        prefix: Prefix,
    ) -> Result<bool, Error> {
        routes::is_routed(prefix).await
    }

    async fn preflight(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        allow: Allow,
    ) -> Vec<String> {
        let groups = ControlGroups::of_host();
        let mut reasons = preflight::reasons(host::read(context, &groups), config, plan, allow);
        if let Err(error) = continuum_images::store::current(&context.cache) {
            reasons.push(continuum_host::error::chain(&Error::from(error)));
        }
        match kernel::kernel(context) {
            Ok(kernel) => {
                if let Err(error) = probe::release(context, &kernel).await {
                    reasons.push(continuum_host::error::chain(&error));
                }
            }
            Err(error) => reasons.push(continuum_host::error::chain(&error)),
        }
        reasons
    }

    fn warnings(&self, context: &Context, plan: &Plan) -> Vec<String> {
        preflight::warnings(host::read(context, &ControlGroups::of_host()), plan)
    }

    async fn reserve_prefix(
        &self,
        context: &Context,
        config: &Config,
        plan: &Plan,
        _secrets: &Secrets,
        deployment: &mut Deployment,
    ) -> Result<(), Error> {
        if config.infrastructure.bridge.is_some() {
            return Ok(());
        }
        let owner = owner_of(context, deployment);
        network::create(&owner, plan.prefix, deployment)
            .await
            .map(|_| ())
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
        let kernel = kernel::kernel(context)?;
        let release = probe::release(context, &kernel).await?;
        let base = kernel::base(context, &image)?;
        let groups = ControlGroups::of_host();
        let how = format!("uml (User Mode Linux {release})");
        deployment.add_facts(Facts {
            acceleration: Some(Acceleration::Without(how)),
            uml_kernel: Some(release),
            image: Some(image.manifest.key.clone()),
            bundle: Some(image.manifest.bundle.clone()),
            unlimited: preflight::warnings(host::read(context, &groups), plan)
                .first()
                .cloned(),
            fewer_processors: placement::note(&plan.nodes),
            ..Facts::default()
        })?;
        let bridge = if let Some(bridge) = &config.infrastructure.bridge {
            bridge.clone()
        } else {
            let owner = owner_of(context, deployment);
            network::create(&owner, plan.prefix, deployment).await?
        };
        let mut promised = placement::allowed(guests::running_specs(&context.root));
        for node in &plan.nodes {
            if context.cancel.is_cancelled() {
                return Err(Error::Interrupted);
            }
            let name = guests::name(&deployment.id(), &node.name);
            if guests::running(&guests::directory(&context.root).join(&name)).is_some() {
                continue;
            }
            deployment.intend(ResourceKind::Guest, &name)?;
            let control_groups = groups.create(&name)?;
            groups.set_memory(&name, (node.memory_mib + preflight::OVERHEAD_MIB) << 20)?;
            if !node.pinned.is_empty() {
                groups.set_processors(&name, &node.pinned)?;
            }
            let placed = placement::place(node, &mut promised);
            let spec = GuestSpec {
                uuid: deployment.uuid(),
                deployment: deployment.name().to_owned(),
                node: node.name.clone(),
                kernel: kernel.dir.clone(),
                kernel_file: Kernel::file(placed.cores).into(),
                base: base.clone(),
                memory_mib: node.memory_mib,
                cores: placed.cores,
                processor: placed.processor,
                quota: node.quota,
                mac: node.mac.clone(),
                bridge: bridge.clone(),
                interface: network::interface_name(&deployment.id(), node.slot),
                user: user_of(deployment, node.slot),
                control_groups,
            };
            let seed = seed::image(config, node, secrets, deployment, plan.prefix)?;
            guests::start(&context.root, &spec, &seed, deployment).await?;
        }
        Ok(())
    }

    fn tolerances(&self, _deployment: &Deployment) -> Option<&'static Tolerances> {
        Some(&tolerances::UML)
    }

    async fn apply_limits(
        &self,
        _context: &Context,
        plan: &Plan,
        deployment: &Deployment,
    ) -> Result<Vec<LimitReport>, Error> {
        let groups = ControlGroups::of_host();
        let mut reports = Vec::new();
        for node in &plan.nodes {
            reports.extend(cpu_quota::apply_limit(&groups, deployment, node)?);
            reports.extend(disk_limits::apply_limits(deployment, node).await?);
        }
        Ok(reports)
    }

    async fn destroy(
        &self,
        context: &Context,
        deployment: &mut Deployment,
    ) -> Result<Vec<String>, Error> {
        let recorded: Vec<String> = deployment
            .resources()
            .iter()
            .filter(|r| r.kind == ResourceKind::Guest)
            .map(|r| r.name.clone())
            .collect();
        let uuid = deployment.uuid();
        let all = guests::directory(&context.root);
        let mut dirs: Vec<PathBuf> = recorded.iter().map(|name| all.join(name)).collect();
        dirs.extend(guests::directories_of(&context.root, &|spec| {
            spec.uuid == uuid
        })?);
        dirs.sort();
        dirs.dedup();
        let mut removed = remove_guests(dirs).await?;
        let text = uuid.to_string();
        removed.extend(network::remove(&|owner| owner.uuid == text).await?);
        removed.extend(namespace::end(&context.root, deployment.name()).await?);
        let names: Vec<(ResourceKind, String)> = deployment
            .resources()
            .iter()
            .map(|r| (r.kind, r.name.clone()))
            .collect();
        for (kind, name) in names {
            // As with machines: on a full disk the record goes with the directory.
            if let Err(error) = deployment.forget(kind, &name) {
                tracing::warn!("{}", continuum_host::error::chain(&error));
            }
        }
        Ok(removed)
    }

    async fn destroy_orphans(
        &self,
        context: &Context,
        name: &str,
        _uri: &str,
    ) -> Result<Vec<String>, Error> {
        let dirs = guests::directories_of(&context.root, &|spec| spec.deployment == name)?;
        let mut removed = remove_guests(dirs).await?;
        let root = context.root.owner();
        let ours = |owner: &Owner| owner.root == root && owner.deployment == name;
        removed.extend(network::remove(&ours).await?);
        removed.extend(namespace::end(&context.root, name).await?);
        Ok(removed)
    }

    async fn states(
        &self,
        context: &Context,
        deployment: &Deployment,
    ) -> Result<Vec<NodeState>, Error> {
        let all = guests::directory(&context.root);
        Ok(deployment
            .nodes()
            .iter()
            .map(|node| {
                let dir = all.join(guests::name(&deployment.id(), &node.name));
                let state = if guests::running(&dir).is_some() {
                    MachineState::Running
                } else if dir.exists() {
                    MachineState::Stopped
                } else {
                    MachineState::Gone
                };
                NodeState {
                    node: node.name.clone(),
                    state,
                }
            })
            .collect())
    }

    async fn console(
        &self,
        context: &Context,
        deployment: &Deployment,
        node: &str,
    ) -> Option<String> {
        let name = guests::name(&deployment.id(), node);
        console::read(&guests::directory(&context.root).join(name))
    }
}

/// Ends guests and removes what they had; says what.
async fn remove_guests(dirs: Vec<PathBuf>) -> Result<Vec<String>, Error> {
    let groups = ControlGroups::of_host();
    let mut removed = Vec::new();
    for dir in dirs {
        if guests::remove(&groups, &dir).await? {
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            removed.push(format!("guest {name}"));
        }
    }
    Ok(removed)
}

fn report(node: &NodePlan, limit: &str, asked: f64, read_back: f64) -> LimitReport {
    LimitReport {
        node: node.name.clone(),
        limit: limit.to_owned(),
        asked,
        read_back,
    }
}
