//! A broken connection is not a lost node: an overcommitted guest can stand still for many seconds. What may be asked
//! twice is asked again, for so long as the agent keeps the runs of a silent controller.

use super::GrpcAgent;
use continuum_common::wait::Patience;
use continuum_host::error::Error;
use std::time::Duration;
use tonic::Status;

/// As long as a run's lease: later there is nothing to come back to.
const RECONNECT_DEADLINE: Duration = Duration::from_secs(30);
const RECONNECT_EVERY: Duration = Duration::from_millis(500);

/// Nothing came from the agent; not what it said.
pub(super) fn is_broken(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// How long a connection has been broken.
#[derive(Debug)]
pub(super) struct Outage(Patience);

impl Default for Outage {
    fn default() -> Self {
        Self(Patience::new(RECONNECT_DEADLINE, RECONNECT_EVERY))
    }
}

impl Outage {
    /// An answer came.
    pub(super) fn ended(&mut self) {
        self.0.renew();
    }

    /// Pauses before another attempt; the error when there is to be none.
    pub(super) async fn wait(&mut self, status: Status) -> Result<(), Status> {
        if !is_broken(&status) {
            return Err(status);
        }
        self.0.again(status).await
    }
}

impl GrpcAgent {
    /// A call that may reach the agent more than once.
    pub(super) async fn call_with_retry<T, F>(
        &self,
        doing: &str,
        deadline: Duration,
        call: impl Fn() -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut outage = Outage::default();
        let attempts = async {
            loop {
                match call().await {
                    Ok(answer) => return Ok(answer),
                    Err(status) => outage.wait(status).await?,
                }
            }
        };
        self.call(doing, deadline + RECONNECT_DEADLINE, attempts)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn broken_connections_are_tried_again_for_a_while_and_refusals_never() {
        let broken = || Status::from_error(Box::new(std::io::Error::other("broken pipe")));
        let mut outage = Outage::default();
        assert!(outage.wait(Status::not_found("no such run")).await.is_err());
        let begun = Instant::now();
        while outage.wait(broken()).await.is_ok() {}
        assert_eq!(begun.elapsed().as_secs(), RECONNECT_DEADLINE.as_secs());
        outage.ended();
        assert!(outage.wait(broken()).await.is_ok());
    }
}
