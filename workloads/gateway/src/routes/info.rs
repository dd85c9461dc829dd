//! `/healthz` and `/system/info`.

use super::Context;
use crate::error::ApiError;
use axum::{Json, extract::State};
use continuum_openfaas_api::{GatewayInfo, ProviderInfo, VersionInfo};
use http::StatusCode;

/// It takes calls when it knows which functions there are.
pub(super) async fn healthz(State(context): State<Context>) -> Result<&'static str, ApiError> {
    if context.proxy.registry.is_synced() {
        return Ok("OK");
    }
    let text = "the cluster has not told yet which functions there are";
    Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text))
}

pub(super) async fn info() -> Json<GatewayInfo> {
    let version = VersionInfo {
        // The gateway is named by its version; who built it can be told by its image's digest.
        sha: env!("CARGO_PKG_VERSION").into(),
        release: env!("CARGO_PKG_VERSION").into(),
    };
    Json(GatewayInfo {
        provider: ProviderInfo {
            provider: "continuum".into(),
            version: version.clone(),
            orchestration: "kubernetes".into(),
        },
        version,
        arch: std::env::consts::ARCH.into(),
    })
}
