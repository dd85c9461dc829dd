//! `/system/namespaces` and `/system/namespace/NAME`: those that are annotated for functions, and the default one.

use super::Context;
use crate::{
    error::{ApiError, json},
    functions::check_name,
};
use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use continuum_openfaas_api::{FunctionNamespace, Texts};
use http::StatusCode;
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::json as value;

/// Annotation, with the value 1.
const FOR_FUNCTIONS: &str = "openfaas";

fn is_for_functions(context: &Context, namespace: &Namespace) -> bool {
    let meta = &namespace.metadata;
    let is_default = meta.name.as_deref() == Some(&*context.proxy.config.function_namespace);
    let annotations = meta.annotations.as_ref();
    is_default || annotations.is_some_and(|a| a.get(FOR_FUNCTIONS).is_some_and(|v| v == "1"))
}

async fn find(context: &Context, name: &str) -> Result<Namespace, ApiError> {
    let all: Api<Namespace> = Api::all(context.client());
    let found = all.get_opt(name).await;
    found
        .map_err(|e| ApiError::of_cluster(&format!("find namespace {name}"), e))?
        .filter(|n| is_for_functions(context, n))
        .ok_or_else(|| ApiError::not_found(format!("there is no namespace {name} for functions")))
}

/// The name again, if it is one for functions.
pub(super) async fn require(context: &Context, name: &str) -> Result<String, ApiError> {
    let refuse = |error: ApiError| match error.status {
        StatusCode::NOT_FOUND => ApiError::bad_request(format!(
            "{error}; it needs the annotation {FOR_FUNCTIONS}=1"
        )),
        _ => error,
    };
    find(context, name).await.map_err(refuse)?;
    Ok(name.to_owned())
}

pub(super) async fn list(State(context): State<Context>) -> Result<Json<Vec<String>>, ApiError> {
    let all: Api<Namespace> = Api::all(context.client());
    let all = all.list(&ListParams::default()).await;
    let all = all.map_err(|e| ApiError::of_cluster("list namespaces", e))?;
    let ours = all.items.iter().filter(|n| is_for_functions(&context, n));
    Ok(Json(ours.filter_map(|n| n.metadata.name.clone()).collect()))
}

pub(super) async fn get(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<FunctionNamespace>, ApiError> {
    let found = find(&context, &name).await?.metadata;
    Ok(Json(FunctionNamespace {
        name,
        annotations: found.annotations,
        labels: found.labels,
    }))
}

/// Its annotations and labels. An address may leave the name to the body.
fn wanted(name: Option<&str>, body: &[u8]) -> Result<(String, Texts, Texts), ApiError> {
    let wanted: FunctionNamespace = json(body)?;
    check_name("namespace", &wanted.name)?;
    if let Some(name) = name.filter(|n| *n != wanted.name) {
        let text = format!(
            "the body's field `name` is `{}`, the address says `{name}`",
            wanted.name
        );
        return Err(ApiError::bad_request(text));
    }
    let mut annotations = wanted.annotations.unwrap_or_default();
    annotations.insert(FOR_FUNCTIONS.to_owned(), "1".to_owned());
    Ok((wanted.name, annotations, wanted.labels.unwrap_or_default()))
}

/// With the name in the address, or, as `OpenFaaS`'s own clients do it, in the body alone.
pub(super) async fn create(
    State(context): State<Context>,
    name: Option<Path<String>>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let (name, annotations, labels) = wanted(name.as_ref().map(|n| &*n.0), &body)?;
    let doing = format!("create namespace {name}");
    let object = serde_json::from_value(value!({
        "metadata": { "name": name, "annotations": annotations, "labels": labels },
    }));
    let object: Namespace = object.map_err(|e| ApiError::bad_request(format!("{doing}: {e}")))?;
    let all: Api<Namespace> = Api::all(context.client());
    all.create(&PostParams::default(), &object)
        .await
        .map_err(|e| ApiError::of_cluster(&doing, e))?;
    Ok(StatusCode::CREATED)
}

pub(super) async fn update(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let (name, annotations, labels) = wanted(Some(&name), &body)?;
    find(&context, &name).await?;
    let patch = value!({ "metadata": { "annotations": annotations, "labels": labels } });
    let all: Api<Namespace> = Api::all(context.client());
    all.patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .map_err(|e| ApiError::of_cluster(&format!("update namespace {name}"), e))?;
    Ok(StatusCode::ACCEPTED)
}

pub(super) async fn remove(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    if name == context.proxy.config.function_namespace {
        let text = format!("namespace {name} is the default one and stays");
        return Err(ApiError::new(StatusCode::FORBIDDEN, text));
    }
    find(&context, &name).await?;
    let all: Api<Namespace> = Api::all(context.client());
    all.delete(&name, &DeleteParams::default())
        .await
        .map_err(|e| ApiError::of_cluster(&format!("remove namespace {name}"), e))?;
    Ok(StatusCode::ACCEPTED)
}
