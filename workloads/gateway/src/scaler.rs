//! Replicas that follow the load.

use crate::{
    config::Config,
    error::ApiError,
    functions::{Key, Load, Scaling, replicas},
    metrics::{Metrics, Replicas},
    registry::{Function, FunctionRegistry},
};
use http::StatusCode;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// One question to the API server.
const ASK_DEADLINE: Duration = Duration::from_secs(15);
const PERIOD: Duration = Duration::from_secs(1);
/// Requests per second are those of so many periods.
const RATE_PERIODS: usize = 5;

/// Sets the replicas of a function.
pub(crate) async fn scale(client: &Client, key: &Key, count: u64) -> Result<(), ApiError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &key.namespace);
    let patch = json!({ "spec": { "replicas": count } });
    let doing = format!("scale {key} to {count}");
    tracing::info!("{doing}");
    let how = PatchParams::default();
    let patch = Patch::Merge(&patch);
    let asked = deployments.patch_scale(&key.name, &how, &patch);
    let Ok(answer) = tokio::time::timeout(ASK_DEADLINE, asked).await else {
        let text = format!("{doing}: the cluster does not answer within {ASK_DEADLINE:?}");
        return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, text));
    };
    answer
        .map(|_| ())
        .map_err(|e| ApiError::of_cluster(&doing, e))
}

fn labels(deployment: &Deployment) -> Scaling {
    let template = deployment.spec.as_ref().map(|s| &s.template);
    let labels = template.and_then(|t| t.metadata.as_ref()?.labels.clone());
    // They were checked when the function was deployed; those of a Deployment made otherwise may be anything.
    Scaling::of(&labels.unwrap_or_default()).unwrap_or_else(|error| {
        tracing::warn!("{error}; it is not scaled");
        Scaling {
            min: 1,
            max: u64::MAX,
            load: Load::InFlight,
            target: 1.0,
            is_fixed: true,
            to_zero: false,
            zero_after: None,
        }
    })
}

/// Replicas of a function that had none and is called.
pub(crate) fn from_zero(deployment: &Deployment) -> u64 {
    labels(deployment).min
}

/// What is remembered of a function between looks.
#[derive(Debug, Default)]
struct Memory {
    /// Replicas that were wanted at the last look.
    had: Option<u64>,
    /// `started` of earlier looks.
    started: VecDeque<u64>,
    /// What the load asked for, and when: replicas go when the highest of a while is lower.
    wanted: VecDeque<(Instant, u64)>,
}

impl Memory {
    /// Requests that began in a second.
    fn rate(&mut self, started: u64) -> f64 {
        self.started.push_back(started);
        if self.started.len() > RATE_PERIODS + 1 {
            self.started.pop_front();
        }
        let oldest = self.started.front().copied().unwrap_or(started);
        let periods = self.started.len().saturating_sub(1).max(1);
        started.saturating_sub(oldest) as f64 / (periods as f64 * PERIOD.as_secs_f64())
    }

    /// The highest wish within a window.
    fn highest(&mut self, now: Instant, wish: u64, window: Duration) -> u64 {
        self.wanted.push_back((now, wish));
        while self
            .wanted
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > window)
        {
            self.wanted.pop_front();
        }
        self.wanted.iter().map(|(_, w)| *w).max().unwrap_or(wish)
    }
}

/// How many replicas a function should have, if other than it has.
fn decide(
    scaling: &Scaling,
    memory: &mut Memory,
    function: &Function,
    now_has: u64,
    config: &Config,
) -> Option<u64> {
    let in_flight = function.load.in_flight.load(Ordering::Relaxed);
    let rate = memory.rate(function.load.started.load(Ordering::Relaxed));
    if now_has == 0 {
        // Nobody wanted it, and the next call is what brings it back.
        return None;
    }
    let idle = Duration::from_millis(function.load.idle_ms());
    let zero_after = scaling.zero_after.unwrap_or(config.zero_after);
    if scaling.to_zero && in_flight == 0 && idle >= zero_after {
        return Some(0);
    }
    if scaling.is_fixed {
        return None;
    }
    let load = match scaling.load {
        Load::InFlight => in_flight as f64,
        Load::PerSecond => rate,
    };
    let wish = scaling.for_load(load);
    let highest = memory.highest(Instant::now(), wish, config.scale_down_window);
    match wish.cmp(&now_has) {
        std::cmp::Ordering::Greater => Some(wish),
        std::cmp::Ordering::Less => Some(highest).filter(|h| *h < now_has),
        std::cmp::Ordering::Equal => None,
    }
}

/// Looks once a period, until it is dropped.
pub(crate) async fn run(
    config: Config,
    registry: Arc<FunctionRegistry>,
    metrics: Metrics,
    client: Client,
) {
    let mut memories: BTreeMap<Key, Memory> = BTreeMap::new();
    let mut clock = tokio::time::interval(PERIOD);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let all = registry.all();
        memories.retain(|key, _| {
            let is_there = all.iter().any(|f| f.key == *key);
            if !is_there {
                metrics.forget(&key.to_string(), &key.namespace);
            }
            is_there
        });
        for function in all {
            let state = function.state();
            let Some(deployment) = &state.deployment else {
                continue;
            };
            let scaling = labels(deployment);
            let told = Replicas {
                wanted: replicas(deployment),
                ready: state.available(),
                min: scaling.min,
                target: scaling.target,
            };
            metrics.replicas(&function.key.to_string(), &told);
            let memory = memories.entry(function.key.clone()).or_default();
            let now_has = told.wanted;
            // One that is still starting, or that somebody has just scaled, has not been idle.
            if memory.had != Some(now_has) || told.ready < now_has {
                function.load.touch();
            }
            memory.had = Some(now_has);
            let wish = decide(&scaling, memory, &function, now_has, &config);
            if let Some(count) = wish
                && let Err(error) = scale(&client, &function.key, count).await
            {
                tracing::warn!("{error}; tried again in a second");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn function() -> (FunctionRegistry, Arc<Function>) {
        let registry = FunctionRegistry::default();
        let key = Key::parse("f", "fn");
        registry.change(&key, |state| state.deployment = Some(Arc::default()));
        let function = registry.find(&key).unwrap();
        (registry, function)
    }

    fn scaling(labels: &[(&str, &str)]) -> Scaling {
        let own = labels.iter();
        let own = own.map(|(k, v)| (format!("com.openfaas.scale.{k}"), (*v).to_owned()));
        Scaling::of(&own.collect()).unwrap()
    }

    #[test]
    fn replicas_follow_requests_in_flight_up_at_once_and_down_later() {
        let mut config = Config::parse_from(["gateway"]);
        config.scale_down_window = Duration::from_millis(20);
        let (_world, function) = function();
        let by = scaling(&[("type", "capacity"), ("target", "2"), ("max", "4")]);
        let mut memory = Memory::default();
        for _ in 0..5 {
            function.load.start();
        }
        assert_eq!(decide(&by, &mut memory, &function, 1, &config), Some(3));
        assert_eq!(decide(&by, &mut memory, &function, 3, &config), None);
        for _ in 0..5 {
            function.load.end();
        }
        assert_eq!(decide(&by, &mut memory, &function, 3, &config), None);
        config.scale_down_window = Duration::ZERO;
        assert_eq!(decide(&by, &mut memory, &function, 3, &config), Some(1));
        // One without a replica is not brought back by the scaler.
        assert_eq!(decide(&by, &mut memory, &function, 0, &config), None);
    }

    #[test]
    fn requests_per_second_are_those_of_the_last_periods() {
        let mut memory = Memory::default();
        let rates: Vec<f64> = [0, 10, 20, 20, 20, 20, 20, 20]
            .map(|n| memory.rate(n))
            .into();
        let rounded: Vec<i64> = rates.iter().map(|r| r.round() as i64).collect();
        assert_eq!((rounded[1], rounded[5], rounded[7]), (10, 4, 0));
    }

    #[test]
    fn replicas_follow_requests_per_second() {
        let mut config = Config::parse_from(["gateway"]);
        config.scale_down_window = Duration::ZERO;
        let (_world, function) = function();
        let by = scaling(&[("type", "rps"), ("target", "4"), ("max", "3")]);
        let mut memory = Memory::default();
        let mut after = |calls: usize, now_has: u64| {
            for _ in 0..calls {
                function.load.start();
                function.load.end();
            }
            decide(&by, &mut memory, &function, now_has, &config)
        };
        assert_eq!(after(0, 1), None);
        // Eight in a second; then as many again, which is no more a second than before.
        assert_eq!(after(8, 1), Some(2));
        assert_eq!(after(8, 2), None);
        // Never more than the most.
        assert_eq!(after(90, 2), Some(3));
        let quiet: Vec<_> = (0..RATE_PERIODS).map(|_| after(0, 3)).collect();
        assert_eq!(quiet.last(), Some(&Some(1)), "{quiet:?}");
    }

    #[test]
    fn an_idle_function_loses_its_last_replica_only_if_it_may() {
        let mut config = Config::parse_from(["gateway"]);
        config.zero_after = Duration::ZERO;
        let (_world, function) = function();
        let mut memory = Memory::default();
        let may = scaling(&[("zero", "true")]);
        assert_eq!(decide(&may, &mut memory, &function, 1, &config), Some(0));
        function.load.start();
        assert_eq!(decide(&may, &mut memory, &function, 1, &config), None);
        let fixed = scaling(&[]);
        assert_eq!(decide(&fixed, &mut memory, &function, 1, &config), None);
    }
}
