//! Latencies and stages, of photos or of calls.

use super::{Columns, ResultFile, rows};
use continuum_host::error::Error;
use continuum_model::{
    END_TO_END, EndpointTime, PhotoTimes, Way, clock_offset, is_classified, is_warm_up, stages_ns,
};
use continuum_workload_core::{call::Call, photo_sample::Sample};
use std::{collections::BTreeMap, path::Path};

/// Of one photo, or of one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Latency {
    /// When it was due, since the load began.
    pub(crate) due_s: f64,
    /// From then to the answer.
    pub(crate) ms: f64,
}

/// By endpoint, then by stage: ms, in the order in which photos were due.
pub(crate) type Stages = BTreeMap<String, BTreeMap<&'static str, Vec<f64>>>;

#[derive(Debug, Default)]
pub(super) struct Photos {
    pub(super) latencies: Vec<Latency>,
    pub(super) stages: Stages,
}

impl Photos {
    fn add(&mut self, endpoint: &str, stage: &'static str, ms: f64) {
        if let Some(values) = self
            .stages
            .get_mut(endpoint)
            .and_then(|of| of.get_mut(stage))
        {
            values.push(ms);
            return;
        }
        let of_endpoint = self.stages.entry(endpoint.to_owned()).or_default();
        of_endpoint.entry(stage).or_default().push(ms);
    }
}

fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// How photos of each endpoint were classified.
fn way(result: &ResultFile, endpoint: &str) -> Way {
    let mut runs = result.runs.iter().filter(|run| run.node == endpoint);
    let worker = runs.find_map(|run| run.worker.as_deref());
    let calls_functions = result.config_text("/software/execution_model").is_some();
    match worker {
        Some(worker) => Way::Worker {
            worker: clock_offset(&result.clocks, worker),
            endpoint: clock_offset(&result.clocks, endpoint),
        },
        None if calls_functions => Way::Function,
        None => Way::Alone,
    }
}

/// Of `samples.csv`, or of `calls.csv` where no photos were sent.
pub(super) fn read(dir: &Path, result: &ResultFile) -> Result<Photos, Error> {
    let mut photos = Photos::default();
    let mut samples: Vec<Sample> = rows(&dir.join("samples.csv"), Columns::ByPlace)?;
    samples.sort_by_key(|sample| sample.due_ns);
    let mut ways: BTreeMap<&str, Way> = BTreeMap::new();
    let warm_up_s = result.config.pointer("/benchmark/warm_up_s");
    let warm_up_s = warm_up_s.and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let mut begun: BTreeMap<&str, EndpointTime> = BTreeMap::new();
    for sample in &samples {
        let endpoint = sample.endpoint.as_str();
        // They are in order, so an endpoint's first is its earliest.
        let at = PhotoTimes::from(sample);
        let begun = *begun.entry(endpoint).or_insert(at.due);
        if !is_classified(sample) || is_warm_up(sample, begun, warm_up_s) {
            continue;
        }
        let way = *ways
            .entry(endpoint)
            .or_insert_with(|| way(result, endpoint));
        photos.latencies.push(Latency {
            due_s: result.seconds(endpoint, at.due),
            ms: ms(at.answered.ns_since(at.due)),
        });
        for (name, ns) in stages_ns(sample, way) {
            photos.add(endpoint, name, ms(ns));
        }
    }
    if samples.is_empty() {
        let calls: Vec<Call> = rows(&dir.join("calls.csv"), Columns::ByName)?;
        for call in calls.iter().filter(|call| call.is_good()) {
            let ms = ms(call.answered_ns - call.due_ns);
            let due_s = result.seconds(&call.endpoint, EndpointTime::from_unix_ns(call.due_ns));
            photos.latencies.push(Latency { due_s, ms });
            photos.add(&call.endpoint, END_TO_END, ms);
        }
    }
    photos.latencies.sort_by(|a, b| a.due_s.total_cmp(&b.due_s));
    Ok(photos)
}
