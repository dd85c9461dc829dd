//! What callers are told when something cannot be done.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// A refusal or a failure, as a status and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    pub(crate) text: String,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            text: text.into(),
        }
    }

    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(crate) fn not_found(text: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, text)
    }

    /// What the API server answered to `doing`.
    pub(crate) fn of_cluster(doing: &str, error: kube::Error) -> Self {
        let kube::Error::Api(status) = error else {
            return Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("{doing}: the cluster does not answer: {error}"),
            );
        };
        let code = match status.code {
            404 => StatusCode::NOT_FOUND,
            409 => StatusCode::CONFLICT,
            // An object that the cluster does not take is the caller's own.
            400 | 422 => StatusCode::BAD_REQUEST,
            403 => StatusCode::FORBIDDEN,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(code, format!("{doing}: {}", status.message))
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.text)).into_response()
    }
}

/// Reads a JSON body; an error names the field.
pub(crate) fn json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let parsed = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let why = error.into_inner();
        ApiError::bad_request(if path == "." {
            format!("the body is not what it should be: {why}")
        } else {
            format!("the body's field `{path}` is not what it should be: {why}")
        })
    })?;
    let end = reader.end();
    end.map_err(|why| ApiError::bad_request(format!("the body goes on after its JSON: {why}")))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_openfaas_api::FunctionDeployment;

    #[test]
    fn bad_json_names_the_field() {
        let fault = |text: &str| json::<FunctionDeployment>(text.as_bytes()).unwrap_err();
        let wrong = fault(r#"{"service":"a","image":"i","limits":{"memory":5}}"#);
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        assert!(wrong.text.contains("`limits.memory`"), "{wrong}");
        assert!(
            fault(r#"{"service":"a"}"#)
                .text
                .contains("missing field `image`")
        );
        assert!(fault("{").text.contains("EOF"), "{}", fault("{"));
        let more = fault(r#"{"service":"a","image":"i"} and more"#);
        assert!(more.text.contains("goes on"), "{more}");
    }
}
