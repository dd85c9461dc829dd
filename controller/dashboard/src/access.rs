//! Who may read the page.
//!
//! On loopback: every user of this machine whose browser was sent to this very address. A name that some other site gave
//! to 127.0.0.1 is not it, so that no foreign page reads this one. On other addresses: who knows the token; the printed
//! address carries it once, a cookie from then on.

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::{net::SocketAddr, sync::Arc};
use subtle::ConstantTimeEq;

const COOKIE: &str = "continuum-dashboard";
/// Everything from this server, nothing inline, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Who may read the page.
#[derive(Debug, Clone)]
pub enum Access {
    /// Whoever asks for this address by its number, or as `localhost`.
    Loopback(SocketAddr),
    /// Whoever knows it.
    Token(String),
}

impl Access {
    fn allows(&self, request: &Request) -> Result<(), Refusal> {
        match self {
            Self::Loopback(address) => {
                let host = request.headers().get(header::HOST);
                let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
                let names = [address.to_string(), format!("localhost:{}", address.port())];
                if names.iter().any(|name| name == host) {
                    Ok(())
                } else {
                    Err(Refusal::Host)
                }
            }
            Self::Token(token) => {
                let given = given_token(request.headers());
                if given.is_some_and(|given| is_same(given, token)) {
                    return Ok(());
                }
                let query = request.uri().query().unwrap_or_default();
                let asked = query.strip_prefix("token=");
                match asked {
                    Some(asked) if is_same(asked, token) => Err(Refusal::Welcome),
                    _ => Err(Refusal::Token),
                }
            }
        }
    }
}

fn is_same(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

fn given_token(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut cookies = cookies
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'));
    cookies.find_map(|cookie| cookie.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Why a request is not answered with what it asked for.
enum Refusal {
    Host,
    Token,
    /// It carries the token: from now on a cookie does, and no address that somebody may copy.
    Welcome,
}

/// Answers who may read, and says to every answer what a browser may do with it.
pub(crate) async fn check(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let mut response = match (access.allows(&request), &*access) {
        (Ok(()), _) => next.run(request).await,
        (Err(Refusal::Welcome), Access::Token(token)) => welcome(token),
        (Err(Refusal::Host), _) => refuse(
            "this is not the address that the page was opened at; use the one that continuum-ctl printed",
        ),
        (Err(_), _) => refuse("the page needs the token of the address that continuum-ctl printed"),
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

fn refuse(why: &'static str) -> Response {
    (StatusCode::FORBIDDEN, why).into_response()
}

fn welcome(token: &str) -> Response {
    let cookie = format!("{COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/");
    let headers = [(header::SET_COOKIE, cookie), (header::LOCATION, "/".into())];
    (StatusCode::SEE_OTHER, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, headers: &[(header::HeaderName, &str)]) -> Request {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    fn verdict(access: &Access, request: &Request) -> &'static str {
        match access.allows(request) {
            Ok(()) => "allowed",
            Err(Refusal::Host) => "wrong host",
            Err(Refusal::Token) => "no token",
            Err(Refusal::Welcome) => "gets a cookie",
        }
    }

    #[test]
    fn on_loopback_a_page_of_another_name_is_refused() {
        let access = Access::Loopback(([127, 0, 0, 1], 3000).into());
        for (host, expected) in [
            ("127.0.0.1:3000", "allowed"),
            ("localhost:3000", "allowed"),
            ("127.0.0.1:3001", "wrong host"),
            ("rebound.example:3000", "wrong host"),
            ("", "wrong host"),
        ] {
            let request = request("/", &[(header::HOST, host)]);
            assert_eq!(verdict(&access, &request), expected, "{host}");
        }
        assert_eq!(verdict(&access, &request("/", &[])), "wrong host");
    }

    #[test]
    fn a_token_is_taken_once_from_the_address_and_then_from_a_cookie() {
        let access = Access::Token("s3cret".into());
        for (uri, cookie, expected) in [
            ("/", "", "no token"),
            ("/?token=wrong", "", "no token"),
            ("/?token=s3cret", "", "gets a cookie"),
            ("/", "other=1; continuum-dashboard=s3cret", "allowed"),
            ("/events", "continuum-dashboard=s3cre", "no token"),
        ] {
            let request = request(uri, &[(header::COOKIE, cookie)]);
            assert_eq!(verdict(&access, &request), expected, "{uri} {cookie}");
        }
    }
}
