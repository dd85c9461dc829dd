//! Two watches keep the registry current: Deployments, and pods.

use super::{FunctionRegistry, Replica};
use crate::functions::{FUNCTION, Key};
use futures_util::{Stream, StreamExt};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api, Client, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use std::{collections::HashSet, fmt::Debug, pin::pin, sync::Arc};

fn key(object: &impl ResourceExt) -> Option<Key> {
    Some(Key {
        name: object.labels().get(FUNCTION)?.clone(),
        namespace: object.namespace()?,
    })
}

/// Watches until it is dropped. A watch that breaks is made again.
pub(crate) async fn keep_current(client: Client, registry: Arc<FunctionRegistry>) {
    let config = || watcher::Config::default().labels(FUNCTION);
    let deployments: Api<Deployment> = Api::all(client.clone());
    let pods: Api<Pod> = Api::all(client);
    let deployments = watcher(deployments, config()).default_backoff();
    let pods = watcher(pods, config()).default_backoff();
    tokio::join!(
        follow(deployments, &registry, put_deployment, drop_deployment),
        follow(pods, &registry, put_pod, drop_pod),
    );
}

fn put_deployment(registry: &FunctionRegistry, key: &Key, deployment: Deployment) {
    // One that is being removed is removed: it is only still there for its pods.
    let is_leaving = deployment.metadata.deletion_timestamp.is_some();
    let deployment = (!is_leaving).then(|| Arc::new(deployment));
    registry.change(key, |state| state.deployment = deployment);
}

fn drop_deployment(registry: &FunctionRegistry, key: &Key, _name: &str) {
    registry.change(key, |state| state.deployment = None);
}

fn put_pod(registry: &FunctionRegistry, key: &Key, pod: Pod) {
    let is_over = matches!(
        pod.status.as_ref().and_then(|s| s.phase.as_deref()),
        Some("Succeeded" | "Failed")
    );
    registry.change(key, |state| {
        let name = pod.name_any();
        if is_over {
            state.replicas.remove(&name);
            return;
        }
        let calls = state.replicas.get(&name).map(|r| Arc::clone(&r.calls));
        let replica = Replica::of(&pod, calls.unwrap_or_default());
        state.replicas.insert(name, Arc::new(replica));
    });
}

fn drop_pod(registry: &FunctionRegistry, key: &Key, name: &str) {
    registry.change(key, |state| {
        state.replicas.remove(name);
    });
}

/// Takes over what a watch says. After it broke it lists everything again: what is not in the list is gone.
async fn follow<K>(
    events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
    registry: &FunctionRegistry,
    put: fn(&FunctionRegistry, &Key, K),
    drop: fn(&FunctionRegistry, &Key, &str),
) where
    K: ResourceExt + Debug,
{
    let mut events = pin!(events);
    let mut known: HashSet<(Key, String)> = HashSet::new();
    let mut listed: HashSet<(Key, String)> = HashSet::new();
    let mut is_first = true;
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                if let Some(key) = key(&object) {
                    listed.insert((key.clone(), object.name_any()));
                    put(registry, &key, object);
                }
            }
            Ok(watcher::Event::InitDone) => {
                for (key, name) in known.difference(&listed) {
                    drop(registry, key, name);
                }
                known = std::mem::take(&mut listed);
                if std::mem::take(&mut is_first) {
                    registry.note_synced();
                }
            }
            Ok(watcher::Event::Apply(object)) => {
                if let Some(key) = key(&object) {
                    known.insert((key.clone(), object.name_any()));
                    put(registry, &key, object);
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                if let Some(key) = key(&object) {
                    let name = object.name_any();
                    drop(registry, &key, &name);
                    known.remove(&(key, name));
                }
            }
            Err(error) => tracing::warn!("the watch broke and is made again: {error}"),
        }
    }
}
