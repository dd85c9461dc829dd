//! `/system/secrets`. Values go in and never come out again.

use super::{Context, InNamespace};
use crate::{
    error::{ApiError, json},
    functions::{FUNCTION, check_secret_name},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Query, State},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use continuum_openfaas_api::Secret as Wanted;
use http::StatusCode;
use k8s_openapi::{
    ByteString,
    api::core::v1::{Pod, Secret},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json as value;
use std::time::{SystemTime, UNIX_EPOCH};

/// Label of secrets that are for functions; others of the namespace are not touched.
const MANAGED: (&str, &str) = ("app.kubernetes.io/managed-by", "openfaas");
/// On pods: when a secret that they mount was replaced last, nanoseconds since 1970.
const SECRETS_CHANGED: &str = "continuum.dev/secrets-changed";

async fn secrets(
    context: &Context,
    namespace: Option<&str>,
) -> Result<(Api<Secret>, String), ApiError> {
    let namespace = context.namespace(namespace).await?;
    Ok((Api::namespaced(context.client(), &namespace), namespace))
}

fn object(wanted: &Wanted) -> Result<Secret, ApiError> {
    check_secret_name(&wanted.name)?;
    let bytes = match (&wanted.value, &wanted.raw_value) {
        // As OpenFaaS has it where a body has both.
        (_, Some(raw)) if !raw.is_empty() => STANDARD.decode(raw).map_err(|e| {
            ApiError::bad_request(format!("the body's field `rawValue` is not Base64: {e}"))
        })?,
        (Some(text), _) if !text.is_empty() => text.clone().into_bytes(),
        _ => {
            return Err(ApiError::bad_request(
                "the body has neither `value` nor `rawValue`",
            ));
        }
    };
    let mut secret: Secret = serde_json::from_value(value!({
        "metadata": { "name": wanted.name, "labels": { MANAGED.0: MANAGED.1 } },
        "type": "Opaque",
    }))
    .map_err(|e| ApiError::bad_request(format!("describe secret {}: {e}", wanted.name)))?;
    secret.data = Some([(wanted.name.clone(), ByteString(bytes))].into());
    Ok(secret)
}

/// One of ours.
async fn find(secrets: &Api<Secret>, name: &str) -> Result<Secret, ApiError> {
    let found = secrets.get_opt(name).await;
    found
        .map_err(|e| ApiError::of_cluster(&format!("find secret {name}"), e))?
        .filter(|s| {
            let labels = s.metadata.labels.as_ref();
            labels.is_some_and(|l| l.get(MANAGED.0).is_some_and(|v| v == MANAGED.1))
        })
        .ok_or_else(|| ApiError::not_found(format!("there is no secret {name}")))
}

pub(super) async fn list(
    State(context): State<Context>,
    Query(query): Query<InNamespace>,
) -> Result<Json<Vec<Wanted>>, ApiError> {
    let (secrets, namespace) = secrets(&context, query.namespace.as_deref()).await?;
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED.0, MANAGED.1));
    let all = secrets.list(&ours).await;
    let all = all.map_err(|e| ApiError::of_cluster("list secrets", e))?;
    let names = all.items.into_iter().filter_map(|s| s.metadata.name);
    Ok(Json(
        names
            .map(|name| Wanted {
                name,
                namespace: Some(namespace.clone()),
                ..Wanted::default()
            })
            .collect(),
    ))
}

pub(super) async fn create(
    State(context): State<Context>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: Wanted = json(&body)?;
    let made = object(&wanted)?;
    let (secrets, _) = secrets(&context, wanted.namespace.as_deref()).await?;
    secrets
        .create(&PostParams::default(), &made)
        .await
        .map_err(|e| ApiError::of_cluster(&format!("create secret {}", wanted.name), e))?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn replace(
    State(context): State<Context>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: Wanted = json(&body)?;
    let mut made = object(&wanted)?;
    let (secrets, namespace) = secrets(&context, wanted.namespace.as_deref()).await?;
    let old = find(&secrets, &wanted.name).await?;
    made.metadata.resource_version = old.metadata.resource_version;
    secrets
        .replace(&wanted.name, &PostParams::default(), &made)
        .await
        .map_err(|e| ApiError::of_cluster(&format!("replace secret {}", wanted.name), e))?;
    if let Err(error) = refresh(&context, &namespace, &wanted.name).await {
        tracing::warn!("pods see the new secret {} later: {error}", wanted.name);
    }
    Ok(StatusCode::ACCEPTED)
}

/// Kubelets look at the secrets of a pod again when the pod changes, and otherwise only about each minute.
async fn refresh(context: &Context, namespace: &str, secret: &str) -> kube::Result<()> {
    let pods: Api<Pod> = Api::namespaced(context.client(), namespace);
    let of_functions = ListParams::default().labels(FUNCTION);
    for pod in pods.list(&of_functions).await? {
        let Some(name) = pod
            .metadata
            .name
            .as_deref()
            .filter(|_| mounts(&pod, secret))
        else {
            continue;
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since.unwrap_or_default().as_nanos().to_string();
        let patch = value!({ "metadata": { "annotations": { SECRETS_CHANGED: now } } });
        let patched = pods
            .patch_metadata(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        match patched {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            other => other.map(|_| ())?,
        }
    }
    Ok(())
}

fn mounts(pod: &Pod, secret: &str) -> bool {
    let volumes = pod.spec.iter().filter_map(|s| s.volumes.as_ref()).flatten();
    volumes
        .filter_map(|v| v.projected.as_ref()?.sources.as_ref())
        .flatten()
        .any(|s| s.secret.as_ref().is_some_and(|s| s.name == secret))
}

pub(super) async fn remove(
    State(context): State<Context>,
    Query(query): Query<InNamespace>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: Wanted = json(&body)?;
    let namespace = wanted.namespace.or(query.namespace);
    let (secrets, _) = secrets(&context, namespace.as_deref()).await?;
    find(&secrets, &wanted.name).await?;
    secrets
        .delete(&wanted.name, &DeleteParams::default())
        .await
        .map_err(|e| ApiError::of_cluster(&format!("remove secret {}", wanted.name), e))?;
    Ok(StatusCode::ACCEPTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_value_wins_and_an_empty_one_is_none() {
        let kept = |value: Option<&str>, raw: Option<&str>| {
            let wanted = Wanted {
                name: "tls.example.org".into(),
                value: value.map(str::to_owned),
                raw_value: raw.map(str::to_owned),
                ..Wanted::default()
            };
            let data = object(&wanted).map(|made| made.data.unwrap_or_default());
            data.map(|data| data["tls.example.org"].0.clone())
        };
        assert_eq!(kept(Some("text"), Some("AAEC")), Ok(vec![0, 1, 2]));
        assert_eq!(kept(Some("text"), Some("")), Ok(b"text".to_vec()));
        assert!(kept(Some(""), None).is_err() && kept(None, Some("%")).is_err());
    }

    #[test]
    fn a_pod_that_mounts_a_secret_is_known_by_it() {
        let pod: Pod = serde_json::from_value(value!({ "metadata": {}, "spec": {
            "containers": [],
            "volumes": [{ "name": "secrets", "projected": { "sources": [{ "secret": { "name": "a" } }] } }],
        } }))
        .unwrap();
        assert!(mounts(&pod, "a") && !mounts(&pod, "b"));
        assert!(!mounts(&Pod::default(), "a"));
    }
}
