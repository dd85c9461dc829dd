//! The HTTP side: health, a limit of calls, and an end that loses none.

use crate::{Body, answer, config::Config};
use continuum_http_service::{Limits, accept, duration};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
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
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::timeout::{DeadlineBody, TimeoutBody};

pub trait Handler: Send + Sync + 'static {
    fn call(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send;
    /// Whether calls can be made now.
    fn is_ready(&self) -> bool {
        true
    }
    /// Calls in flight had their time: what makes them is to come to an end.
    fn hurry(&self) {}
    /// How much longer calls may take that were told to hurry.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
    /// There are no more calls: what was started for them is ended.
    fn end(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
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
    /// Why calls cannot be made now; `is_full` = also if there are too many.
    fn hindrance(&self, is_full: bool) -> Option<(StatusCode, &'static str)> {
        if self.is_ending.load(Ordering::Relaxed) {
            return Some((StatusCode::SERVICE_UNAVAILABLE, "it is ending"));
        }
        if !self.handler.is_ready() {
            return Some((StatusCode::SERVICE_UNAVAILABLE, "it has not begun yet"));
        }
        let most = self.config.max_inflight;
        if is_full && most > 0 && self.in_flight.load(Ordering::Relaxed) >= most {
            return Some((
                StatusCode::TOO_MANY_REQUESTS,
                "it has as many calls as it takes",
            ));
        }
        None
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let is_ready = match request.uri().path() {
            "/_/health" => false,
            "/_/ready" => true,
            _ => return self.within_limit(request).await,
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return answer(StatusCode::METHOD_NOT_ALLOWED, "ask with GET");
        }
        if let Some((status, why)) = self.hindrance(is_ready) {
            return answer(status, why);
        }
        if is_ready && !self.config.ready_path.is_empty() {
            return self.ask_function(request).await;
        }
        answer(StatusCode::OK, "OK")
    }

    /// The function knows best; it is asked outside the limit of calls.
    async fn ask_function(&self, mut request: Request<Incoming>) -> Response<Body> {
        match self.config.ready_path.parse::<Uri>() {
            Ok(path) if path.path().starts_with('/') => *request.uri_mut() = path,
            _ => {
                let text = format!("ready_path `{}` is no path", self.config.ready_path);
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
        }
        *request.method_mut() = Method::GET;
        self.make(request, None).await
    }

    async fn within_limit(&self, mut request: Request<Incoming>) -> Response<Body> {
        let now = self.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        let in_flight = InFlight {
            _slot: Arc::new(Slot(Arc::clone(&self.in_flight))),
        };
        if self.config.max_inflight > 0 && now > self.config.max_inflight {
            let most = self.config.max_inflight;
            let text = format!("{most} calls are in flight, which is the most");
            return answer(StatusCode::TOO_MANY_REQUESTS, text);
        }
        request.extensions_mut().insert(in_flight.clone());
        self.make(request, Some(in_flight)).await
    }

    /// The time of a call. Its caller may ask for less than it would have.
    fn limit(&self, headers: &HeaderMap) -> Duration {
        let limit = self.config.limit();
        let asked = headers.get("x-timeout").and_then(|v| v.to_str().ok());
        match asked.and_then(|text| duration(text).ok()) {
            Some(asked) if !self.config.exec_timeout.is_zero() && !asked.is_zero() => {
                asked.min(limit)
            }
            _ => limit,
        }
    }

    async fn make(
        &self,
        request: Request<Incoming>,
        in_flight: Option<InFlight>,
    ) -> Response<Body> {
        let begun = Instant::now();
        let limit = self.limit(request.headers());
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
/// flight are finished. When they had their time, what makes them is asked to end, and at last everything is.
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
    let interval = config.healthcheck_interval;
    let ending = async {
        stop.cancelled().await;
        shared.is_ending.store(true, Ordering::Relaxed);
        tokio::time::sleep(interval).await;
    };
    let hurry = async {
        stop.cancelled().await;
        tokio::time::sleep(interval.saturating_add(config.write_timeout)).await;
        shared.handler.hurry();
        std::future::pending::<()>().await;
    };
    let limits = Limits {
        connections: Semaphore::MAX_PERMITS,
        silence: config.read_timeout,
    };
    let longest = config
        .write_timeout
        .saturating_add(shared.handler.patience());
    tokio::select! {
        () = accept(listener, service, limits, ending, longest) => {}
        () = hurry => {}
    }
    shared.handler.end().await;
    Ok(())
}
