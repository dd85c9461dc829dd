//! Bodies that go through as they come, within limits.

use super::InFlight;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep};
use tower_http::timeout::DeadlineBody;

/// What a request's body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) silence: Duration,
}

/// Why a request's body did not go through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    Slow,
    Caller(String),
}

#[derive(Debug, thiserror::Error)]
#[error("the request's body did not go through: {0:?}")]
pub(crate) struct BodyError(Fault);

/// A request's body before it is used.
#[derive(Debug)]
pub(crate) struct Source {
    body: UnsyncBoxBody<Bytes, axum::Error>,
    limits: Limits,
}

impl Source {
    pub(crate) fn stream(body: UnsyncBoxBody<Bytes, axum::Error>, limits: Limits) -> Self {
        Self { body, limits }
    }

    pub(crate) fn bytes(bytes: Bytes) -> Self {
        let limits = Limits {
            bytes: bytes.len() as u64,
            silence: Duration::from_secs(1),
        };
        let body = Full::new(bytes)
            .map_err(|never| match never {})
            .boxed_unsync();
        Self { body, limits }
    }

    pub(super) fn shared(self) -> Shared {
        let silence = Box::pin(tokio::time::sleep(self.limits.silence));
        Shared(Arc::new(Mutex::new(Inner {
            hint: self.body.size_hint(),
            is_over: self.body.is_end_stream(),
            body: self.body,
            limits: self.limits,
            seen: 0,
            touched: false,
            silence,
            fault: None,
        })))
    }
}

#[derive(Debug)]
struct Inner {
    body: UnsyncBoxBody<Bytes, axum::Error>,
    hint: SizeHint,
    limits: Limits,
    seen: u64,
    touched: bool,
    is_over: bool,
    silence: Pin<Box<Sleep>>,
    fault: Option<Fault>,
}

/// A body that can be offered to several replicas, one after the other, until one begins to take it.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&Inner) -> T) -> T {
        look(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether some of it is gone.
    pub(super) fn is_touched(&self) -> bool {
        self.with(|inner| inner.touched)
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        self.with(|inner| inner.fault.clone())
    }
}

impl Body for Shared {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let inner = &mut *guard;
        if !inner.touched {
            // The pause until a replica was there is not the caller's.
            inner
                .silence
                .as_mut()
                .reset(Instant::now() + inner.limits.silence);
            inner.touched = true;
        }
        let fail = |inner: &mut Inner, fault: Fault| {
            inner.fault = Some(fault.clone());
            Poll::Ready(Some(Err(BodyError(fault))))
        };
        match Pin::new(&mut inner.body).poll_frame(context) {
            Poll::Pending => {
                ready!(inner.silence.as_mut().poll(context));
                fail(inner, Fault::Slow)
            }
            Poll::Ready(None) => {
                inner.is_over = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                let why = format!("the request's body broke off: {error}");
                fail(inner, Fault::Caller(why))
            }
            Poll::Ready(Some(Ok(frame))) => {
                inner.seen += frame.data_ref().map_or(0, |d| d.len() as u64);
                if inner.seen > inner.limits.bytes {
                    return fail(inner, Fault::TooLarge);
                }
                inner
                    .silence
                    .as_mut()
                    .reset(Instant::now() + inner.limits.silence);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.with(|inner| inner.is_over)
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|inner| inner.hint)
    }
}

/// An answer's body. It ends when the call's time is over, and the call is counted until then.
pub(crate) struct Reply {
    /// None = it has none.
    body: Option<Pin<Box<DeadlineBody<Incoming>>>>,
    _in_flight: Option<InFlight>,
}

impl Reply {
    pub(super) fn new(body: Incoming, in_flight: InFlight, deadline: Instant) -> Self {
        let left = deadline.saturating_duration_since(Instant::now());
        Self {
            body: Some(Box::pin(DeadlineBody::new(left, body))),
            _in_flight: Some(in_flight),
        }
    }

    pub(super) fn empty() -> Self {
        Self {
            body: None,
            _in_flight: None,
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match &mut self.body {
            Some(body) => body.as_mut().poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(Body::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}
