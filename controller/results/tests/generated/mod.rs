//! Result directories that no run made: files of an image classification with numbers from a formula, and a note that says
//! so. For what needs many photos, known distributions or no machine.

use continuum_model::ClockOffset;
use continuum_workload_core::{
    header::WorkerStages,
    photo_sample::{SAMPLE_COLUMNS, Sample},
    stats::LatencyHistogram,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt::Write, path::Path};

const MS: f64 = 1e6;
const BEGUN_NS: i64 = 1_790_000_000_000_000_000;
/// Workers' clocks are ahead by it.
const AHEAD_NS: i64 = 3_000_000;

/// What a directory is to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) endpoints: usize,
    /// Of each endpoint.
    pub(crate) photos: u64,
    pub(crate) frequency_hz: f64,
    /// Of the link, one way, ms.
    pub(crate) latency_ms: f64,
    /// In the middle of the run the link gets so much slower for a quarter of it; 0 = no timeline.
    pub(crate) slower_ms: f64,
    pub(crate) seed: u64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            endpoints: 2,
            photos: 600,
            frequency_hz: 10.0,
            latency_ms: 7.5,
            slower_ms: 0.0,
            seed: 1,
        }
    }
}

/// Numbers between 0 and 1 that are the same for the same seed (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Around a mean, with a tail to the right.
    fn around(&mut self, mean_ms: f64) -> f64 {
        let tail = -self.next().max(1e-12).ln();
        mean_ms * (0.8 + 0.2 * tail)
    }
}

impl Shape {
    fn seconds(&self) -> f64 {
        self.photos as f64 / self.frequency_hz
    }

    fn is_slower(&self, at_s: f64) -> bool {
        let share = at_s / self.seconds();
        self.slower_ms > 0.0 && (0.5..0.75).contains(&share)
    }

    fn sample(&self, endpoint: usize, id: u64, random: &mut Random) -> Sample {
        let due_s = id as f64 / self.frequency_hz;
        let due_ns = BEGUN_NS + (due_s * 1e9) as i64;
        let link = self.latency_ms
            + if self.is_slower(due_s) {
                self.slower_ms
            } else {
                0.0
            };
        let mut at = due_ns as f64;
        let mut after = |ms: f64| {
            at += ms * MS;
            at as i64
        };
        let begun_ns = after(0.1);
        let sent_ns = after(random.around(1.4));
        let stages = WorkerStages {
            received_unix_ns: after(random.around(link + 58.0)) + AHEAD_NS,
            dequeued_unix_ns: after(random.around(0.4)) + AHEAD_NS,
            decoded_unix_ns: after(random.around(3.5)) + AHEAD_NS,
            classified_unix_ns: after(random.around(22.0)) + AHEAD_NS,
            replied_unix_ns: after(0.2) + AHEAD_NS,
        };
        Sample {
            endpoint: format!("endpoint{endpoint}"),
            id,
            photo: "cat.jpg".into(),
            bytes: 59_610,
            due_ns,
            begun_ns,
            sent_ns,
            stages,
            answered_ns: after(random.around(link + 4.0)),
            class: 281,
            probability: 0.9,
            copies: 1,
            sends: 1,
            lost: None,
        }
    }

    /// Writes `result.json`, `samples.csv`, `metrics.csv` and `events.csv` as `bench` does.
    pub(crate) fn write(&self, dir: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(dir)?;
        let mut random = Random(self.seed);
        let mut text = format!("{SAMPLE_COLUMNS}\n");
        let mut stages: BTreeMap<&str, LatencyHistogram> = BTreeMap::new();
        for endpoint in 0..self.endpoints {
            for id in 0..self.photos {
                let sample = self.sample(endpoint, id, &mut random);
                text.push_str(&sample.to_csv());
                let way = continuum_model::Way::Worker {
                    worker: ClockOffset {
                        offset_ns: AHEAD_NS,
                        error_ns: 0,
                    },
                    endpoint: ClockOffset::default(),
                };
                for (name, ns) in continuum_model::stages_ns(&sample, way) {
                    stages.entry(name).or_default().record_ns(ns);
                }
            }
        }
        std::fs::write(dir.join("samples.csv"), text)?;
        let stages = stages
            .into_iter()
            .map(|(name, all)| (name.to_owned(), json!(all.percentiles())));
        let result = self.result(Value::Object(stages.collect()));
        let result = serde_json::to_string_pretty(&result)?;
        std::fs::write(dir.join("result.json"), result)?;
        std::fs::write(dir.join("metrics.csv"), self.metrics(&mut random))?;
        let events = format!(
            "node,time_unix_ns,source,text\nedge0,{},broker,\"started, with 0 connections\"\n",
            BEGUN_NS + 1_000_000
        );
        std::fs::write(dir.join("events.csv"), events)
    }

    fn nodes(&self) -> Vec<String> {
        let endpoints = (0..self.endpoints).map(|n| format!("endpoint{n}"));
        std::iter::once("edge0".to_owned())
            .chain(endpoints)
            .collect()
    }

    fn metrics(&self, random: &mut Random) -> String {
        let mut text = String::from(
            "node,time_unix_ns,cpu_percent,memory_used_bytes,memory_total_bytes,network_received_bytes,\
             network_sent_bytes,disk_read_bytes,disk_written_bytes,agent_rss_bytes,broker_rss_bytes,workload_rss_bytes\n",
        );
        for node in self.nodes() {
            let is_edge = node == "edge0";
            let (cpu, mbit) = if is_edge { (55.0, 0.4) } else { (18.0, 4.8) };
            let mut sent = 0.0;
            for second in 0..=self.seconds() as i64 {
                sent += random.around(mbit) * 1e6 / 8.0;
                let at = BEGUN_NS + second * 1_000_000_000 + if is_edge { AHEAD_NS } else { 0 };
                let used = 300_000_000.0 + random.next() * 2e7;
                let cpu = random.around(cpu).min(100.0);
                writeln!(
                    text,
                    "{node},{at},{cpu:.2},{used:.0},1073741824,{sent:.0},{sent:.0},0,0,9000000,0,0"
                )
                .ok();
            }
        }
        text
    }

    fn result(&self, stages: Value) -> Value {
        let photos = self.photos * self.endpoints as u64;
        let nodes: Vec<Value> = self.nodes().iter().enumerate().map(|(slot, name)| json!({
            "name": name, "tier": if slot == 0 { "edge" } else { "endpoint" },
            "role": if slot == 0 { "worker" } else { "endpoint" }, "slot": slot,
            "address": format!("192.168.100.{}", slot + 2), "mac": format!("52:54:00:00:00:{slot:02x}"),
            "cores": if slot == 0 { 2 } else { 1 }, "memory_mib": 1024, "quota": if slot == 0 { 1.0 } else { 0.5 },
            "disk_read_mb_s": 0, "disk_write_mb_s": 0, "pinned": [], "pod_prefix": null,
        })).collect();
        let links: Vec<Value> = self.nodes().iter().enumerate().map(|(slot, name)| json!({
            "from": name,
            "to": [{
                "name": if slot == 0 { "endpoint" } else { "edge" }, "latency_ms": self.latency_ms, "jitter_ms": 2.5,
                "loss_percent": 0.0, "rate_mbit": 7.21, "peers": [],
            }],
        })).collect();
        let clock = |ns: i64| json!({ "offset_ns": ns, "error_ns": 90_000 });
        let clocks: serde_json::Map<String, Value> = self
            .nodes()
            .into_iter()
            .map(|name| {
                let ahead = clock(if name == "edge0" { AHEAD_NS } else { 0 });
                (name, json!({ "before": ahead, "after": ahead }))
            })
            .collect();
        let runs: Vec<Value> = self.nodes().iter().enumerate().map(|(slot, node)| json!({
            "id": node, "node": node, "phase": if slot == 0 { "worker" } else { "endpoint" },
            "role": if slot == 0 { "subscriber" } else { "publisher" },
            "worker": if slot == 0 { Value::Null } else { json!("edge0") },
            "cpu_cores": 1.0, "memory_mib": 512, "limits": { "limits_enforced": true, "cpu_max": "100000 100000", "memory_max": "536870912" },
            "detail": "", "summary": null, "lost": false, "problems": [], "pod": null,
            "exit": { "code": 0, "signal": null, "reason": "", "oom_kills": 0, "cpu_us": 900_000, "memory_peak_bytes": 90_000_000 },
        })).collect();
        let metrics: Vec<Value> = self.nodes().iter().map(|node| json!({
            "node": node, "samples": self.seconds() as u64 + 1, "dropped": 0, "broken": null,
        })).collect();
        let mut timeline = Vec::new();
        if self.slower_ms > 0.0 {
            let link = self.latency_ms + self.slower_ms;
            for (share, text) in [
                (0.5, format!("edge endpoint latency_ms={link}")),
                (0.75, "restore edge endpoint".into()),
            ] {
                let after_s = self.seconds() * share;
                timeline.push(json!({
                    "time_unix_ns": BEGUN_NS + (after_s * 1e9) as i64, "after_s": after_s, "source": "timeline", "text": text,
                }));
            }
        }
        json!({
            "schema": 2, "name": "generated", "begun_unix_ns": BEGUN_NS, "load_unix_ns": BEGUN_NS, "interrupted": false,
            "controller_version": "0.1.0", "validity": "unverified", "invalid_reasons": [],
            "notes": ["this result was generated by a test: nothing in it was measured"],
            "config": {
                "name": "generated",
                "software": { "resource_manager": "mist", "execution_model": null },
                "network": { "edge_endpoint": { "latency_ms": self.latency_ms } },
                "benchmark": { "application": "image_classification", "frequency": self.frequency_hz },
            },
            "plan": { "prefix": "192.168.100.0/24", "nodes": nodes, "brokers": ["edge0"], "installations": [], "links": links },
            "host": { "cpus": 2, "cpu_model": "generated", "memory": "8000000 kB", "kernel": "6.1.0" },
            "facts": { "accelerator": "none (generated by a test)" },
            "clocks": clocks, "timeline": timeline, "stage_times": [{ "stage": "run", "seconds": self.seconds() }],
            "counts": { "asked": photos, "sent": photos, "answered": photos, "lost": 0, "slips": 0, "duplicates": 0 },
            "stages_ms": stages,
            "tables": [{
                "banner": "EDGE OUTPUT", "columns": ["worker_id", "total_time (s)", "delay_avg (ms)"], "rows": [[0, self.seconds(), 73.71]],
            }],
            "metrics": metrics, "function_pods": [], "runs": runs,
        })
    }
}
