//! Versions that running programs report where no API of a cluster does: their nodes ask them.

use crate::session::Session;
use continuum_agents::Agent;
use continuum_config::Runtime;
use std::{sync::Arc, time::Duration};

/// An emulated machine that is busy takes its time to start even a small program.
const ASK_DEADLINE: Duration = Duration::from_secs(30);

/// kubeadm has etcd tell its metrics on this port of its own machine, without TLS.
const ETCD_METRICS: [&str; 8] = [
    "busybox",
    "wget",
    "-q",
    "-T",
    "10",
    "-O",
    "-",
    "http://127.0.0.1:2381/metrics",
];

/// What a node's program prints; `None`, and a line in the log, when it does not.
async fn ask(agent: &dyn Agent, argv: &[&str]) -> Option<String> {
    let words: Vec<String> = argv.iter().map(|w| (*w).to_owned()).collect();
    match agent.exec(&words, ASK_DEADLINE).await {
        Ok(output) if output.code == Some(0) => {
            Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            tracing::debug!("{argv:?} on {}: {:?}: {said}", agent.node(), output.code);
            None
        }
        Err(error) => {
            tracing::debug!("{}", continuum_host::error::chain(&error));
            None
        }
    }
}

/// Of the line `etcd_server_version{server_version="3.6.13"} 1`.
fn etcd_version(metrics: &str) -> Option<&str> {
    let mut lines = metrics.lines();
    let rest = lines.find_map(|l| l.strip_prefix("etcd_server_version{server_version=\""))?;
    rest.split_once('"').map(|(version, _)| version)
}

/// The etcd of a cluster.
pub(super) async fn of_etcd(session: &Session) -> Option<(String, String)> {
    let controller = session.plan.controller()?;
    let agent = session.agent(&controller.name).ok()?;
    let said = ask(&**agent, &ETCD_METRICS).await?;
    let version = etcd_version(&said)?.to_owned();
    Some(("etcd".to_owned(), version))
}

/// The docker of each node that has it.
pub(super) async fn of_docker(session: &Session) -> Vec<(String, String)> {
    let has_it = |agent: &&Arc<dyn Agent>| {
        let mut all = session.plan.installations.iter();
        all.any(|i| i.node == agent.node() && i.component.name == Runtime::Docker.name())
    };
    let asked = session
        .agents()
        .iter()
        .filter(has_it)
        .map(|agent| async move {
            let argv = ["docker", "version", "--format={{.Server.Version}}"];
            let version = ask(&**agent, &argv).await.filter(|v| !v.is_empty())?;
            Some((format!("docker {}", agent.node()), version))
        });
    let all = futures_util::future::join_all(asked).await;
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::etcd_version;

    #[test]
    fn the_version_of_etcd_is_a_label() {
        let metrics = "# TYPE etcd_server_version gauge\netcd_server_go_version{server_go_version=\"go1.25\"} 1\n\
                       etcd_server_version{server_version=\"3.6.13\"} 1\n";
        assert_eq!(etcd_version(metrics), Some("3.6.13"));
        assert_eq!(etcd_version("etcd_server_version 1"), None);
    }
}
