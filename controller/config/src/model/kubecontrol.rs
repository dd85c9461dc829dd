//! Manager `kubecontrol`: how its cluster gets the applications.

use super::{
    field::{Access, Field},
    keys::{Key, Kind, Purpose, both},
};
use crate::choices::{KubeDeployment, ManagerKind};

pub(crate) const OPTIONS: [Key; 1] = [both(
    "benchmark.kube_deployment",
    "benchmark",
    "kube_deployment",
    Kind::Choice(KubeDeployment::NAMES, &[]),
    "for kubecontrol: all applications as pods of one Job, as containers of one pod, as a Job each one after the other, or \
     at once (pod)",
)
.at(Access {
    put: |config, value| {
        if let Some(run) = &mut config.benchmark
            && config.software.resource_manager == ManagerKind::KubeControl
        {
            run.kube_deployment.put(value);
        }
    },
    get: |config| config.benchmark.as_ref()?.kube_deployment.get(),
})
.of(Purpose::KubeControl)];
