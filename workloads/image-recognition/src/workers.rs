//! Classifier threads between a queue of photos and a callback for results.

use crate::{
    classifier::{Classifier, ClassifierFactory},
    photo,
    queue::{ByteQueue, HasBytes},
};
use continuum_workload_core::{
    application::RunError,
    clock::AnchoredClock,
    error::chain,
    event::{Event, EventSink},
    header::{Header, Score, WorkerStages},
};
use std::{sync::Arc, time::Duration};

/// A photo that waits.
#[derive(Debug)]
pub(crate) struct Job<T> {
    /// What the result is to be matched with.
    pub(crate) tag: T,
    pub(crate) jpeg: Vec<u8>,
    pub(crate) received_unix_ns: i64,
}

/// What a result is matched with.
pub(crate) trait Tagged {
    /// Which photo that is, for people.
    fn label(&self) -> String;
}

impl Tagged for u64 {
    fn label(&self) -> String {
        format!("photo {self}")
    }
}

impl Tagged for Header {
    fn label(&self) -> String {
        format!("photo {} of {}", self.id, self.endpoint)
    }
}

impl<T> HasBytes for Job<T> {
    fn bytes(&self) -> u64 {
        self.jpeg.len() as u64
    }
}

/// A photo dealt with; `scores` is empty when it could not be used.
#[derive(Debug)]
pub(crate) struct Classified<T> {
    pub(crate) tag: T,
    pub(crate) stages: WorkerStages,
    pub(crate) scores: Vec<Score>,
}

pub(crate) struct Workers {
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// How long loading the network may take (minutes under emulation).
const LOAD_DEADLINE: Duration = Duration::from_mins(5);

impl Workers {
    /// Starts `count` threads and returns when all have loaded their network.
    pub(crate) async fn start<T: Tagged + Send + 'static>(
        count: u32,
        factory: &dyn ClassifierFactory,
        queue: &Arc<ByteQueue<Job<T>>>,
        clock: AnchoredClock,
        events: &EventSink,
        on_result: impl Fn(Classified<T>) + Clone + Send + 'static,
    ) -> Result<Self, RunError> {
        let mut threads = Vec::new();
        let (ready_tx, mut ready) = tokio::sync::mpsc::unbounded_channel();
        for index in 0..count.max(1) {
            let queue = Arc::clone(queue);
            let events = events.clone();
            let on_result = on_result.clone();
            let ready_tx = ready_tx.clone();
            let make = factory.maker();
            let spawned = std::thread::Builder::new()
                .name(format!("classifier-{index}"))
                .spawn(move || match make() {
                    Ok(classifier) => {
                        ready_tx.send(Ok(())).ok();
                        work(classifier, &queue, clock, &events, &on_result);
                    }
                    Err(error) => {
                        ready_tx.send(Err(error)).ok();
                    }
                });
            threads.push(spawned.map_err(|e| RunError::other("start a classifier thread", e))?);
        }
        drop(ready_tx);
        for _ in 0..threads.len() {
            match tokio::time::timeout(LOAD_DEADLINE, ready.recv()).await {
                Ok(Some(result)) => result?,
                Ok(None) => return Err(RunError::other("load the network", "its thread ended")),
                Err(_) => {
                    return Err(RunError::Deadline {
                        what: "the network to be loaded".into(),
                        seconds: LOAD_DEADLINE.as_secs(),
                    });
                }
            }
        }
        Ok(Self { threads })
    }

    /// Waits for the threads to end; the queue must be closed.
    pub(crate) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a classifier thread panicked");
            }
        }
    }
}

fn work<T: Tagged>(
    mut classifier: Box<dyn Classifier>,
    queue: &ByteQueue<Job<T>>,
    clock: AnchoredClock,
    events: &EventSink,
    on_result: &impl Fn(Classified<T>),
) {
    while let Some(job) = queue.pop() {
        let mut stages = WorkerStages {
            received_unix_ns: job.received_unix_ns,
            dequeued_unix_ns: clock.now_unix_ns(),
            ..WorkerStages::default()
        };
        let bad_input = |why: String| {
            events.send(&Event::BadInput {
                what: job.tag.label(),
                why,
            });
            Vec::new()
        };
        let scores = match photo::decode(&job.jpeg) {
            Ok(pixels) => {
                stages.decoded_unix_ns = clock.now_unix_ns();
                classifier
                    .classify(&pixels)
                    .unwrap_or_else(|e| bad_input(chain(&e)))
            }
            Err(error) => {
                stages.decoded_unix_ns = clock.now_unix_ns();
                bad_input(chain(&error))
            }
        };
        stages.classified_unix_ns = clock.now_unix_ns();
        on_result(Classified {
            tag: job.tag,
            stages,
            scores,
        });
        queue.done();
    }
}
