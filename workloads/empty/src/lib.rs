//! `empty`: says that it started, sleeps, says that it ended. The smallest example of an application,
//! and what start-up times are measured with.

use continuum_workload_core::{
    application::{Application, RunContext, RunError},
    event::{Event, Summary},
    spec::Role,
};
use std::time::Duration;

#[derive(Debug)]
pub struct Empty;

#[async_trait::async_trait]
impl Application for Empty {
    fn name(&self) -> &'static str {
        "empty"
    }

    fn summary(&self) -> &'static str {
        "starts, sleeps, ends; for measuring how long starting takes"
    }

    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError> {
        let Role::Sleep(sleep) = &context.spec.role else {
            return Err(context.unknown_role(self));
        };
        context.events.send(&Event::Ready {
            detail: "Start the application".into(),
        });
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs_f64(sleep.sleep_s)) => {}
            () = context.stop.requested() => return Err(RunError::Stopped),
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
        spec::{RunSpec, Sleep},
    };

    #[tokio::test(start_paused = true)]
    async fn sleeps_as_long_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let begun = tokio::time::Instant::now();
        Empty
            .run(RunContext {
                spec: RunSpec {
                    application: "empty".into(),
                    node: "edge0".into(),
                    role: Role::Sleep(Sleep { sleep_s: 30.0 }),
                },
                bundle: dir.path(),
                out: dir.path(),
                events: EventSink::new(std::io::sink()),
                stop: Stop::default(),
            })
            .await
            .unwrap();
        assert_eq!(begun.elapsed().as_secs(), 30);
    }
}
