//! Questions to the gateway that may be asked twice: it answers 500 while its API server does not answer, which lasts on
//! an emulated machine that is busy.

use crate::error::Error;
use continuum_openfaas_api::client::ClientError;
use std::time::{Duration, Instant};

/// A gateway that still does not answer after this time is lost.
const SILENCE: Duration = Duration::from_mins(3);
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Asks until there is an answer, or the answer is a refusal.
pub(super) async fn asked<T, F>(doing: &str, question: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let begun = Instant::now();
    loop {
        let error = match question().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let is_refusal = error.status().is_some_and(|s| !s.is_server_error());
        if is_refusal || begun.elapsed() > SILENCE {
            return Err(Error::other(doing, error));
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU16, Ordering};

    fn refused(status: u16) -> ClientError {
        ClientError::Refused {
            status: status.try_into().unwrap(),
            text: "because".into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_asked_again_and_a_refusal_is_not() {
        let times = AtomicU16::new(0);
        let answer = asked("deploy function io", || async {
            match times.fetch_add(1, Ordering::Relaxed) {
                0 => Err(refused(500)),
                1 => Err(ClientError::NoAnswer("reset".into())),
                _ => Ok(7),
            }
        });
        assert_eq!(answer.await.unwrap(), 7);
        let times = AtomicU16::new(0);
        let answer = asked("deploy function io", || async {
            times.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(refused(400))
        });
        let error = crate::error::chain(&answer.await.unwrap_err());
        assert!(
            error.contains("deploy function io") && error.contains("because"),
            "{error}"
        );
        assert_eq!(times.into_inner(), 1);
    }
}
