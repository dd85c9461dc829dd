//! HTTP: the page, its figures as server-sent events, reports of past results, and `/metrics`.

use crate::{
    access::{self, Access},
    feed::Feed,
    history::{EventLine, Point},
    metrics, page,
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
use continuum_model::ControllerClock;
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
    let ended = stop.clone();
    let router = router(access, feed, stop);
    let service = TowerToHyperService::new(router);
    accept(listener, service, LIMITS, ended.cancelled(), END_DEADLINE).await;
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
    events: Vec<EventLine>,
    clock_error_ms: Option<f64>,
    silent: Option<String>,
}

#[derive(Serialize)]
struct Update {
    /// By our clock, milliseconds since 1970: what is older than some seconds is grey.
    now_unix_ms: i64,
    status: Status,
    nodes: BTreeMap<String, NodeUpdate>,
}

/// How far one page has been told.
#[derive(Debug, Default)]
struct Reader {
    /// Newest point and event of each node, milliseconds.
    told: BTreeMap<String, (i64, i64)>,
}

impl Reader {
    fn update(&mut self, feed: &Feed) -> Update {
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
        Update {
            now_unix_ms: ControllerClock::start().now().unix_ns() / 1_000_000,
            status,
            nodes,
        }
    }
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
            let update = reader.update(&feed);
            let event = Event::default().event("update").json_data(&update);
            Some((event, (feed, ticks, reader, false)))
        },
    );
    let all = stream::iter([topology])
        .chain(updates)
        .take_until(stop.cancelled_owned());
    Sse::new(all).keep_alive(KeepAlive::default())
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
