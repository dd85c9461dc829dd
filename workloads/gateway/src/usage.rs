//! CPU and memory of functions, as kubelets count them. They are asked while somebody reads the metrics, so that nodes work
//! for nobody else.

use crate::{
    functions::Key,
    metrics::Metrics,
    registry::{FunctionRegistry, State},
};
use futures_util::{StreamExt, stream};
use kube::Client;
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::Mutex, time::Instant};

/// Between two looks, however often anybody asks.
const PERIOD: Duration = Duration::from_secs(5);
/// For the answers of all nodes; Prometheus itself waits for ten seconds.
const DEADLINE: Duration = Duration::from_secs(4);
/// Nodes that are asked at a time.
const AT_A_TIME: usize = 16;

/// What a kubelet says of the pods of its node.
#[derive(Debug, Deserialize)]
struct Summary {
    pods: Option<Vec<PodStats>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodStats {
    pod_ref: Pod,
    #[serde(default)]
    cpu: Cpu,
    #[serde(default)]
    memory: Memory,
}

/// A pod's name and namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
struct Pod {
    name: String,
    namespace: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Cpu {
    usage_core_nano_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Memory {
    working_set_bytes: Option<u64>,
}

/// What was heard, by node; none = it did not answer.
type Heard = BTreeMap<String, Option<HashMap<Pod, (Cpu, Memory)>>>;

/// Keeps the metrics of functions' usage current.
pub(crate) struct Usage {
    client: Client,
    registry: Arc<FunctionRegistry>,
    metrics: Metrics,
    looks: Mutex<Looks>,
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Usage").finish_non_exhaustive()
    }
}

/// What is remembered between looks.
#[derive(Debug, Default)]
struct Looks {
    last: Option<Instant>,
    /// CPU time of each pod at the last look; none = not heard of yet, and older than the first look. What it had used until
    /// then is not counted: a gateway that was started again would show it as used just now.
    cpu: Option<HashMap<Pod, Option<u64>>>,
    /// Nodes that did not answer the last time.
    silent: BTreeSet<String>,
}

/// What a function has used.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    /// Since the last look.
    cpu: Duration,
    /// None = a node that has replicas of it did not say.
    memory_bytes: Option<u64>,
}

impl Usage {
    pub(crate) fn new(client: Client, registry: Arc<FunctionRegistry>, metrics: Metrics) -> Self {
        Self {
            client,
            registry,
            metrics,
            looks: Mutex::default(),
        }
    }

    /// All metrics, with what functions use.
    pub(crate) async fn text(&self) -> String {
        self.look().await;
        self.metrics.text()
    }

    async fn look(&self) {
        let mut looks = self.looks.lock().await;
        let is_recent = looks.last.is_some_and(|at| at.elapsed() < PERIOD);
        if is_recent || !self.registry.is_synced() {
            return;
        }
        // Before nodes are asked: who goes away meanwhile has had a look nevertheless.
        let begun = Instant::now();
        looks.last = Some(begun);
        let functions = self.registry.all();
        let functions: Vec<_> = functions
            .iter()
            .map(|function| (&function.key, function.state()))
            .collect();
        let nodes: BTreeSet<_> = functions
            .iter()
            .flat_map(|(_, state)| state.replicas.values())
            .filter_map(|replica| replica.node.clone())
            .collect();
        let asked = stream::iter(nodes).map(|node| async move {
            let heard = tokio::time::timeout_at(begun + DEADLINE, self.ask(&node)).await;
            let heard = heard.unwrap_or_else(|_| Err(format!("no answer within {DEADLINE:?}")));
            (node, heard)
        });
        let asked: Vec<_> = asked.buffer_unordered(AT_A_TIME).collect().await;
        let heard = looks.take_note(asked);
        for (key, used) in looks.account(&functions, &heard) {
            // One that was removed meanwhile has been forgotten, and is not to come back.
            if self.registry.find(key).is_none() {
                continue;
            }
            let function = key.to_string();
            self.metrics.cpu(&function, &key.namespace, used.cpu);
            self.metrics
                .memory(&function, &key.namespace, used.memory_bytes);
        }
    }

    async fn ask(&self, node: &str) -> Result<Summary, String> {
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary?only_cpu_and_memory=true");
        let request = http::Request::get(path).body(Vec::new());
        let request = request.map_err(|e| e.to_string())?;
        self.client
            .request(request)
            .await
            .map_err(|e| e.to_string())
    }
}

impl Looks {
    /// A node that falls silent is named once.
    fn take_note(&mut self, asked: Vec<(String, Result<Summary, String>)>) -> Heard {
        let mut silent = BTreeSet::new();
        let mut heard = Heard::new();
        for (node, answer) in asked {
            let answer = answer.inspect_err(|why| {
                if !self.silent.contains(&node) {
                    tracing::warn!("node {node} does not say what its functions use: {why}");
                }
                silent.insert(node.clone());
            });
            let pods = answer.ok().map(|summary| {
                let pods = summary.pods.into_iter().flatten();
                pods.map(|pod| (pod.pod_ref, (pod.cpu, pod.memory)))
                    .collect()
            });
            heard.insert(node, pods);
        }
        self.silent = silent;
        heard
    }

    /// What each function has used since the last look.
    fn account<'a>(
        &mut self,
        functions: &[(&'a Key, State)],
        heard: &Heard,
    ) -> Vec<(&'a Key, Used)> {
        let is_first = self.cpu.is_none();
        let before = self.cpu.take().unwrap_or_default();
        let mut after = HashMap::new();
        let mut all = Vec::new();
        for (key, state) in functions {
            let mut used = Used {
                cpu: Duration::ZERO,
                memory_bytes: Some(0),
            };
            for replica in state.replicas.values() {
                let pod = Pod {
                    name: replica.pod.clone(),
                    namespace: key.namespace.clone(),
                };
                let newcomer = (!is_first).then_some(0);
                let last = before.get(&pod).copied().unwrap_or(newcomer);
                let told = replica.node.as_ref().and_then(|node| heard.get(node));
                let mut now = last;
                match told {
                    // No node has it yet, so that it uses nothing.
                    None => {}
                    Some(None) => used.memory_bytes = None,
                    Some(Some(pods)) => {
                        let (cpu, memory) = pods
                            .get(&pod)
                            .map(|(cpu, memory)| {
                                (cpu.usage_core_nano_seconds, memory.working_set_bytes)
                            })
                            .unwrap_or_default();
                        let bytes = memory.unwrap_or_default();
                        used.memory_bytes = used.memory_bytes.map(|sum| sum + bytes);
                        if let Some(total) = cpu {
                            used.cpu += Duration::from_nanos(grown(last, total));
                            now = Some(total);
                        }
                    }
                }
                after.insert(pod, now);
            }
            all.push((*key, used));
        }
        self.cpu = Some(after);
        all
    }
}

/// How much a counter has grown, which may have begun from zero again.
fn grown(last: Option<u64>, total: u64) -> u64 {
    last.map_or(0, |last| total.checked_sub(last).unwrap_or(total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Replica;
    use serde_json::json;

    fn state(pods: &[(&str, &str)]) -> State {
        let mut state = State::default();
        for (name, node) in pods {
            let pod = serde_json::from_value(json!({ "metadata": { "name": name },
                "spec": { "nodeName": node, "containers": [] } }))
            .unwrap();
            let replica = Arc::new(Replica::of(&pod, Arc::default()));
            state.replicas.insert((*name).to_owned(), replica);
        }
        state
    }

    /// CPU time in nanoseconds and memory in bytes, by pod.
    fn says(pods: &[(&str, u64, u64)]) -> Result<Summary, String> {
        let pods = pods.iter().map(|(name, cpu, memory)| {
            json!({ "podRef": { "name": name, "namespace": "fn", "uid": "u" },
                "cpu": { "time": "2026-01-31T12:00:00Z", "usageNanoCores": 1, "usageCoreNanoSeconds": cpu },
                "memory": { "workingSetBytes": memory, "rssBytes": 1 } })
        });
        let pods: Vec<_> = pods.collect();
        let summary = json!({ "node": { "nodeName": "n" }, "pods": pods });
        serde_json::from_value(summary).map_err(|e| e.to_string())
    }

    fn look(
        looks: &mut Looks,
        state: &State,
        nodes: Vec<(&str, Result<Summary, String>)>,
    ) -> (u64, Option<u64>) {
        let key = Key::parse("f", "fn");
        let asked = nodes.into_iter();
        let heard = looks.take_note(asked.map(|(n, s)| (n.to_owned(), s)).collect());
        let all = looks.account(&[(&key, state.clone())], &heard);
        (all[0].1.cpu.as_nanos() as u64, all[0].1.memory_bytes)
    }

    #[test]
    fn what_replicas_use_is_counted_together_and_only_once() {
        let looks = &mut Looks::default();
        let both = state(&[("f-1", "a"), ("f-2", "b")]);
        let seen = look(
            looks,
            &both,
            vec![
                ("a", says(&[("f-1", 500, 10), ("other", 9, 9)])),
                ("b", says(&[("f-2", 70, 20)])),
            ],
        );
        assert_eq!(seen, (0, Some(30)), "what was used before the first look");
        let seen = look(
            looks,
            &both,
            vec![
                ("a", says(&[("f-1", 600, 11)])),
                ("b", says(&[("f-2", 75, 20)])),
            ],
        );
        assert_eq!(seen, (105, Some(31)));
        // One goes; one comes, and what it used since its start counts.
        let other = state(&[("f-1", "a"), ("f-3", "b")]);
        let seen = look(
            looks,
            &other,
            vec![
                ("a", says(&[("f-1", 600, 11)])),
                ("b", says(&[("f-3", 40, 5)])),
            ],
        );
        assert_eq!(seen, (40, Some(16)));
    }

    #[test]
    fn a_counter_that_begins_again_does_not_count_backwards() {
        assert_eq!(grown(None, 5), 0);
        assert_eq!(grown(Some(5), 7), 2);
        assert_eq!(grown(Some(7), 3), 3);
    }

    #[test]
    fn a_node_that_is_silent_hides_the_memory_and_loses_no_cpu_time() {
        let looks = &mut Looks::default();
        let one = state(&[("f-1", "a")]);
        look(looks, &one, vec![("a", says(&[("f-1", 100, 10)]))]);
        let seen = look(looks, &one, vec![("a", Err("refused".into()))]);
        assert_eq!(seen, (0, None));
        assert!(looks.silent.contains("a"));
        let seen = look(looks, &one, vec![("a", says(&[("f-1", 130, 10)]))]);
        assert_eq!(seen, (30, Some(10)));
        assert!(looks.silent.is_empty());
    }

    #[test]
    fn a_replica_that_no_node_has_yet_uses_nothing() {
        let looks = &mut Looks::default();
        let mut waiting = State::default();
        let pod = serde_json::from_value(json!({ "metadata": { "name": "f-1" } })).unwrap();
        let replica = Arc::new(Replica::of(&pod, Arc::default()));
        waiting.replicas.insert("f-1".to_owned(), replica);
        assert_eq!(look(looks, &waiting, Vec::new()), (0, Some(0)));
    }
}
