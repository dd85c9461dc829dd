//! `kubernetes-worker`: a node that joins a cluster.

use super::{
    DONE, OPTIONS, Settings, explain, kubeadm_config,
    node::{self, Failure, Reason},
};
use crate::{
    error::AgentError,
    install::{InstallSpec, Installer, Progress, StepState},
    system::System,
};
use continuum_common::wait::Patience;
use std::time::Duration;

const CONFIG: &str = "/etc/kubernetes/continuum-join.yaml";
/// A cluster misses a node after some 50 seconds, and later on a busy machine.
const TRY_AGAIN_FOR: Duration = Duration::from_mins(4);
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A node that runs pods.
#[derive(Debug)]
pub(crate) struct Worker;

/// What is waited for, if a join failed for a reason that passes by itself.
fn passing(failure: &Failure) -> Option<&'static str> {
    if failure.is_for(Reason::NameTaken) {
        return Some("waits until the cluster has missed the node that had this name");
    }
    failure
        .is_for(Reason::Busy)
        .then_some("the API server took more than 10 s; once more")
}

#[async_trait::async_trait]
impl Installer for Worker {
    fn name(&self) -> &'static str {
        "kubernetes-worker"
    }

    fn options(&self) -> Vec<&'static str> {
        OPTIONS.to_vec()
    }

    async fn is_installed(&self, system: &dyn System) -> bool {
        system.exists(DONE).await && system.exists(CONFIG).await
    }

    async fn apply(
        &self,
        spec: &InstallSpec,
        system: &dyn System,
        progress: &Progress,
    ) -> Result<(), AgentError> {
        let settings = Settings::read(spec, system).await?;
        if system.exists(DONE).await {
            progress.report("kubeadm join", StepState::Unchanged, "the node has joined");
            return Ok(());
        }
        node::prepare(&settings, spec, system, progress).await?;
        // Written before kubeadm begins, so it is there wherever that broke off.
        if system.exists(CONFIG).await {
            node::reset_earlier_try(system, progress).await?;
        }
        let join = kubeadm_config::join(&settings);
        progress.report(
            "kubeadm join",
            StepState::Running,
            format!("waits for {}:6443", settings.control_plane),
        );
        // From the first refusal on: until then it waits for a control plane that comes up.
        let mut left = Patience::new(TRY_AGAIN_FOR, LOOK_EVERY);
        loop {
            system.write(CONFIG, &join, 0o600).await?;
            let (again, patience) = (Reason::Checks, settings.policy.patience);
            let joined = node::kubeadm(&["join"], CONFIG, again, patience, system, progress);
            let failure = match joined.await {
                Ok(()) => break,
                Err(failure) => failure,
            };
            let Some(waits) = passing(&failure) else {
                return Err(explain(system, failure.error).await);
            };
            progress.report("kubeadm join", StepState::Running, waits);
            if let Err(failure) = left.again(failure).await {
                return Err(explain(system, failure.error).await);
            }
            // It refuses what it has begun to write.
            node::reset(system).await?;
        }
        system.write(DONE, settings.version, 0o644).await?;
        progress.report("kubeadm join", StepState::Done, "joined");
        Ok(())
    }
}
