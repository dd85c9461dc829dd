//! Basic auth on /system.

use crate::error::ApiError;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::{path::Path, sync::Arc};
use subtle::ConstantTimeEq;

/// Who may call /system; none = everyone.
#[derive(Clone)]
pub(crate) struct Credentials(Option<Arc<String>>);

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    pub(crate) fn nobody_asks() -> Self {
        Self(None)
    }

    /// From the two files of a mounted secret.
    pub(crate) fn read(dir: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path)
                .map(|t| t.trim().to_owned())
                .map_err(|e| anyhow::anyhow!("read `{}`: {e}", path.display()))
        };
        let (user, password) = (text("basic-auth-user")?, text("basic-auth-password")?);
        anyhow::ensure!(
            !user.is_empty() && !password.is_empty(),
            "the user or the password in `{}` is empty",
            dir.display()
        );
        Ok(Self(Some(Arc::new(format!("{user}:{password}")))))
    }

    fn admit(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.0 else { return true };
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|v| v.to_str().ok()?.split_once(' '));
        let Some((_, encoded)) = given.filter(|(how, _)| how.eq_ignore_ascii_case("basic")) else {
            return false;
        };
        let Ok(decoded) = STANDARD.decode(encoded.trim()) else {
            return false;
        };
        decoded.ct_eq(expected.as_bytes()).into()
    }
}

/// Refuses who does not know the password.
pub(crate) async fn require(
    State(credentials): State<Credentials>,
    request: Request,
    next: Next,
) -> Response {
    if credentials.admit(request.headers()) {
        return next.run(request).await;
    }
    let refusal = ApiError::new(StatusCode::UNAUTHORIZED, "invalid credentials");
    let mut response = refusal.into_response();
    let how = HeaderValue::from_static("Basic realm=\"Restricted\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, how);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_is_admitted() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Credentials::read(dir.path()).is_err());
        std::fs::write(dir.path().join("basic-auth-user"), "admin\n").unwrap();
        std::fs::write(dir.path().join("basic-auth-password"), "secret").unwrap();
        let credentials = Credentials::read(dir.path()).unwrap();
        let with = |how: &str, text: &str| {
            let value = format!("{how} {}", STANDARD.encode(text));
            let value = HeaderValue::from_str(&value).unwrap();
            credentials.admit(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
        };
        assert!(with("Basic", "admin:secret") && with("basic", "admin:secret"));
        assert!(!with("Basic", "admin:wrong") && !with("Bearer", "admin:secret"));
        assert!(!credentials.admit(&HeaderMap::new()));
        assert!(Credentials::nobody_asks().admit(&HeaderMap::new()));
    }
}
