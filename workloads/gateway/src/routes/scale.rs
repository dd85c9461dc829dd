//! `/system/scale-function/NAME`.

use super::{Context, InNamespace, functions::named};
use crate::{
    error::{ApiError, json},
    scaler,
};
use axum::{
    body::Bytes,
    extract::{Path, Query, State},
};
use continuum_openfaas_api::ScaleServiceRequest;
use http::StatusCode;

/// More than that is a slip of the keyboard.
const MAX_REPLICAS: u64 = 1000;

pub(super) async fn scale(
    State(context): State<Context>,
    Path(name): Path<String>,
    Query(query): Query<InNamespace>,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    let wanted: ScaleServiceRequest = json(&body)?;
    if wanted.replicas > MAX_REPLICAS {
        let text = format!(
            "the body's field `replicas` is {}; {MAX_REPLICAS} is the most",
            wanted.replicas
        );
        return Err(ApiError::bad_request(text));
    }
    let namespace = wanted.namespace.or(query.namespace);
    let key = named(&context, &name, namespace.as_deref()).await?;
    context.proxy.find(&key).await?;
    scaler::scale(&context.client(), &key, wanted.replicas).await?;
    Ok(StatusCode::ACCEPTED)
}
