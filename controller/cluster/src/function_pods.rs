//! Replicas of functions as pods: when each was made, scheduled, started and ready, remembered after it is gone.

use super::{ASK_DEADLINE, pod};
use continuum_model::PodRecord;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::ListParams};
use std::collections::BTreeMap;

/// Those of one namespace.
pub struct FunctionPods {
    api: Api<Pod>,
    known: BTreeMap<String, PodRecord>,
}

impl std::fmt::Debug for FunctionPods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FunctionPods").finish_non_exhaustive()
    }
}

impl FunctionPods {
    /// None is known yet.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            known: BTreeMap::new(),
        }
    }

    /// Looks at all; an API server that does not answer costs this look.
    pub async fn look(&mut self) {
        let ours = ListParams::default().labels("faas_function");
        let listed = tokio::time::timeout(ASK_DEADLINE, self.api.list(&ours)).await;
        let Ok(Ok(list)) = listed else { return };
        for one in &list.items {
            let record = self.known.entry(pod::name(one).to_owned()).or_default();
            pod::record(one, None, record);
        }
    }

    /// Everything that was seen.
    pub fn finish(self) -> Vec<PodRecord> {
        self.known.into_values().collect()
    }
}
