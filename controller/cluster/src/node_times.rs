//! When a node did what for its pods, to the microsecond: its kubelet and its containerd say so in their logs, where the
//! API only has seconds.

use continuum_agents::Agent;
use continuum_model::{NodeTime, NodeTimes};
use std::{collections::BTreeMap, time::Duration};

/// For a node to search its journal.
const JOURNAL_DEADLINE: Duration = Duration::from_mins(1);

/// `journalctl` with the lines that [`parse`] understands, since a moment.
fn argv(since: NodeTime) -> Vec<String> {
    let words = [
        "journalctl",
        "--unit=kubelet",
        "--unit=edgecore",
        "--unit=containerd",
        "--output=json",
        "--output-fields=MESSAGE",
        "--no-pager",
        "--grep=SyncLoop ADD|MountVolume.SetUp succeeded|RunPodSandbox for|CreateContainer within|StartContainer for",
    ];
    let since = format!("--since=@{}", since.unix_s());
    words
        .iter()
        .map(|w| (*w).to_owned())
        .chain([since])
        .collect()
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

/// Stages by pod name, from lines of the journal in the order of time; those of single containers too, by `POD/CONTAINER`.
fn parse(journal: &str) -> BTreeMap<String, NodeTimes> {
    let mut reader = Reader::default();
    for line in journal.lines() {
        let Ok(entry) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let time_us = entry["__REALTIME_TIMESTAMP"]
            .as_str()
            .and_then(|t| t.parse::<i64>().ok());
        if let (Some(time_us), Some(message)) = (time_us, entry["MESSAGE"].as_str()) {
            // containerd quotes its message once more.
            let at = NodeTime::from_unix_ns(time_us * 1000);
            reader.take(at, &message.replace("\\\"", "\""));
        }
    }
    reader.pods
}

#[derive(Default)]
struct Reader {
    pods: BTreeMap<String, NodeTimes>,
    /// Pods by the ids of their sandboxes and containers.
    owners: BTreeMap<String, String>,
}

impl Reader {
    /// The first time counts: what is tried again was begun before.
    fn note(&mut self, pod: &str, stage: &'static str, at: NodeTime) {
        let times = self.pods.entry(pod.to_owned()).or_default();
        times.entry(stage).or_insert(at);
    }

    fn take(&mut self, at: NodeTime, message: &str) {
        if message.contains("SyncLoop ADD") {
            let pods = between(message, "pods=[", "]").unwrap_or_default();
            for pod in pods.split(',') {
                let name = pod.trim_matches('"').rsplit('/').next().unwrap_or(pod);
                self.note(name, "kubelet_pod_received", at);
            }
        } else if message.contains("MountVolume.SetUp succeeded") {
            // All of them must be there, so the last one counts.
            if let Some(pod) = between(message, "pod=\"", "\"") {
                let name = pod.rsplit('/').next().unwrap_or(pod);
                let times = self.pods.entry(name.to_owned()).or_default();
                times.insert("kubelet_mounted_volume", at);
            }
        } else if let Some(id) = between(message, "returns sandbox id \"", "\"") {
            if let Some(pod) = between(message, "PodSandboxMetadata{Name:", ",") {
                self.owners.insert(id.to_owned(), pod.to_owned());
                self.note(pod, "kubelet_applied_sandbox", at);
            }
        } else if let Some(id) = between(message, "returns container id \"", "\"") {
            let sandbox = between(message, "within sandbox \"", "\"").unwrap_or_default();
            if let Some(pod) = self.owners.get(sandbox).cloned() {
                let name = between(message, "ContainerMetadata{Name:", ",").unwrap_or_default();
                let container = format!("{pod}/{name}");
                for owner in [&pod, &container] {
                    self.note(owner, "kubelet_created_container", at);
                }
                self.owners.insert(id.to_owned(), container);
            }
        } else if message.contains("returns successfully") {
            let id = between(message, "StartContainer for \"", "\"").unwrap_or_default();
            if let Some(container) = self.owners.get(id).cloned() {
                let pod = container.split('/').next().unwrap_or_default();
                for owner in [pod, &container] {
                    self.note(owner, "kubelet_started_container", at);
                }
            }
        }
    }
}

/// Stages of all pods of a node since a time, by pod. A node whose logs cannot be read has none.
pub async fn node_times(agent: &dyn Agent, since: NodeTime) -> BTreeMap<String, NodeTimes> {
    let argv = argv(since);
    match agent.exec(&argv, JOURNAL_DEADLINE).await {
        Ok(output) => parse(&String::from_utf8_lossy(&output.stdout)),
        Err(error) => {
            tracing::debug!("{}", continuum_host::error::chain(&error));
            BTreeMap::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time_us: u64, message: &str) -> String {
        serde_json::json!({ "__REALTIME_TIMESTAMP": time_us.to_string(), "MESSAGE": message })
            .to_string()
    }

    #[test]
    fn stages_of_two_pods_are_told_apart() {
        let containerd = |msg: &str| {
            let quoted = msg.replace('"', "\\\"");
            format!("time=\"2026-01-01T00:00:00Z\" level=info msg=\"{quoted}\"")
        };
        let sandbox = |pod: &str, id: &str| {
            containerd(&format!(
                "RunPodSandbox for &PodSandboxMetadata{{Name:{pod},Uid:u,Namespace:default,Attempt:0,}} returns sandbox id \"{id}\""
            ))
        };
        let journal = [
            line(1, r#"I0101 00:00:00.1 7 kubelet.go:1] "SyncLoop ADD" source="api" pods=["default/a","default/b"]"#),
            line(2, r#"I0101 1 x.go:1] "MountVolume.SetUp succeeded for volume \"out\" pod \"a\" " pod="default/a""#),
            line(3, &containerd("RunPodSandbox for &PodSandboxMetadata{Name:a,Uid:u,Namespace:default,Attempt:0,}")),
            line(4, &sandbox("b", "s2")),
            line(5, &sandbox("a", "s1")),
            line(6, &containerd(r#"CreateContainer within sandbox "s1" for &ContainerMetadata{Name:c,Attempt:0,} returns container id "c1""#)),
            line(7, &containerd(r#"StartContainer for "c1""#)),
            line(8, &containerd(r#"StartContainer for "c1" returns successfully"#)),
            "not json".to_owned(),
        ]
        .join("\n");
        let pods = parse(&journal);
        let of_a: Vec<_> = pods["a"].iter().map(|(k, v)| (*k, v.unix_ns())).collect();
        assert_eq!(
            of_a,
            [
                ("kubelet_applied_sandbox", 5000),
                ("kubelet_created_container", 6000),
                ("kubelet_mounted_volume", 2000),
                ("kubelet_pod_received", 1000),
                ("kubelet_started_container", 8000),
            ]
        );
        assert_eq!(pods["b"].len(), 2);
        let of_container: Vec<_> = pods["a/c"].values().copied().collect();
        assert_eq!(of_container, [6000, 8000].map(NodeTime::from_unix_ns));
    }
}
