//! `mem_usage`: is there until it is asked to end. What it takes is seen from outside: memory of its node before and after.

use continuum_workload_core::{
    application::{Application, RunContext, RunError},
    event::{Event, Summary},
    spec::Role,
};

#[derive(Debug)]
pub struct MemUsage;

#[async_trait::async_trait]
impl Application for MemUsage {
    fn name(&self) -> &'static str {
        "mem_usage"
    }

    fn summary(&self) -> &'static str {
        "is there and does nothing; for measuring how much memory that takes"
    }

    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError> {
        if context.spec.role != Role::Hold {
            return Err(context.unknown_role(self));
        }
        context.events.send(&Event::Ready {
            detail: "until it is asked to end".into(),
        });
        context.stop.requested().await;
        context.events.send(&Event::Finished(Summary::of_one()));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_workload_core::{application::Stop, event::EventSink, spec::RunSpec};
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn it_is_there_until_it_is_asked_to_end_and_that_is_a_good_end() {
        let dir = tempfile::tempdir().unwrap();
        let (ask, stop) = Stop::channel();
        let run = MemUsage.run(RunContext {
            spec: RunSpec {
                application: "mem_usage".into(),
                node: "cloud0".into(),
                role: Role::Hold,
            },
            bundle: dir.path(),
            out: dir.path(),
            events: EventSink::new(std::io::sink()),
            stop,
        });
        let mut run = std::pin::pin!(run);
        let early = tokio::time::timeout(Duration::from_mins(100), &mut run).await;
        assert!(early.is_err(), "it ended by itself: {early:?}");
        ask.send_replace(true);
        run.await.unwrap();
    }
}
