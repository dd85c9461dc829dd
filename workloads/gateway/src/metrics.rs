//! Prometheus metrics under the names of `OpenFaaS`.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::time::Duration;

/// Methods that have series of their own; a caller can think of any number of others.
const METHODS: [&str; 9] = [
    "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

fn known(method: &str) -> &'static str {
    let found = METHODS.iter().find(|known| **known == method);
    found.copied().unwrap_or("other")
}

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    invocations: IntCounterVec,
    started: IntCounterVec,
    in_flight: IntGaugeVec,
    seconds: HistogramVec,
    replicas: IntGaugeVec,
    cold: IntCounterVec,
    api_requests: IntCounterVec,
    api_seconds: HistogramVec,
}

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let metrics = Self {
            invocations: IntCounterVec::new(
                Opts::new("gateway_function_invocation_total", "Function metrics"),
                &["function_name", "code"],
            )?,
            started: IntCounterVec::new(
                Opts::new(
                    "gateway_function_invocation_started",
                    "The total number of function HTTP requests started.",
                ),
                &["function_name"],
            )?,
            in_flight: IntGaugeVec::new(
                Opts::new(
                    "gateway_function_invocation_inflight",
                    "The number of function HTTP requests in flight.",
                ),
                &["function_name"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("gateway_functions_seconds", "Function time taken"),
                &["function_name", "code"],
            )?,
            replicas: IntGaugeVec::new(
                Opts::new(
                    "gateway_service_count",
                    "Current count of replicas for function",
                ),
                &["function_name"],
            )?,
            cold: IntCounterVec::new(
                Opts::new(
                    "gateway_function_cold_starts_total",
                    "Requests that waited for a replica to start.",
                ),
                &["function_name"],
            )?,
            api_requests: IntCounterVec::new(
                Opts::new(
                    "provider_http_requests_total",
                    "Total number of HTTP requests.",
                ),
                &["code", "method", "path"],
            )?,
            api_seconds: HistogramVec::new(
                HistogramOpts::new(
                    "provider_http_request_duration_seconds",
                    "Seconds spent serving HTTP requests.",
                ),
                &["code", "method", "path"],
            )?,
            registry,
        };
        let all: [Box<dyn prometheus::core::Collector>; 8] = [
            Box::new(metrics.invocations.clone()),
            Box::new(metrics.started.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.seconds.clone()),
            Box::new(metrics.replicas.clone()),
            Box::new(metrics.cold.clone()),
            Box::new(metrics.api_requests.clone()),
            Box::new(metrics.api_seconds.clone()),
        ];
        for one in all {
            metrics.registry.register(one)?;
        }
        Ok(metrics)
    }

    pub(crate) fn start(&self, function: &str) {
        self.started.with_label_values(&[function]).inc();
        self.in_flight.with_label_values(&[function]).inc();
    }

    pub(crate) fn end(&self, function: &str, code: u16, took: Duration) {
        let code = code.to_string();
        self.in_flight.with_label_values(&[function]).dec();
        self.invocations.with_label_values(&[function, &code]).inc();
        self.seconds
            .with_label_values(&[function, &code])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn cold(&self, function: &str) {
        self.cold.with_label_values(&[function]).inc();
    }

    /// A request of the API, not of a function.
    pub(crate) fn api_request(&self, code: u16, method: &str, path: &str, took: Duration) {
        let code = code.to_string();
        let labels = [&*code, known(method), path];
        self.api_requests.with_label_values(&labels).inc();
        self.api_seconds
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
    }

    pub(crate) fn replicas(&self, function: &str, count: u64) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.replicas.with_label_values(&[function]).set(count);
    }

    /// A function that is gone has no replicas; its counts stay, as counts do.
    pub(crate) fn forget(&self, function: &str) {
        self.replicas.remove_label_values(&[function]).ok();
    }

    /// As Prometheus reads it.
    pub(crate) fn text(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .ok();
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_openfaas_has() {
        let metrics = Metrics::new().unwrap();
        metrics.start("f.ns");
        metrics.end("f.ns", 200, Duration::from_millis(3));
        metrics.replicas("f.ns", 2);
        let text = metrics.text();
        let line = r#"gateway_function_invocation_total{code="200",function_name="f.ns"} 1"#;
        assert!(text.contains(line), "{text}");
        assert!(text.contains(r#"gateway_service_count{function_name="f.ns"} 2"#));
        assert!(text.contains("gateway_functions_seconds_bucket"));
        metrics.api_request(200, "GET", "/system/functions", Duration::from_millis(1));
        let line =
            r#"provider_http_requests_total{code="200",method="GET",path="/system/functions"} 1"#;
        assert!(metrics.text().contains(line));
        for invented in ["BREW", "get", "X"] {
            metrics.api_request(405, invented, "/system/functions", Duration::ZERO);
        }
        let line =
            r#"provider_http_requests_total{code="405",method="other",path="/system/functions"} 3"#;
        assert!(metrics.text().contains(line), "{}", metrics.text());
        metrics.forget("f.ns");
        assert!(!metrics.text().contains("gateway_service_count{"));
    }
}
