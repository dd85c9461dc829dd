//! One question to the API server, until it is answered.

use super::{
    AGAIN_AFTER, ASK_DEADLINE,
    error::{ClusterError, Unanswered},
};
use continuum_common::wait::Wait;
use continuum_host::error::Error;
use k8s_openapi::serde::de::DeserializeOwned;
use kube::{Api, Client, Resource, api::ListParams};
use std::{fmt::Debug, time::Duration};

/// An API server may be away for so long: it is restarted, and then goes on.
const SILENCE: Duration = Duration::from_mins(3);

/// Asks until there is an answer, or the answer is a refusal.
pub async fn ask<T, F>(doing: &str, call: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = kube::Result<T>>,
{
    let mut wait = Wait::new(format!("the API server, to {doing}"), SILENCE, AGAIN_AFTER);
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
        wait.again(why.to_string()).await?;
    }
}

/// Asks once.
pub(super) async fn ask_once<T>(
    asked: impl Future<Output = kube::Result<T>>,
) -> Result<T, Unanswered> {
    match tokio::time::timeout(ASK_DEADLINE, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Unanswered::Api(Box::new(error))),
        Err(_) => Err(Unanswered::Silent),
    }
}

/// All there are of a kind.
pub(super) async fn list_once<K>(client: &Client) -> Result<Vec<K>, Unanswered>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::all(client.clone());
    let list = ask_once(api.list(&ListParams::default())).await?;
    Ok(list.items)
}
