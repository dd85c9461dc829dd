//! The API server, asked in two ways.

use anyhow::Context;
use kube::Client;
use std::time::Duration;

/// For an answer to a question. A server that took it and says nothing must not hold a call for ever.
const ASK_DEADLINE: Duration = Duration::from_secs(30);

/// Ways to the API server.
#[derive(Clone)]
pub struct Clients {
    /// For questions, which have a deadline.
    pub(crate) asks: Client,
    /// For watches and logs, which may be silent for as long as nothing happens.
    pub(crate) streams: Client,
}

impl std::fmt::Debug for Clients {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Those of the cluster that this runs in, or that KUBECONFIG names.
    ///
    /// # Errors
    /// No cluster, or one whose description cannot be used.
    pub async fn infer() -> anyhow::Result<Self> {
        let config = kube::Config::infer()
            .await
            .context("find the cluster: from inside a pod or by KUBECONFIG")?;
        let mut asking = config.clone();
        asking.read_timeout = Some(ASK_DEADLINE);
        asking.write_timeout = Some(ASK_DEADLINE);
        // From when a question was asked, not from when its connection was last used.
        asking.reset_reader_on_write = true;
        let client = |config| Client::try_from(config).context("prepare the way to the cluster");
        Ok(Self {
            asks: client(asking)?,
            streams: client(config)?,
        })
    }
}
