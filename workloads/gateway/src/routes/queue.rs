//! `/async-function/NAME`: the call is kept, answered with 202, and made later.

use super::{Context, invoke::target};
use crate::{
    error::ApiError,
    queue::{MAX_BODY_BYTES, Waiting},
};
use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::{BodyExt, Limited};

const CALLBACK: HeaderName = HeaderName::from_static("x-callback-url");
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");

pub(super) async fn put(
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    let config = &context.proxy.config;
    let (mut parts, body) = request.into_parts();
    let (key, path) = target(&parts.uri, "/async-function/", &config.function_namespace);
    context.proxy.find(&key).await?;
    let callback = parts.headers.remove(&CALLBACK);
    let callback = callback.map(|v| {
        let text = v.to_str().unwrap_or_default().to_owned();
        let uri = text.parse::<http::Uri>();
        match uri {
            Ok(uri) if matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() => {
                Ok(text)
            }
            _ => Err(ApiError::bad_request(format!(
                "header X-Callback-Url is `{text}`; write it as http://HOST/PATH or https://HOST/PATH"
            ))),
        }
    });
    let given = parts.headers.get(&CALL_ID).and_then(|v| v.to_str().ok());
    let id = given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    let id_value = HeaderValue::from_str(&id)
        .map_err(|_| ApiError::bad_request("header X-Call-Id cannot be sent back"))?;
    parts.headers.insert(CALL_ID, id_value.clone());
    let callback = callback.transpose()?;
    let place = context.queue.place(config.read_timeout).await?;
    let limited = Limited::new(body, MAX_BODY_BYTES).collect();
    let body = match tokio::time::timeout(config.read_timeout, limited).await {
        Err(_) => {
            let text = format!(
                "the request's body did not come within {:?}",
                config.read_timeout
            );
            return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, text));
        }
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let text =
                format!("a call that waits may have {MAX_BODY_BYTES} bytes; make it synchronously");
            return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text));
        }
        Ok(Err(error)) => {
            let text = format!("the request's body broke off: {error}");
            return Err(ApiError::bad_request(text));
        }
        Ok(Ok(body)) => body.to_bytes(),
    };
    let call = Waiting {
        object: Waiting::new_object(),
        id,
        key,
        method: parts.method,
        path,
        headers: parts.headers,
        body,
        callback,
        attempts: 0,
    };
    place.put(call).await?;
    Ok((StatusCode::ACCEPTED, [(CALL_ID, id_value)]).into_response())
}
