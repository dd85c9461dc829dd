//! One question to the API server, until it is answered.

use super::{
    AGAIN_AFTER, ASK_DEADLINE,
    error::{ClusterError, Unanswered},
};
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
                return Err(ClusterError::Refused {
                    doing: doing.to_owned(),
                    code: status.code,
                    message: status.message.clone(),
                }
                .into());
            }
            Ok(Err(error)) => Unanswered::Api(Box::new(error)),
            Err(_) => Unanswered::Silent,
        };
        if begun.elapsed() > SILENCE {
            return Err(Error::Deadline {
                what: format!("the API server, to {doing}"),
                after: SILENCE,
                last: why.to_string(),
            });
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
