//! Whether a cluster uses its nodes.

use continuum_host::{error::chain, state::Deployment};
use continuum_model::Plan;
use std::{collections::BTreeMap, time::Duration};

const ANSWER_DEADLINE: Duration = Duration::from_secs(5);

/// Nodes that a deployment's cluster, if it has one, does not use, and why.
pub async fn unready_nodes(deployment: &Deployment, plan: &Plan) -> BTreeMap<String, String> {
    if !continuum_cluster::kubeconfig_path(deployment).exists() {
        return BTreeMap::new();
    }
    let asked = async {
        let client = continuum_cluster::client(deployment, plan)?;
        continuum_cluster::unready_now(&client, plan).await
    };
    let because = |why: String| BTreeMap::from([("the cluster".to_owned(), why)]);
    match tokio::time::timeout(ANSWER_DEADLINE, asked).await {
        Ok(Ok(unready)) => unready,
        Ok(Err(error)) => because(chain(&error)),
        Err(_) => because("no answer from the API server".to_owned()),
    }
}
