//! The server as a browser, a scraper and an attacker find it.

use super::*;
use crate::{
    source::{ClockOffsets, Source},
    view::{NodeView, Status, Topology},
};
use continuum_agents::Agent;
use continuum_model::{MeasuredNumber, MetricsBatch, MetricsSample, Tier};
use std::{net::SocketAddr, path::PathBuf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A deployment that is up, whose agents are played by the test.
#[derive(Debug)]
pub(super) struct FakeSource {
    nodes: usize,
    report: PathBuf,
}

impl FakeSource {
    pub(super) fn of(nodes: usize) -> Self {
        let report = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/page/index.html"));
        Self { nodes, report }
    }
}

#[async_trait::async_trait]
impl Source for FakeSource {
    fn topology(&self) -> Topology {
        Topology {
            name: "lab".into(),
            provider: "fake".into(),
            application: None,
            nodes: (0..self.nodes).map(node).collect(),
            links: Vec::new(),
        }
    }

    fn agents(&self) -> Vec<Arc<dyn Agent>> {
        Vec::new()
    }

    async fn status(&self) -> Status {
        Status {
            phase: "up".into(),
            ..Status::default()
        }
    }

    async fn application(&self, _clocks: &ClockOffsets) -> Option<Application> {
        None
    }

    fn measured(&self) -> Vec<MeasuredNumber> {
        Vec::new()
    }

    async fn cluster(&self) -> Option<ClusterView> {
        None
    }

    fn report(&self, result: &str) -> Option<PathBuf> {
        (result == "one").then(|| self.report.clone())
    }
}

fn node(number: usize) -> NodeView {
    NodeView {
        name: format!("edge{number}"),
        tier: Tier::Edge,
        address: "10.0.0.2".into(),
        cores: 1,
        quota: 1.0,
        memory_mib: 512,
        has_broker: true,
    }
}

pub(super) struct Dashboard {
    pub(super) address: SocketAddr,
    pub(super) feed: Arc<Feed>,
    stop: CancellationToken,
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn start(access: impl FnOnce(SocketAddr) -> Access) -> Dashboard {
    start_with(FakeSource::of(1), access).await
}

pub(super) async fn start_with(
    source: FakeSource,
    access: impl FnOnce(SocketAddr) -> Access,
) -> Dashboard {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let feed = Feed::start(Arc::new(source), &stop);
    let served = serve(listener, access(address), Arc::clone(&feed), stop.clone());
    tokio::spawn(served);
    Dashboard {
        address,
        feed,
        stop,
    }
}

impl Dashboard {
    pub(super) async fn open(&self, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer, headers in small letters.
    async fn ask_with(&self, path: &str, headers: &str) -> String {
        let mut answer = String::new();
        let mut stream = self.open(path, headers).await;
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn ask(&self, path: &str) -> String {
        let host = format!("host: {}\r\n", self.address);
        self.ask_with(path, &host).await
    }
}

fn sample(seconds: i64, cpu_percent: f64) -> MetricsBatch {
    MetricsBatch {
        samples: vec![MetricsSample {
            time_unix_ns: continuum_model::NodeTime::from_unix_s(seconds),
            cpu_percent,
            network_sent_bytes: 7,
            ..MetricsSample::default()
        }],
        ..MetricsBatch::default()
    }
}

#[tokio::test]
async fn the_page_and_all_its_files_are_there_and_nothing_else() {
    let dashboard = start(Access::Loopback).await;
    let page = dashboard.ask("/").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page:.200}");
    assert!(
        page.contains("content-security-policy: default-src 'self'"),
        "{page:.600}"
    );
    for part in page.split("href=\"/").chain(page.split("src=\"/")).skip(1) {
        let path = part.split('"').next().unwrap_or_default();
        if !path.contains('<') {
            let file = dashboard.ask(&format!("/{path}")).await;
            assert!(file.starts_with("HTTP/1.1 200"), "/{path}: {file:.60}");
        }
    }
    let other = dashboard.ask("/../Cargo.toml").await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other:.60}");
}

#[tokio::test]
async fn a_request_under_another_name_is_refused() {
    let dashboard = start(Access::Loopback).await;
    for path in ["/", "/events", "/metrics"] {
        let answer = dashboard.ask_with(path, "host: rebound.example\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer:.60}");
    }
}

#[tokio::test]
async fn the_token_of_the_address_becomes_a_cookie() {
    let dashboard = start(|_| Access::Token("s3cret".into())).await;
    let refused = dashboard.ask("/").await;
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused:.60}");
    let welcome = dashboard.ask("/?token=s3cret").await;
    assert!(welcome.starts_with("HTTP/1.1 303"), "{welcome:.60}");
    let cookie = "set-cookie: continuum-dashboard=s3cret; HttpOnly; SameSite=Strict; Path=/";
    assert!(welcome.contains(cookie), "{welcome:.400}");
    let headers = "host: any\r\ncookie: continuum-dashboard=s3cret\r\n";
    let page = dashboard.ask_with("/", headers).await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page:.60}");
}

#[tokio::test]
async fn a_page_is_told_what_is_kept_and_then_what_is_new() {
    let dashboard = start(Access::Loopback).await;
    let take = |batch| {
        let mut nodes = dashboard.feed.nodes();
        nodes.get_mut("edge0").unwrap().take(batch);
    };
    take(sample(1, 10.0));
    let host = format!("host: {}\r\n", dashboard.address);
    let mut stream = dashboard.open("/events", &host).await;
    let mut seen = String::new();
    let mut read_until = async |word: &str| {
        let mut buffer = [0; 4096];
        while !seen.contains(word) {
            let length = stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "it ended without `{word}`: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    read_until("event: topology").await;
    read_until("[1000,10.0,").await;
    take(sample(2, 20.0));
    read_until("[2000,20.0,").await;
    assert_eq!(seen.matches("[1000,10.0,").count(), 1, "{seen}");
}

#[tokio::test]
async fn a_scrape_has_every_node_and_no_figures_of_a_silent_one() {
    let dashboard = start(Access::Loopback).await;
    let change = |change: &dyn Fn(&mut crate::history::NodeHistory)| {
        change(dashboard.feed.nodes().get_mut("edge0").unwrap());
    };
    change(&|node| node.take(sample(1, 25.0)));
    let text = dashboard.ask("/metrics").await;
    for line in [
        "# TYPE continuum_node_network_transmit_bytes_total counter",
        r#"continuum_node_network_transmit_bytes_total{node="edge0",tier="edge"} 7"#,
        r#"continuum_node_cpu_usage_ratio{node="edge0",tier="edge"} 0.25"#,
        r#"continuum_node_up{node="edge0",tier="edge"} 1"#,
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    change(&|node| node.silent = Some("it is gone".into()));
    let text = dashboard.ask("/metrics").await;
    let down = r#"continuum_node_up{node="edge0",tier="edge"} 0"#;
    assert!(text.contains(down), "{text}");
    assert!(!text.contains("cpu_usage_ratio{"), "{text}");
}

#[tokio::test]
async fn a_report_may_have_its_own_style_and_no_script() {
    let dashboard = start(Access::Loopback).await;
    let report = dashboard.ask("/results/one/report.html").await;
    assert!(report.starts_with("HTTP/1.1 200"), "{report:.60}");
    let policy = "content-security-policy: default-src 'none'; style-src 'unsafe-inline'";
    assert!(report.contains(policy), "{report:.600}");
    let none = dashboard.ask("/results/..%2f..%2fetc/report.html").await;
    assert!(none.starts_with("HTTP/1.1 404"), "{none:.60}");
}

/// Those beyond the limit wait; nobody who reads is thrown out for them.
#[tokio::test]
async fn more_connections_than_the_limit_wait_for_a_free_place() {
    let dashboard = start(Access::Loopback).await;
    let mut silent = Vec::new();
    for _ in 0..LIMITS.connections {
        silent.push(TcpStream::connect(dashboard.address).await.unwrap());
    }
    let asked = dashboard.ask("/");
    let early = tokio::time::timeout(Duration::from_millis(300), asked).await;
    assert!(early.is_err(), "it was answered beyond the limit");
    drop(silent);
    let page = dashboard.ask("/").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page:.60}");
}

#[tokio::test]
async fn a_page_is_told_of_functions_once() {
    let dashboard = start(Access::Loopback).await;
    let mut reader = Reader::default();
    let look = crate::functions::FunctionLook {
        name: "io".into(),
        available: 2,
        ..crate::functions::FunctionLook::default()
    };
    dashboard.feed.functions().take(1000, vec![look]);
    let told = reader.update(&dashboard.feed).unwrap();
    let point = r#""functions":{"io":[{"time_unix_ms":1000,"replicas":0,"available":2,"#;
    assert!(told.contains(point), "{told}");
    let told = reader.update(&dashboard.feed).unwrap();
    assert!(!told.contains("functions"), "{told}");
}
