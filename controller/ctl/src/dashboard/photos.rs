//! Samples of a run, read from its endpoints while they write them.

use super::application::{EndpointSamples, application};
use crate::session::Session;
use continuum_dashboard::{Application, ClockOffsets};
use continuum_host::error::{Error, chain};
use continuum_model::{ControllerClock, ControllerTime, LiveEndpoint, LiveRun, Mode, Way};
use continuum_workload_core::photo_sample::Sample;
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::Mutex, time::Instant};

/// An agent sends a file as a whole, which grows: the longer it is, the less often it is read, so that a run is not
/// disturbed by who looks at it.
const BYTES_PER_S: f64 = 250_000.0;
/// Of all endpoints together; what is longer is left to the result.
const MOST_BYTES: usize = 64_000_000;

/// What one endpoint had written.
#[derive(Debug, Default)]
struct Read {
    samples: Vec<Sample>,
    at: ControllerTime,
    bytes: usize,
}

/// What is known of the run that was read last.
#[derive(Debug, Default)]
struct Known {
    begun: ControllerTime,
    /// By the run's id at its agent.
    files: BTreeMap<String, Read>,
    /// When it may be read again; `None` = never.
    again: Option<Instant>,
    seen: Option<Application>,
}

#[derive(Debug, Default)]
pub(super) struct Photos(Mutex<Known>);

impl Photos {
    /// As it was read last, or now, if that is due.
    pub(super) async fn application(
        &self,
        session: &Session,
        run: &LiveRun,
        clocks: &ClockOffsets,
    ) -> Option<Application> {
        if run.endpoints.is_empty() {
            return None;
        }
        let has_ended = run.stage.is_none();
        let mut known = self.0.lock().await;
        if known.begun != run.begun_unix_ns {
            *known = Known {
                begun: run.begun_unix_ns,
                ..Known::default()
            };
        }
        let is_due = match known.again {
            // Once more after its end: only then files are whole.
            Some(again) => has_ended || Instant::now() >= again,
            None => known.seen.is_none(),
        };
        if !is_due {
            return known.seen.clone();
        }
        let reads = run.endpoints.iter().map(|endpoint| read(session, endpoint));
        let reads = futures_util::future::join_all(reads).await;
        let (mut bytes, mut trouble) = (0, Vec::new());
        for (endpoint, read) in run.endpoints.iter().zip(reads) {
            match read {
                Ok(read) => {
                    bytes += read.bytes;
                    known.files.insert(endpoint.run.clone(), read);
                }
                Err(error) => trouble.push(chain(&error)),
            }
        }
        let pause = Duration::from_secs_f64(bytes as f64 / BYTES_PER_S);
        let is_too_long = bytes > MOST_BYTES;
        if is_too_long {
            let megabytes = MOST_BYTES / 1_000_000;
            trouble.push(format!(
                "samples are longer than {megabytes} MB and not read any more; the result will have all of them"
            ));
        }
        known.again = (!has_ended && !is_too_long).then(|| Instant::now() + pause);
        let endpoints = run.endpoints.iter().filter_map(|endpoint| {
            let read = known.files.get(&endpoint.run)?;
            let clock = |node: &str| clocks.get(node).copied().unwrap_or_default();
            let own = clock(&endpoint.node);
            let way = match &endpoint.worker {
                Some(worker) => Way::Worker {
                    worker: clock(worker),
                    endpoint: own,
                },
                None if session.plan.mode == Mode::Endpoint => Way::Alone,
                None => Way::Function,
            };
            Some(EndpointSamples {
                samples: &read.samples,
                at: read.at,
                clock: own,
                way,
            })
        });
        let endpoints: Vec<EndpointSamples<'_>> = endpoints.collect();
        let now = ControllerClock::start().now();
        let mut seen = application(&endpoints, now, has_ended);
        seen.trouble = trouble;
        known.seen = Some(seen.clone());
        Some(seen)
    }
}

async fn read(session: &Session, endpoint: &LiveEndpoint) -> Result<Read, Error> {
    let at = ControllerClock::start().now();
    let agent = session.agent(&endpoint.node)?;
    let file = agent.collect(&endpoint.run, "samples.csv").await?;
    let bytes = file.len();
    // The last record may be written only in part; it is whole next time.
    let parse = move || Sample::read(&String::from_utf8_lossy(&file)).0;
    let samples = tokio::task::spawn_blocking(parse).await;
    Ok(Read {
        samples: samples.unwrap_or_default(),
        at,
        bytes,
    })
}
