//! `/system/functions` and `/system/function/NAME`.

use super::{Context, InNamespace};
use crate::{
    error::{ApiError, json},
    functions::{FUNCTION, Key, deployment, replicas, service, status as describe},
    proxy::no_function,
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, Query, State},
};
use continuum_common::wait::Patience;
use continuum_openfaas_api::{DeleteFunctionRequest, FunctionDeployment, FunctionStatus};
use http::StatusCode;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Secret, Service},
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use std::{sync::atomic::Ordering, time::Duration};

/// Updates that lost against another one are made again.
const CONFLICTS: u32 = 5;
/// Between looks at a function that is being removed.
const NEXT_LOOK: Duration = Duration::from_millis(200);

fn deployments(context: &Context, namespace: &str) -> Api<Deployment> {
    Api::namespaced(context.client(), namespace)
}

/// With what this gateway knows of its pods and calls.
fn known(context: &Context, deployment: &Deployment) -> FunctionStatus {
    let key = Key {
        name: deployment.metadata.name.clone().unwrap_or_default(),
        namespace: deployment.metadata.namespace.clone().unwrap_or_default(),
    };
    let function = context.proxy.registry.find(&key);
    let available = function.as_ref().map_or(0, |f| f.state().available());
    let calls = function.map_or(0, |f| f.load.ended.load(Ordering::Relaxed));
    describe(deployment, available, calls)
}

pub(super) async fn list(
    State(context): State<Context>,
    Query(query): Query<InNamespace>,
) -> Result<Json<Vec<FunctionStatus>>, ApiError> {
    let namespace = context.namespace(query.namespace.as_deref()).await?;
    let ours = ListParams::default().labels(FUNCTION);
    let all = deployments(&context, &namespace).list(&ours).await;
    let all = all.map_err(|e| ApiError::of_cluster("list functions", e))?;
    let there = all.items.iter().filter(|d| is_there(d));
    Ok(Json(there.map(|d| known(&context, d)).collect()))
}

/// One that is being removed is removed: it is only still there for its pods.
fn is_there(deployment: &Deployment) -> bool {
    deployment.metadata.deletion_timestamp.is_none()
}

/// A Deployment that is a function.
async fn find(context: &Context, key: &Key) -> Result<Deployment, ApiError> {
    let doing = format!("find function {key}");
    let found = deployments(context, &key.namespace)
        .get_opt(&key.name)
        .await;
    found
        .map_err(|e| ApiError::of_cluster(&doing, e))?
        .filter(|d| {
            let labels = d.metadata.labels.as_ref();
            is_there(d) && labels.is_some_and(|l| l.contains_key(FUNCTION))
        })
        .ok_or_else(|| no_function(key))
}

pub(super) async fn status(
    State(context): State<Context>,
    Path(name): Path<String>,
    Query(query): Query<InNamespace>,
) -> Result<Json<FunctionStatus>, ApiError> {
    let key = named(&context, &name, query.namespace.as_deref()).await?;
    let deployment = find(&context, &key).await?;
    Ok(Json(known(&context, &deployment)))
}

/// `NAME.NAMESPACE`, or `NAME` with the namespace elsewhere.
pub(super) async fn named(
    context: &Context,
    name: &str,
    namespace: Option<&str>,
) -> Result<Key, ApiError> {
    let key = Key::parse(name, namespace.unwrap_or_default());
    Ok(Key {
        namespace: context.namespace(Some(&key.namespace)).await?,
        name: key.name,
    })
}

/// All secrets that a function names must be there: its pods would wait for them.
async fn check_secrets(
    context: &Context,
    wanted: &FunctionDeployment,
    namespace: &str,
) -> Result<(), ApiError> {
    let secrets: Api<Secret> = Api::namespaced(context.client(), namespace);
    for name in wanted.secrets.iter().flatten() {
        let found = secrets.get_opt(name).await;
        if found
            .map_err(|e| ApiError::of_cluster(&format!("look for secret {name}"), e))?
            .is_none()
        {
            let text = format!("there is no secret {name} in namespace {namespace}");
            return Err(ApiError::bad_request(text));
        }
    }
    Ok(())
}

pub(super) async fn deploy(
    State(context): State<Context>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: FunctionDeployment = json(&body)?;
    let namespace = context.namespace(wanted.namespace.as_deref()).await?;
    let config = &context.proxy.config;
    let made = deployment(&wanted, &namespace, config, None)?;
    check_secrets(&context, &wanted, &namespace).await?;
    let doing = format!("deploy function {}", wanted.service);
    let all = deployments(&context, &namespace);
    let mut patience = Patience::new(config.upstream_timeout, NEXT_LOOK);
    while let Err(error) = all.create(&PostParams::default(), &made).await {
        // One of that name that was removed goes when the last of its calls has ended.
        let is_taken = matches!(&error, kube::Error::Api(status) if status.code == 409);
        let failed = |error| ApiError::of_cluster(&doing, error);
        if !is_taken || !is_leaving(&all, &wanted.service).await {
            return Err(failed(error));
        }
        patience.again(error).await.map_err(failed)?;
    }
    ensure_service(&context, &wanted, &namespace, &doing).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Whether it is removed, or was a moment ago.
async fn is_leaving(all: &Api<Deployment>, name: &str) -> bool {
    let found = all.get_opt(name).await;
    found.is_ok_and(|found| found.is_none_or(|d| !is_there(&d)))
}

/// The Service by which pods reach a function; one that is there is the same.
async fn ensure_service(
    context: &Context,
    wanted: &FunctionDeployment,
    namespace: &str,
    doing: &str,
) -> Result<(), ApiError> {
    let annotations = wanted.annotations.clone().unwrap_or_default();
    let port = context.proxy.config.function_port;
    let made = service(&wanted.service, namespace, &annotations, port)?;
    let services: Api<Service> = Api::namespaced(context.client(), namespace);
    match services.create(&PostParams::default(), &made).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other
            .map(|_| ())
            .map_err(|e| ApiError::of_cluster(doing, e)),
    }
}

pub(super) async fn update(
    State(context): State<Context>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: FunctionDeployment = json(&body)?;
    let namespace = context.namespace(wanted.namespace.as_deref()).await?;
    let key = Key {
        name: wanted.service.clone(),
        namespace: namespace.clone(),
    };
    crate::functions::check_name("function", &key.name)?;
    check_secrets(&context, &wanted, &namespace).await?;
    let config = &context.proxy.config;
    let doing = format!("update function {key}");
    let mut attempts = 0;
    loop {
        let old = find(&context, &key).await?;
        let mut made = deployment(&wanted, &namespace, config, Some(replicas(&old)))?;
        made.metadata.resource_version = old.metadata.resource_version;
        let replaced = deployments(&context, &namespace)
            .replace(&key.name, &PostParams::default(), &made)
            .await;
        match replaced {
            Ok(_) => break,
            // Its status changes all the time while it is rolled out; what is wanted does not.
            Err(kube::Error::Api(status)) if status.code == 409 && attempts < CONFLICTS => {
                attempts += 1;
            }
            Err(error) => return Err(ApiError::of_cluster(&doing, error)),
        }
    }
    // A deployment that broke off may have left none.
    ensure_service(&context, &wanted, &namespace, &doing).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn remove(
    State(context): State<Context>,
    Query(query): Query<InNamespace>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: DeleteFunctionRequest = json(&body)?;
    if wanted.function_name.is_empty() {
        return Err(ApiError::bad_request(
            "the body's field `functionName` is empty",
        ));
    }
    let namespace = wanted.namespace.or(query.namespace);
    let key = named(&context, &wanted.function_name, namespace.as_deref()).await?;
    find(&context, &key).await?;
    let doing = format!("remove function {key}");
    let how = DeleteParams::foreground();
    deployments(&context, &key.namespace)
        .delete(&key.name, &how)
        .await
        .map_err(|e| ApiError::of_cluster(&doing, e))?;
    let services: Api<Service> = Api::namespaced(context.client(), &key.namespace);
    // At once, so that the next function of that name does not take it for its own.
    match services
        .delete(&key.name, &DeleteParams::background())
        .await
    {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        Err(error) => return Err(ApiError::of_cluster(&doing, error)),
        Ok(_) => {}
    }
    Ok(StatusCode::ACCEPTED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, response::IntoResponse, routing::post};
    use serde_json::{Value, json};

    /// A cluster with a function in the state `meta`, which is gone when it was in the way twice.
    fn cluster(meta: Value) -> Context {
        let made = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let make = async move |body: Bytes| {
            if made.fetch_add(1, Ordering::Relaxed) < 2 {
                let refusal = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {},
                    "status": "Failure", "message": "it is there", "reason": "AlreadyExists", "code": 409 });
                return (StatusCode::CONFLICT, Json(refusal)).into_response();
            }
            body.into_response()
        };
        let there = async move || Json(json!({ "metadata": meta }));
        let path = "/apis/apps/v1/namespaces/openfaas-fn/deployments";
        let router = Router::new()
            .route(path, post(make))
            .route(&format!("{path}/f"), axum::routing::get(there))
            .route(
                "/api/v1/namespaces/openfaas-fn/services",
                post(async |body: Bytes| body),
            );
        Context::of_cluster(kube::Client::new(router, "openfaas-fn")).unwrap()
    }

    #[tokio::test]
    async fn a_function_that_is_being_removed_is_waited_for_and_no_other() {
        let wanted = || Bytes::from_static(br#"{"service":"f","image":"i"}"#);
        let leaving = json!({ "name": "f", "deletionTimestamp": "2026-01-31T12:00:00Z" });
        let made = deploy(State(cluster(leaving)), wanted()).await;
        assert_eq!(made, Ok(StatusCode::ACCEPTED));
        let stays = deploy(State(cluster(json!({ "name": "f" }))), wanted()).await;
        assert_eq!(stays.unwrap_err().status, StatusCode::CONFLICT);
    }
}
