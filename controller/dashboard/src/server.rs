//! HTTP: the page, its figures as server-sent events, reports of past results, and `/metrics`.

use crate::{
    access::{self, Access},
    feed::{Feed, Panels},
    functions::FunctionPoint,
    history::{EventLine, Point},
    metrics, page,
    panels::{Application, ClusterView},
    view::Status,
};
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri, header},
    middleware,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
    routing::get,
};
use continuum_http_service::{Limits, accept};
use continuum_model::{ControllerClock, MeasuredNumber};
use futures_util::{Stream, StreamExt, stream};
use hyper_util::service::TowerToHyperService;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const LIMITS: Limits = Limits {
    // A browser takes one or two; more readers wait.
    connections: 64,
    silence: Duration::from_secs(20),
};
/// Pages that are open when the program ends are told so at once.
const END_DEADLINE: Duration = Duration::from_secs(1);
/// A report has its style and its pictures inside, and no script.
const REPORT_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";

#[derive(Debug, Clone)]
struct Shared {
    feed: Arc<Feed>,
    stop: CancellationToken,
}

/// Serves until the token is cancelled.
pub async fn serve(
    listener: TcpListener,
    access: Access,
    feed: Arc<Feed>,
    stop: CancellationToken,
) {
    let router = router(access, Arc::clone(&feed), stop.clone());
    let service = TowerToHyperService::new(router);
    let served = accept(listener, service, LIMITS, stop.cancelled(), END_DEADLINE);
    let looks = stop.run_until_cancelled(feed.look_at_panels());
    tokio::join!(served, looks);
}

fn router(access: Access, feed: Arc<Feed>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/events", get(events))
        .route("/metrics", get(scrape))
        .route("/results/{name}/report.html", get(report))
        .fallback(get(file))
        .layer(middleware::from_fn_with_state(
            Arc::new(access),
            access::check,
        ))
        .with_state(Shared { feed, stop })
}

async fn file(uri: Uri) -> Response {
    match page::file(uri.path()) {
        Some((kind, content)) => ([(header::CONTENT_TYPE, kind)], content).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such page").into_response(),
    }
}

async fn scrape(State(shared): State<Shared>) -> Response {
    match metrics::text(&shared.feed) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn report(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    let path = shared.feed.source().report(&name);
    let text = match path {
        Some(path) => tokio::fs::read(path).await.ok(),
        None => None,
    };
    match text {
        Some(text) => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, REPORT_POLICY),
            ];
            (headers, text).into_response()
        }
        None => (StatusCode::NOT_FOUND, "this result has no report").into_response(),
    }
}

/// What is new of a node.
#[derive(Serialize)]
struct NodeUpdate {
    points: Vec<Point>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<EventLine>,
    clock_error_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    silent: Option<String>,
}

#[derive(Serialize)]
#[expect(clippy::option_option, reason = "left out, null, or there")]
struct Update<'a> {
    /// By our clock, milliseconds since 1970: what is older than some seconds is grey.
    now_unix_ms: i64,
    status: Status,
    nodes: BTreeMap<String, NodeUpdate>,
    /// Left out where it is as it was; null where there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    application: Option<Option<&'a Application>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'a [MeasuredNumber]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Option<&'a ClusterView>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    functions: BTreeMap<&'a str, Vec<&'a FunctionPoint>>,
}

/// How far one page has been told.
#[derive(Debug, Default)]
struct Reader {
    /// Newest point and event of each node, milliseconds.
    told: BTreeMap<String, (i64, i64)>,
    panels: Panels,
    /// Newest point of functions, milliseconds; `None` = none was told.
    functions_ms: Option<i64>,
}

impl Reader {
    /// As JSON, which has no line ends.
    fn update(&mut self, feed: &Feed) -> Result<String, serde_json::Error> {
        let status = feed.status();
        let mut nodes = BTreeMap::new();
        for (name, history) in &*feed.nodes() {
            let told = self
                .told
                .entry(name.clone())
                .or_insert((i64::MIN, i64::MIN));
            let points: Vec<Point> = newer(history.points.iter(), |p| p.0 > told.0);
            let events: Vec<EventLine> = newer(history.events.iter(), |e| e.time_unix_ms > told.1);
            told.0 = points.last().map_or(told.0, |p| p.0);
            told.1 = events.last().map_or(told.1, |e| e.time_unix_ms);
            let update = NodeUpdate {
                points,
                events,
                clock_error_ms: history.clock.map(|clock| clock.error_ns as f64 / 1e6),
                silent: history.silent.clone(),
            };
            nodes.insert(name.clone(), update);
        }
        let panels = feed.panels();
        let told = &self.panels;
        let is_new = !is_same(panels.application.as_ref(), told.application.as_ref());
        let application = is_new.then_some(panels.application.as_deref());
        let is_new = !Arc::ptr_eq(&panels.measured, &told.measured);
        let measured = is_new.then_some(&panels.measured[..]);
        let is_new = !is_same(panels.cluster.as_ref(), told.cluster.as_ref());
        let cluster = is_new.then_some(panels.cluster.as_deref());
        let history = feed.functions();
        let functions = history.since(self.functions_ms.unwrap_or(i64::MIN));
        let text = serde_json::to_string(&Update {
            now_unix_ms: ControllerClock::start().now().unix_ns() / 1_000_000,
            status,
            nodes,
            application,
            measured,
            cluster,
            functions,
        });
        self.functions_ms = Some(history.newest_ms());
        drop(history);
        self.panels = panels;
        text
    }
}

/// Not only equal: what is equal to what was told is never put in its place.
fn is_same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    one.map(Arc::as_ptr) == other.map(Arc::as_ptr)
}

fn newer<'a, T: Clone + 'a>(
    all: impl DoubleEndedIterator<Item = &'a T>,
    is_newer: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut found: Vec<T> = all.rev().take_while(|one| is_newer(one)).cloned().collect();
    found.reverse();
    found
}

/// First the topology, then everything that is kept, then once a second what is new.
async fn events(
    State(shared): State<Shared>,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let Shared { feed, stop } = shared;
    let topology = Event::default()
        .event("topology")
        .json_data(feed.topology());
    let (ticks, reader) = (feed.ticks(), Reader::default());
    let updates = stream::unfold(
        (feed, ticks, reader, true),
        |(feed, mut ticks, mut reader, is_first)| async move {
            if !is_first {
                ticks.changed().await.ok()?;
            }
            let update = reader.update(&feed).map_err(axum::Error::new);
            let event = update.map(|text| Event::default().event("update").data(text));
            Some((event, (feed, ticks, reader, false)))
        },
    );
    let all = stream::iter([topology])
        .chain(updates)
        .take_until(stop.cancelled_owned());
    Sse::new(all).keep_alive(KeepAlive::default())
}

#[cfg(test)]
#[path = "many_nodes_tests.rs"]
mod many_nodes;
#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
