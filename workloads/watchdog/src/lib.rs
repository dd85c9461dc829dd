//! Makes a program, or a library, a function: HTTP on one side, a process per request, a server of its own, files, or
//! Rust code on the other. Options have the names that `OpenFaaS`'s watchdogs have.

pub mod config;
pub mod handlers;
pub mod process;
mod programs;
mod server;
mod unsupported_options;

pub use server::{Handler, InFlight, serve};

/// Bodies of requests and answers.
pub type Body = http_body_util::combinators::BoxBody<bytes::Bytes, BodyError>;

/// Why a body ends early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body that is there already.
pub fn full(bytes: impl Into<bytes::Bytes>) -> Body {
    use http_body_util::BodyExt;
    http_body_util::Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// An answer with a line of text.
pub fn answer(status: http::StatusCode, text: impl Into<String>) -> http::Response<Body> {
    let mut text = text.into();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let mut response = http::Response::new(full(text));
    *response.status_mut() = status;
    response
}

/// What a caller is told who stopped in the middle of a body.
const NO_PROGRESS: &str = "the request's body made no progress";

/// The answer to a request whose body did not come whole.
pub fn broken_body(error: &BodyError) -> http::Response<Body> {
    if error.is::<tower_http::timeout::TimeoutError>() {
        return answer(http::StatusCode::REQUEST_TIMEOUT, NO_PROGRESS);
    }
    let text = format!("the request's body broke off: {error}");
    answer(http::StatusCode::BAD_REQUEST, text)
}
