//! `stress`: keeps one core busy for so long, and says how much of it it got.

use continuum_workload_core::{
    application::{Application, RunContext, RunError},
    event::{Event, Summary},
    spec::Role,
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

#[derive(Debug)]
pub struct Stress;

/// Square roots between two looks at the time.
const BATCH: u32 = 100_000;

/// What one core did.
struct Work {
    cpu_s: f64,
    /// Batches of square roots.
    operations: u64,
}

/// Computes for so long, or until it is to stop.
fn work(length: Duration, stop: &AtomicBool) -> Work {
    let end = Instant::now() + length;
    let mut operations = 0;
    let mut sum = 0.0;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        for number in 0..BATCH {
            sum += f64::from(black_box(number)).sqrt();
        }
        operations += 1;
    }
    black_box(sum);
    let used = clock_gettime(ClockId::ThreadCPUTime);
    Work {
        cpu_s: used.tv_sec as f64 + used.tv_nsec as f64 / 1e9,
        operations,
    }
}

#[async_trait::async_trait]
impl Application for Stress {
    fn name(&self) -> &'static str {
        "stress"
    }

    fn summary(&self) -> &'static str {
        "keeps one core busy; for measuring how much of it there is"
    }

    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError> {
        let Role::Stress(stress) = &context.spec.role else {
            return Err(context.unknown_role(self));
        };
        let length = Duration::try_from_secs_f64(stress.timeout_s)
            .map_err(|e| RunError::other("read how long to work", e))?;
        context.events.send(&Event::Ready {
            detail: "1 thread, square roots".into(),
        });
        let stop = Arc::new(AtomicBool::new(false));
        // A thread of its own, whose CPU time is only this work.
        let (told, mut done) = tokio::sync::oneshot::channel();
        let of_thread = Arc::clone(&stop);
        std::thread::spawn(move || told.send(work(length, &of_thread)).ok());
        let (work, was_stopped) = tokio::select! {
            work = &mut done => (work, false),
            () = context.stop.requested() => {
                stop.store(true, Ordering::Relaxed);
                (done.await, true)
            }
        };
        let work = work.map_err(|e| RunError::other("keep a core busy", e))?;
        for (metric, value) in [
            ("cpu_time_s", work.cpu_s),
            ("operations", work.operations as f64),
        ] {
            let metric = metric.to_owned();
            context.events.send(&Event::Measured { metric, value });
        }
        if was_stopped {
            return Err(RunError::Stopped);
        }
        context.events.send(&Event::Finished(Summary::of_one()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_workload_core::{
        application::Stop,
        event::EventSink,
        spec::{RunSpec, Stress as Busy},
    };
    use std::{
        io::Write,
        sync::{Mutex, PoisonError},
    };

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    async fn run(timeout_s: f64, stop: Stop) -> (Result<(), RunError>, String) {
        let dir = tempfile::tempdir().unwrap();
        let lines = Lines::default();
        let ended = Stress
            .run(RunContext {
                spec: RunSpec {
                    application: "stress".into(),
                    node: "edge0".into(),
                    role: Role::Stress(Busy { timeout_s }),
                },
                bundle: dir.path(),
                out: dir.path(),
                events: EventSink::new(lines.clone()),
                stop,
            })
            .await;
        let bytes = lines.0.lock().unwrap().clone();
        (ended, String::from_utf8(bytes).unwrap())
    }

    #[tokio::test]
    async fn it_ends_by_itself_and_says_what_it_got() {
        let (ended, said) = run(0.2, Stop::default()).await;
        ended.unwrap();
        assert!(said.contains(r#""metric":"cpu_time_s""#), "{said}");
        assert!(said.contains(r#""event":"finished""#), "{said}");
    }

    #[tokio::test]
    async fn a_stop_ends_it_at_once_and_what_it_did_is_said() {
        let (ask, stop) = Stop::channel();
        ask.send_replace(true);
        let (ended, said) = run(86_400.0, stop).await;
        assert!(matches!(ended, Err(RunError::Stopped)), "{ended:?}");
        assert!(said.contains(r#""metric":"operations""#), "{said}");
    }
}
