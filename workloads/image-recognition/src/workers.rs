//! Classifier threads between a queue of photos and a callback for results.

use crate::{
    MAX_MESSAGE_BYTES,
    classifier::{Classifier, ClassifierFactory},
    photo,
    queue::{ByteQueue, HasBytes},
};
use continuum_common::error::chain;
use continuum_workload_core::{
    application::{RunContext, RunError},
    clock::AnchoredClock,
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

/// Ends with its owner; what is in the queue then is classified for nobody.
pub(crate) struct Workers<T> {
    pub(crate) queue: Arc<ByteQueue<Job<T>>>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// How long loading the network may take (minutes under emulation).
const LOAD_DEADLINE: Duration = Duration::from_mins(5);

impl<T: Tagged + Send + 'static> Workers<T> {
    /// Starts so many threads with a queue of so many bytes and returns when all have loaded their network.
    pub(crate) async fn start(
        context: &RunContext<'_>,
        (count, queue_bytes): (u32, u64),
        factory: &dyn ClassifierFactory,
        clock: AnchoredClock,
        on_result: impl Fn(Classified<T>) + Clone + Send + 'static,
    ) -> Result<Self, RunError> {
        let queue = ByteQueue::new(queue_bytes.max(MAX_MESSAGE_BYTES as u64));
        let mut workers = Self {
            queue: Arc::new(queue),
            threads: Vec::new(),
        };
        let (ready_tx, mut ready) = tokio::sync::mpsc::unbounded_channel();
        for index in 0..count.max(1) {
            let queue = Arc::clone(&workers.queue);
            let events = context.events.clone();
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
            let spawned = spawned.map_err(|e| RunError::other("start a classifier thread", e));
            workers.threads.push(spawned?);
        }
        drop(ready_tx);
        for _ in 0..workers.threads.len() {
            let loaded = tokio::select! {
                loaded = tokio::time::timeout(LOAD_DEADLINE, ready.recv()) => loaded,
                () = context.stop.requested() => return Err(RunError::Stopped),
            };
            match loaded {
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
        Ok(workers)
    }
}

/// All of them have loaded their network.
pub(crate) fn tell_ready(context: &RunContext<'_>, factory: &dyn ClassifierFactory) {
    context.events.send(&Event::Ready {
        detail: format!("{}; {}", factory.describe(), photo::CHOICES),
    });
}

impl<T> Workers<T> {
    /// Waits until what is in the queue is classified.
    pub(crate) fn join(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a classifier thread panicked");
            }
        }
    }
}

impl<T> Drop for Workers<T> {
    fn drop(&mut self) {
        self.queue.close();
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
