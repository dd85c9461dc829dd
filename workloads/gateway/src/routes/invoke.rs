//! `/function/NAME`: any method, any path behind it.

use super::Context;
use crate::{
    error::ApiError,
    functions::Key,
    proxy::{Call, Limits, Source},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use continuum_http_service::Peer;
use http::{Uri, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// The function that an address means, and the path as the function is to see it.
pub(super) fn target(uri: &Uri, prefix: &str, default_namespace: &str) -> (Key, String) {
    let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    (
        Key::parse(name, default_namespace),
        format!("/{path}{query}"),
    )
}

pub(super) async fn invoke(
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    let config = &context.proxy.config;
    let (parts, body) = request.into_parts();
    let (key, path) = target(&parts.uri, "/function/", &config.function_namespace);
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.or(body.size_hint().exact()) > Some(config.max_body_bytes) {
        return Err(context.proxy.too_large());
    }
    let limits = Limits {
        bytes: config.max_body_bytes,
        silence: config.read_timeout,
    };
    let call = Call {
        key,
        method: parts.method,
        path,
        headers: parts.headers,
        body: Source::stream(body.boxed_unsync(), limits),
        peer: parts.extensions.get::<Peer>().map(|p| p.0),
    };
    let response = context.proxy.call(call).await?;
    Ok(response.map(|reply| Body::new(reply.map_err(axum::Error::new))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_sees_what_is_behind_its_name() {
        let of = |text: &str| {
            let (key, path) = target(&text.parse().unwrap(), "/function/", "fn");
            format!("{key} {path}")
        };
        assert_eq!(of("/function/a"), "a.fn /");
        assert_eq!(of("/function/a/"), "a.fn /");
        assert_eq!(of("/function/a.other/b/c?d=1"), "a.other /b/c?d=1");
        assert_eq!(of("/function/a?x=%20"), "a.fn /?x=%20");
    }
}
