//! Questions to the gateway that may be asked twice: it answers 500 while its API server does not answer, which lasts on
//! an emulated machine that is busy.

use crate::error::CommandError;
use continuum_common::wait::Wait;
use continuum_host::{error::Error, progress::Progress};
use continuum_openfaas_api::client::ClientError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A gateway that still does not answer after this time is lost.
const SILENCE: Duration = Duration::from_mins(3);
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Asks until there is an answer, or the answer is a refusal; says meanwhile why it waits.
pub(super) async fn with_retry<T, F>(
    doing: &str,
    progress: &Progress,
    cancel: &CancellationToken,
    question: impl Fn() -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut wait = Wait::new(format!("the gateway, to {doing}"), SILENCE, AGAIN_AFTER);
    let asking = async {
        loop {
            let error = match question().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if error.status().is_some_and(|s| !s.is_server_error()) {
                let (doing, source) = (doing.to_owned(), error);
                return Err(CommandError::Gateway { doing, source }.into());
            }
            progress.say(&format!("{doing}: {}; asked again", error.plain()));
            wait.again(error.to_string()).await?;
        }
    };
    let asked = cancel.run_until_cancelled(asking).await;
    asked.unwrap_or(Err(Error::Interrupted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU16, Ordering};
    use tokio::time::Instant;

    fn refused(status: u16) -> ClientError {
        ClientError::Refused {
            status: status.try_into().unwrap(),
            text: "because".into(),
        }
    }

    async fn ask<T>(
        cancel: &CancellationToken,
        answer: impl Fn(u16) -> Result<T, ClientError>,
    ) -> (Result<T, Error>, u16) {
        let times = AtomicU16::new(0);
        let question = || std::future::ready(answer(times.fetch_add(1, Ordering::Relaxed)));
        let doing = "deploy function io";
        let answer = with_retry(doing, &Progress::new(true), cancel, question).await;
        (answer, times.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again_and_a_refusal_is_not() {
        let cancel = CancellationToken::new();
        let passes = |time| match time {
            0 => Err(refused(500)),
            1 => Err(ClientError::NoAnswer("reset".into())),
            _ => Ok(7),
        };
        let (answer, times) = ask(&cancel, passes).await;
        assert_eq!((answer.unwrap(), times), (7, 3));
        let (answer, times) = ask::<()>(&cancel, |_| Err(refused(400))).await;
        let error = continuum_host::error::chain(&answer.unwrap_err());
        assert!(
            error.contains("deploy function io") && error.contains("because"),
            "{error}"
        );
        assert_eq!(times, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_what_was_said_last_or_when_the_user_stops_it() {
        let cancel = CancellationToken::new();
        let begun = Instant::now();
        let (answer, times) = ask::<()>(&cancel, |_| Err(refused(503))).await;
        assert!(times > 100 && begun.elapsed() < SILENCE + AGAIN_AFTER * 2);
        let error = continuum_host::error::chain(&answer.unwrap_err());
        assert!(
            error.contains("the gateway, to deploy function io") && error.contains("because"),
            "{error}"
        );
        cancel.cancel();
        let (answer, _) = ask::<()>(&cancel, |_| Err(refused(503))).await;
        assert!(matches!(answer, Err(Error::Interrupted)));
    }
}
