//! The HTTP side: health, a limit of calls, and an end that loses none.

use crate::{Body, answer, config::Config};
use continuum_http_service::{Limits, accept};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::{
    body::{Body as _, Incoming},
    service::service_fn,
};
use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::{DeadlineBody, TimeoutBody};

/// What answers calls.
pub trait Handler: Send + Sync + 'static {
    /// Answers one.
    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
    /// Whether calls can be made now.
    fn is_ready(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Shared<H> {
    handler: H,
    config: Config,
    in_flight: Arc<AtomicUsize>,
    is_ending: AtomicBool,
}

/// A call in flight, to the end of its answer. It is in the extensions of the request, for what goes on when nobody waits
/// for it any more, as a thread does.
#[derive(Debug, Clone)]
pub struct InFlight {
    _slot: Arc<Slot>,
}

#[derive(Debug)]
struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<H: Handler> Shared<H> {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        match request.uri().path() {
            "/_/health" | "/_/ready" => {
                if self.is_ending.load(Ordering::Relaxed) {
                    return answer(StatusCode::SERVICE_UNAVAILABLE, "it is ending");
                }
                if !self.handler.is_ready() {
                    return answer(StatusCode::SERVICE_UNAVAILABLE, "it has not begun yet");
                }
                return answer(StatusCode::OK, "OK");
            }
            _ => {}
        }
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let in_flight = InFlight {
            _slot: Arc::new(Slot(Arc::clone(&self.in_flight))),
        };
        if self.config.max_inflight > 0 && now > self.config.max_inflight {
            let most = self.config.max_inflight;
            let text = format!("{most} calls are in flight, which is the most");
            return answer(StatusCode::TOO_MANY_REQUESTS, text);
        }
        let begun = Instant::now();
        let limit = self.config.limit();
        let call = self
            .handler
            .call(request.map(|body| self.within_time(body)));
        let Ok(mut response) = tokio::time::timeout(limit, call).await else {
            let text = format!("the call was ended: it took longer than {limit:?}");
            tracing::error!("{text}");
            return answer(StatusCode::GATEWAY_TIMEOUT, text);
        };
        let took = begun.elapsed();
        let seconds = format!("{:.6}", took.as_secs_f64());
        if let Ok(value) = HeaderValue::from_str(&seconds) {
            response.headers_mut().insert("x-duration-seconds", value);
        }
        response.map(|body| {
            let body = DeadlineBody::new(limit.saturating_sub(took), body);
            // The body owns it, and so it ends with the body.
            body.map_err(move |error| {
                let _ = &in_flight;
                error
            })
            .boxed()
        })
    }

    /// A request's body, which must not stop for long.
    fn within_time(&self, body: Incoming) -> Body {
        if body.is_end_stream() {
            return body.map_err(Into::into).boxed();
        }
        TimeoutBody::new(self.config.read_timeout, body).boxed()
    }
}

/// Serves until `stop`. After it, calls are still taken for a moment, since not everyone has heard of it, and those in
/// flight are finished.
///
/// # Errors
/// Never once it runs: what a call does is its own.
pub async fn serve<H: Handler>(
    config: Config,
    listener: TcpListener,
    handler: H,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let shared = Arc::new(Shared {
        handler,
        config: config.clone(),
        in_flight: Arc::default(),
        is_ending: AtomicBool::new(false),
    });
    let own = Arc::clone(&shared);
    let service = service_fn(move |request: Request<Incoming>| {
        let own = Arc::clone(&own);
        async move { Ok::<_, Infallible>(own.answer(request).await) }
    });
    let ending = async move {
        stop.cancelled().await;
        shared.is_ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(shared.config.healthcheck_interval).await;
    };
    let limits = Limits {
        connections: Semaphore::MAX_PERMITS,
        silence: config.read_timeout,
    };
    accept(listener, service, limits, ending, config.write_timeout).await;
    Ok(())
}
