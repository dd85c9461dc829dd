//! Calls to replicas: picks one, holds the call while there is none, hands bodies through as they come.

mod body;
mod client;
mod wait;

pub(crate) use body::{Limits, Reply, Source};
pub(crate) use client::{HttpClient, new as http_client};

use crate::{
    config::Config,
    error::ApiError,
    functions::Key,
    metrics::Metrics,
    registry::{Busy, Function, FunctionRegistry, Replica},
};
use body::Fault;
use continuum_http_service::{Upgrade, chain, strip};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header::HeaderName,
};
use kube::Client;
use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// With the port, as OpenFaaS writes it.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
const DURATION: HeaderName = HeaderName::from_static("x-duration-seconds");
/// Ours: the call waited for a replica to start.
const COLD_START: HeaderName = HeaderName::from_static(continuum_openfaas_api::COLD_START);
/// Ours: the pod that answered.
const SERVED_BY: HeaderName = HeaderName::from_static(continuum_openfaas_api::SERVED_BY);
/// A replica that does not take the connection is another's turn; when all have been asked, they are asked again for a
/// while.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between looks at a function that has no replica that could be tried.
const NEXT_LOOK: Duration = Duration::from_millis(100);

/// Everything that a call needs.
pub(crate) struct Proxy {
    pub(crate) config: Config,
    pub(crate) registry: Arc<FunctionRegistry>,
    pub(crate) metrics: Metrics,
    pub(crate) client: Client,
    pub(crate) http: HttpClient,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) key: Key,
    pub(crate) method: Method,
    /// Path and query as the function is to see them.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Source,
    /// Who makes it; none = the queue.
    pub(crate) peer: Option<SocketAddr>,
    /// Another protocol that the caller wants.
    pub(crate) upgrade: Option<Upgrade>,
}

/// A call from its start to the end of its answer, however that comes.
#[derive(Debug)]
pub(crate) struct InFlight {
    function: Arc<Function>,
    metrics: Metrics,
    name: String,
    begun: Instant,
    status: StatusCode,
    /// The replica that has it; counted as long as this lives.
    busy: Option<Busy>,
}

impl InFlight {
    fn start(function: Arc<Function>, metrics: &Metrics) -> Self {
        let name = function.key.to_string();
        metrics.start(&name);
        function.load.start();
        Self {
            function,
            metrics: metrics.clone(),
            name,
            begun: Instant::now(),
            // What counts if the caller goes away before there is an answer.
            status: StatusCode::REQUEST_TIMEOUT,
            busy: None,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.function.load.end();
        self.metrics
            .end(&self.name, self.status.as_u16(), self.begun.elapsed());
    }
}

/// What callers of it are told.
pub(crate) fn no_function(key: &Key) -> ApiError {
    ApiError::not_found(format!(
        "there is no function {} in namespace {}",
        key.name, key.namespace
    ))
}

impl Proxy {
    /// A function. One that has just started does not know them all yet, and nobody is sent away for that.
    pub(crate) async fn find(&self, key: &Key) -> Result<Arc<Function>, ApiError> {
        let synced = self.registry.until_synced();
        if tokio::time::timeout(self.config.upstream_timeout, synced)
            .await
            .is_err()
        {
            let text = "the cluster has not told yet which functions there are";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text));
        }
        self.registry.find(key).ok_or_else(|| no_function(key))
    }

    /// Makes a call. The answer's body holds on to what counts it.
    pub(crate) async fn call(&self, mut call: Call) -> Result<Response<Reply>, ApiError> {
        let upgrade = call.upgrade.take();
        let function = self.find(&call.key).await?;
        let mut in_flight = InFlight::start(function, &self.metrics);
        let deadline = in_flight.begun + self.config.upstream_timeout;
        let answer = self
            .forward(call, upgrade.as_ref(), &mut in_flight, deadline)
            .await;
        in_flight.status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.status,
        };
        let took = in_flight.begun.elapsed();
        answer.and_then(|mut response| {
            let seconds = format!("{:.6}", took.as_secs_f64());
            if let Ok(value) = HeaderValue::from_str(&seconds) {
                response.headers_mut().insert(DURATION, value);
            }
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                return Ok(response.map(|incoming| Reply::new(incoming, in_flight, deadline)));
            }
            let Some(upgrade) = upgrade else {
                in_flight.status = StatusCode::BAD_GATEWAY;
                let text = format!(
                    "{} changed its protocol, which nobody had asked for",
                    in_flight.name
                );
                return Err(ApiError::new(StatusCode::BAD_GATEWAY, text));
            };
            // It is in flight as long as they talk.
            upgrade.join(&mut response, in_flight);
            Ok(response.map(|_| Reply::empty()))
        })
    }

    async fn forward(
        &self,
        call: Call,
        upgrade: Option<&Upgrade>,
        in_flight: &mut InFlight,
        deadline: Instant,
    ) -> Result<Response<hyper::body::Incoming>, ApiError> {
        let function = Arc::clone(&in_flight.function);
        let (mut headers, call_id, start_time) = Self::prepare(call.headers, call.peer);
        if let Some(upgrade) = upgrade {
            upgrade.announce(&mut headers);
        }
        let body = call.body.shared();
        let mut tried = Vec::new();
        let mut was_cold = false;
        let mut refused_since = None;
        loop {
            let (replica, had_to_wait) = self.replica(&function, &tried, deadline).await?;
            if had_to_wait && !was_cold {
                was_cold = true;
                self.metrics.cold(&in_flight.name);
            }
            let uri = self.address(&replica, &call.path)?;
            let mut request = Request::new(body.clone());
            *request.method_mut() = call.method.clone();
            *request.uri_mut() = uri;
            *request.headers_mut() = headers.clone();
            in_flight.busy = Some(Busy::with(&replica));
            let sent = tokio::time::timeout_at(deadline, self.http.request(request)).await;
            let why = match sent {
                Err(_) => {
                    let after = self.config.upstream_timeout;
                    let text = format!("{} did not answer within {after:?}", function.key);
                    return Err(ApiError::new(StatusCode::GATEWAY_TIMEOUT, text));
                }
                Ok(Ok(mut response)) => {
                    strip(response.headers_mut());
                    // The function's version is not ours.
                    *response.version_mut() = http::Version::HTTP_11;
                    let mut add = |name, value: &str| {
                        if let Ok(value) = HeaderValue::from_str(value) {
                            response.headers_mut().insert(name, value);
                        }
                    };
                    add(CALL_ID, &call_id);
                    add(START_TIME, &start_time);
                    add(SERVED_BY, &replica.pod);
                    if was_cold {
                        add(COLD_START, "true");
                    }
                    return Ok(response);
                }
                Ok(Err(error)) => match body.fault() {
                    Some(Fault::TooLarge) => return Err(self.too_large()),
                    Some(Fault::Slow) => {
                        let after = self.config.read_timeout;
                        let text = format!("the request's body made no progress for {after:?}");
                        return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, text));
                    }
                    Some(Fault::Caller(why)) => return Err(ApiError::bad_request(why)),
                    None if error.is_connect() && !body.is_touched() => chain(&error),
                    None => {
                        let text = format!("{} broke off: {}", function.key, chain(&error));
                        return Err(ApiError::new(StatusCode::BAD_GATEWAY, text));
                    }
                },
            };
            // Nothing of the call has reached it, so another may have it.
            tracing::debug!(
                "{} at {} takes no connection: {why}",
                function.key,
                replica.pod
            );
            tried.push(replica.pod.clone());
            let since = *refused_since.get_or_insert_with(Instant::now);
            if function.state().pick(&tried).is_some() {
                continue;
            }
            // All were asked; they are given a moment, and asked again for a while.
            if since.elapsed() > PATIENCE {
                let text = format!("{}: no replica takes a connection: {why}", function.key);
                return Err(ApiError::new(StatusCode::BAD_GATEWAY, text));
            }
            tokio::time::sleep(NEXT_LOOK).await;
            tried.clear();
        }
    }

    pub(crate) fn too_large(&self) -> ApiError {
        let most = self.config.max_body_bytes;
        let text = format!("the request's body is larger than {most} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    }

    /// Headers for the function, the call's id and its start.
    fn prepare(mut headers: HeaderMap, peer: Option<SocketAddr>) -> (HeaderMap, String, String) {
        strip(&mut headers);
        // Whoever expects to go on was told so by us.
        headers.remove(http::header::EXPECT);
        if let Some(host) = headers.remove(http::header::HOST) {
            let forwarded = HeaderName::from_static("x-forwarded-host");
            headers.entry(forwarded).or_insert(host);
        }
        if let Some(peer) = peer.and_then(|p| HeaderValue::from_str(&p.to_string()).ok()) {
            headers.entry(FORWARDED_FOR).or_insert(peer);
        }
        let given = headers.get(&CALL_ID).and_then(|v| v.to_str().ok());
        let call_id = given.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let start_time = since.unwrap_or_default().as_nanos().to_string();
        for (name, value) in [(CALL_ID, &call_id), (START_TIME, &start_time)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        (headers, call_id, start_time)
    }

    fn address(&self, replica: &Replica, path: &str) -> Result<Uri, ApiError> {
        let address = replica.address.map(|a| (a, self.config.function_port));
        let authority = address.map(|a| std::net::SocketAddr::from(a).to_string());
        let uri = Uri::builder()
            .scheme("http")
            .authority(authority.unwrap_or_default())
            .path_and_query(path)
            .build();
        uri.map_err(|e| ApiError::bad_request(format!("path `{path}` cannot be called: {e}")))
    }
}
