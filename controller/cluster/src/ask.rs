//! One question to the API server, until it is answered.

use super::{AGAIN_AFTER, ASK_DEADLINE};
use continuum_host::error::Error;
use std::time::Duration;
use tokio::time::Instant;

/// An API server may be away for so long: it is restarted, and then goes on.
const SILENCE: Duration = Duration::from_mins(3);

/// Asks until there is an answer, or the answer is a refusal.
pub async fn ask<T, F>(doing: &str, call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = kube::Result<T>>,
{
    let begun = Instant::now();
    loop {
        let why = match tokio::time::timeout(ASK_DEADLINE, call()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code < 500 && status.code != 429 => {
                return Err(Error::other(doing, status.message.clone()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no answer from the API server".to_owned(),
        };
        if begun.elapsed() > SILENCE {
            return Err(Error::Deadline {
                what: format!("the API server, to {doing}"),
                after: SILENCE,
                last: why,
            });
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
