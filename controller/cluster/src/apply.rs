//! Objects into the cluster, whatever they are: those that are there become what is wanted.

use super::{ask, pod};
use continuum_host::error::Error;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
};
use serde_json::Value;

/// Who owns what was applied.
const MANAGER: &str = "continuum";

/// Applies them in order.
pub async fn apply(client: &Client, objects: &[Value]) -> Result<(), Error> {
    for object in objects {
        let text = |path: &str| {
            object
                .pointer(path)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (kind, name) = (text("/kind"), text("/metadata/name"));
        let (group, version) = text("/apiVersion")
            .split_once('/')
            .unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let api: Api<DynamicObject> = match text("/metadata/namespace") {
            "" => Api::all_with(client.clone(), &resource),
            namespace => Api::namespaced_with(client.clone(), namespace, &resource),
        };
        let how = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(object);
        let doing = format!("apply {kind} {name}");
        ask(&doing, || api.patch(name, &how, &patch)).await?;
    }
    Ok(())
}

/// What came of a wait; one in vain also says why pods of a namespace do not run.
pub async fn with_reasons<T>(
    waited: Result<T, Error>,
    client: &Client,
    namespace: &str,
) -> Result<T, Error> {
    let Err(Error::Deadline { what, after, last }) = waited else {
        return waited;
    };
    let reasons = not_running_reasons(client, namespace).await;
    let last = [vec![last], reasons].concat().join("; ");
    Err(Error::Deadline { what, after, last })
}

/// Why pods of a namespace do not run.
pub async fn not_running_reasons(client: &Client, namespace: &str) -> Vec<String> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let none = ListParams::default();
    let Ok(list) = ask("list pods", || pods.list(&none)).await else {
        return Vec::new();
    };
    let say = |pod: &Pod| {
        let why = pod::not_running_reason(pod)?;
        Some(format!("pod {}: {why}", pod.metadata.name.as_deref()?))
    };
    list.items.iter().filter_map(say).collect()
}
