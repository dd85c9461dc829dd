//! Prometheus metrics under the names of `OpenFaaS`.

use prometheus::{
    CounterVec, Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts,
    Registry, TextEncoder, core::Collector,
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

/// What is told of a function's replicas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Replicas {
    pub(crate) wanted: u64,
    /// Those that take calls.
    pub(crate) ready: u64,
    pub(crate) min: u64,
    /// Load that one of them is for.
    pub(crate) target: f64,
}

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    registry: Registry,
    invocations: IntCounterVec,
    started: IntCounterVec,
    in_flight: IntGaugeVec,
    seconds: HistogramVec,
    cold: IntCounterVec,
    replicas: IntGaugeVec,
    ready: IntGaugeVec,
    min: IntGaugeVec,
    target: GaugeVec,
    cpu_seconds: CounterVec,
    memory_bytes: IntGaugeVec,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    provider_requests: IntCounterVec,
    provider_seconds: HistogramVec,
}

/// Adds a collector to those that are told.
fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> prometheus::Result<C> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

impl Metrics {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let registry = Registry::new();
        let counts = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let seconds = |name: &str, help: &str, labels: &[&str]| {
            let options = HistogramOpts::new(name, help);
            register(&registry, HistogramVec::new(options, labels))
        };
        let function = ["function_name"];
        let function_and_code = ["function_name", "code"];
        let function_and_namespace = ["function_name", "namespace"];
        let request = ["method", "path", "status"];
        let provider_request = ["code", "method", "path"];
        let target = Opts::new(
            "gateway_service_target",
            "Load that one replica is for: requests per second, or in flight where the function's type is capacity.",
        );
        let cpu_seconds = Opts::new(
            "pod_cpu_usage_seconds_total",
            "CPU time of all replicas of the function, as kubelets count it.",
        );
        Ok(Self {
            invocations: counts(
                "gateway_function_invocation_total",
                "Calls of the function that have ended.",
                &function_and_code,
            )?,
            started: counts(
                "gateway_function_invocation_started",
                "Calls of the function that have begun.",
                &function,
            )?,
            in_flight: gauges(
                "gateway_function_invocation_inflight",
                "Calls of the function in flight.",
                &function,
            )?,
            seconds: seconds(
                "gateway_functions_seconds",
                "Time that calls of the function took, the wait for a replica included.",
                &function_and_code,
            )?,
            cold: counts(
                "gateway_function_cold_starts_total",
                "Calls of the function that waited for a replica to start.",
                &function,
            )?,
            replicas: gauges(
                "gateway_service_count",
                "Replicas of the function that are wanted.",
                &function,
            )?,
            ready: gauges(
                "gateway_service_ready_count",
                "Replicas of the function that take calls.",
                &function,
            )?,
            min: gauges(
                "gateway_service_min",
                "Fewest replicas that the function has under load.",
                &function,
            )?,
            target: register(&registry, GaugeVec::new(target, &function))?,
            cpu_seconds: register(
                &registry,
                CounterVec::new(cpu_seconds, &function_and_namespace),
            )?,
            memory_bytes: gauges(
                "pod_memory_working_set_bytes",
                "Working sets of all replicas of the function together, as kubelets count them.",
                &function_and_namespace,
            )?,
            requests: counts(
                "http_requests_total",
                "Requests of the API, and calls for the queue.",
                &request,
            )?,
            request_seconds: seconds(
                "http_request_duration_seconds",
                "Time that requests of the API took, and calls until they were in the queue.",
                &request,
            )?,
            provider_requests: counts(
                "provider_http_requests_total",
                "Requests of the API.",
                &provider_request,
            )?,
            provider_seconds: seconds(
                "provider_http_request_duration_seconds",
                "Time that requests of the API took.",
                &provider_request,
            )?,
            registry,
        })
    }

    pub(crate) fn start(&self, function: &str) {
        self.started.with_label_values(&[function]).inc();
        self.in_flight.with_label_values(&[function]).inc();
        // None is zero of them, and not nothing.
        self.cold.with_label_values(&[function]).inc_by(0);
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

    /// A request of the API or a call for the queue. `path` is that of a route, of which there are few.
    pub(crate) fn request(&self, code: u16, method: &str, path: &str, took: Duration) {
        let code = code.to_string();
        let labels = [known(method), path, &*code];
        self.requests.with_label_values(&labels).inc();
        let seconds = self.request_seconds.with_label_values(&labels);
        seconds.observe(took.as_secs_f64());
    }

    /// A request of the API as OpenFaaS's provider counts it, which is behind its gateway and has another name for the code.
    pub(crate) fn provider_request(&self, code: u16, method: &str, path: &str, took: Duration) {
        let code = code.to_string();
        let labels = [&*code, known(method), path];
        self.provider_requests.with_label_values(&labels).inc();
        let seconds = self.provider_seconds.with_label_values(&labels);
        seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn replicas(&self, function: &str, replicas: &Replicas) {
        let counts = [
            (&self.replicas, replicas.wanted),
            (&self.ready, replicas.ready),
            (&self.min, replicas.min),
        ];
        for (gauge, count) in counts {
            gauge.with_label_values(&[function]).set(as_gauge(count));
        }
        self.target
            .with_label_values(&[function])
            .set(replicas.target);
    }

    /// `used` more than at the last look.
    pub(crate) fn cpu(&self, function: &str, namespace: &str, used: Duration) {
        let counter = self.cpu_seconds.with_label_values(&[function, namespace]);
        counter.inc_by(used.as_secs_f64());
    }

    /// None = nobody knows; an old figure would look like a new one.
    pub(crate) fn memory(&self, function: &str, namespace: &str, bytes: Option<u64>) {
        let labels = [function, namespace];
        match bytes {
            Some(bytes) => {
                let gauge = self.memory_bytes.with_label_values(&labels);
                gauge.set(as_gauge(bytes));
            }
            None => {
                self.memory_bytes.remove_label_values(&labels).ok();
            }
        }
    }

    /// A function that is gone has no replicas; its counts stay, as counts do.
    pub(crate) fn forget(&self, function: &str, namespace: &str) {
        for gauge in [&self.replicas, &self.ready, &self.min] {
            gauge.remove_label_values(&[function]).ok();
        }
        self.target.remove_label_values(&[function]).ok();
        self.memory(function, namespace, None);
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

fn as_gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(metrics: &Metrics, line: &str) {
        let text = metrics.text();
        assert!(text.contains(line), "`{line}` is not in:\n{text}");
    }

    #[test]
    fn names_are_those_that_openfaas_has() {
        let metrics = Metrics::new().unwrap();
        metrics.start("f.ns");
        metrics.end("f.ns", 200, Duration::from_millis(3));
        has(
            &metrics,
            r#"gateway_function_invocation_total{code="200",function_name="f.ns"} 1"#,
        );
        has(&metrics, "gateway_functions_seconds_bucket");
        has(
            &metrics,
            r#"gateway_function_cold_starts_total{function_name="f.ns"} 0"#,
        );
        metrics.provider_request(200, "GET", "/system/functions", Duration::from_millis(1));
        has(
            &metrics,
            r#"provider_http_requests_total{code="200",method="GET",path="/system/functions"} 1"#,
        );
        metrics.request(202, "POST", "/async-function", Duration::from_millis(1));
        for name in ["http_requests_total", "http_request_duration_seconds_count"] {
            let line = format!(r#"{name}{{method="POST",path="/async-function",status="202"}} 1"#);
            has(&metrics, &line);
        }
    }

    #[test]
    fn replicas_are_told_as_long_as_their_function_is_there() {
        let metrics = Metrics::new().unwrap();
        let replicas = Replicas {
            wanted: 3,
            ready: 2,
            min: 1,
            target: 7.5,
        };
        metrics.replicas("f.ns", &replicas);
        metrics.memory("f.ns", "ns", Some(1 << 20));
        metrics.cpu("f.ns", "ns", Duration::from_millis(1500));
        metrics.cpu("f.ns", "ns", Duration::from_millis(500));
        for line in [
            r#"gateway_service_count{function_name="f.ns"} 3"#,
            r#"gateway_service_ready_count{function_name="f.ns"} 2"#,
            r#"gateway_service_min{function_name="f.ns"} 1"#,
            r#"gateway_service_target{function_name="f.ns"} 7.5"#,
            r#"pod_memory_working_set_bytes{function_name="f.ns",namespace="ns"} 1048576"#,
            r#"pod_cpu_usage_seconds_total{function_name="f.ns",namespace="ns"} 2"#,
        ] {
            has(&metrics, line);
        }
        metrics.forget("f.ns", "ns");
        let text = metrics.text();
        for gone in ["gateway_service_", "pod_memory_working_set_bytes"] {
            assert!(!text.contains(gone), "{text}");
        }
    }

    #[test]
    fn methods_that_callers_invent_have_one_series_together() {
        let metrics = Metrics::new().unwrap();
        for invented in ["BREW", "get", "X"] {
            metrics.request(405, invented, "/system/functions", Duration::ZERO);
            metrics.provider_request(405, invented, "/system/functions", Duration::ZERO);
        }
        for line in [
            r#"http_requests_total{method="other",path="/system/functions",status="405"} 3"#,
            r#"provider_http_requests_total{code="405",method="other",path="/system/functions"} 3"#,
        ] {
            has(&metrics, line);
        }
    }
}
