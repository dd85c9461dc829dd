//! A call as an object of the cluster.

use crate::{error::ApiError, functions::Key};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// A call that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    /// Name of its object.
    pub(crate) object: String,
    pub(crate) id: String,
    pub(crate) key: Key,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: bytes::Bytes,
    pub(crate) callback: Option<String>,
    pub(crate) attempts: u32,
}

/// Everything but the body.
#[derive(Debug, Serialize, Deserialize)]
struct Meta {
    id: String,
    function: String,
    namespace: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    callback: Option<String>,
}

/// A header's value, each byte of which is a letter.
fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}

/// The bytes of such a text.
fn bytes(text: String) -> Vec<u8> {
    let letters: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
    letters.unwrap_or_else(|_| text.into_bytes())
}

impl Waiting {
    /// Name of its object: ids are the callers' own, and need neither be names nor differ.
    pub(super) fn object(&self) -> &str {
        &self.object
    }

    /// A name that no other call has.
    pub(crate) fn new_object() -> String {
        format!("call-{}", uuid::Uuid::new_v4())
    }

    pub(super) fn to_secret(&self, label: &str, attempts: &str) -> Result<Secret, ApiError> {
        let headers = self.headers.iter();
        let meta = Meta {
            id: self.id.clone(),
            function: self.key.name.clone(),
            namespace: self.key.namespace.clone(),
            method: self.method.to_string(),
            path: self.path.clone(),
            headers: headers
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            callback: self.callback.clone(),
        };
        let cannot = |e: serde_json::Error| ApiError::bad_request(format!("keep the call: {e}"));
        let meta = serde_json::to_vec(&meta).map_err(cannot)?;
        let mut secret: Secret = serde_json::from_value(json!({
            "metadata": {
                "name": self.object(),
                "labels": { label: "waiting" },
                "annotations": { attempts: self.attempts.to_string() },
            },
            "type": "continuum.dev/call",
        }))
        .map_err(cannot)?;
        let body = ByteString(self.body.to_vec());
        let data = [
            ("call".to_owned(), ByteString(meta)),
            ("body".to_owned(), body),
        ];
        secret.data = Some(data.into());
        Ok(secret)
    }

    pub(super) fn of_secret(secret: &Secret, attempts: &str) -> Option<Self> {
        let data = secret.data.as_ref()?;
        let meta: Meta = serde_json::from_slice(&data.get("call")?.0).ok()?;
        let annotations = secret.metadata.annotations.as_ref();
        let header = |(name, value): (String, String)| {
            let value = HeaderValue::from_bytes(&bytes(value)).ok()?;
            Some((name.parse::<HeaderName>().ok()?, value))
        };
        Some(Self {
            object: secret.metadata.name.clone()?,
            id: meta.id,
            key: Key {
                name: meta.function,
                namespace: meta.namespace,
            },
            method: meta.method.parse().ok()?,
            path: meta.path,
            headers: meta.headers.into_iter().filter_map(header).collect(),
            body: data
                .get("body")
                .map(|b| b.0.clone().into())
                .unwrap_or_default(),
            callback: meta.callback,
            attempts: annotations
                .and_then(|a| a.get(attempts)?.parse().ok())
                .unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_same_after_it_was_kept() {
        let call = Waiting {
            object: "call-1".into(),
            id: "A/b 1".into(),
            key: Key::parse("f", "fn"),
            method: Method::PUT,
            path: "/x?y=1".into(),
            headers: HeaderMap::from_iter([
                (
                    HeaderName::from_static("content-type"),
                    HeaderValue::from_static("image/jpeg"),
                ),
                (
                    HeaderName::from_static("x-latin"),
                    HeaderValue::from_bytes(b"caf\xe9").unwrap(),
                ),
            ]),
            body: bytes::Bytes::from_static(&[0, 255, 7]),
            callback: Some("http://10.0.0.1/done".into()),
            attempts: 2,
        };
        let secret = call.to_secret("queue", "attempts").unwrap();
        assert_eq!(secret.metadata.name.as_deref(), Some("call-1"));
        assert_eq!(Waiting::of_secret(&secret, "attempts").unwrap(), call);
        assert!(Waiting::of_secret(&Secret::default(), "attempts").is_none());
    }
}
