//! All pods of one bench, kept current by one watch: twenty runs do not ask twenty times.

use super::{AGAIN_AFTER, ASK_DEADLINE, job, pod};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ListParams, WatchEvent, WatchParams},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// One watch; a connection that died silently is noticed no later.
const WATCH_S: u32 = 60;

/// What is known now.
#[derive(Debug, Clone)]
pub(super) struct Pods {
    /// Those of runs, by name.
    pub(super) by_name: BTreeMap<String, Pod>,
    /// When the API server answered last.
    pub(super) answered: Instant,
    /// What it said instead since.
    pub(super) trouble: Option<String>,
}

impl Pods {
    /// Those of a run, or of several that came together.
    pub(super) fn of(&self, run: &str) -> impl Iterator<Item = &Pod> {
        let is_of = move |pod: &&Pod| run_of(pod).is_some_and(|id| id == run);
        self.by_name.values().filter(is_of)
    }
}

/// Ends with its owner.
#[derive(Debug)]
pub(super) struct PodWatcher {
    pods: watch::Receiver<Pods>,
    task: JoinHandle<()>,
}

impl PodWatcher {
    /// Of the pods of a bench.
    pub(super) fn start(client: &Client, bench: &str) -> Self {
        let (sender, pods) = watch::channel(Pods {
            by_name: BTreeMap::new(),
            answered: Instant::now(),
            trouble: None,
        });
        let api: Api<Pod> = Api::default_namespaced(client.clone());
        let labels = format!("{}={bench}", job::BENCH);
        let task = tokio::spawn(async move {
            loop {
                if let Err(why) = follow(&api, &labels, &sender).await {
                    sender.send_modify(|pods| pods.trouble = Some(why));
                    tokio::time::sleep(AGAIN_AFTER).await;
                }
            }
        });
        Self { pods, task }
    }

    pub(super) fn pods(&self) -> watch::Receiver<Pods> {
        self.pods.clone()
    }
}

impl Drop for PodWatcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// All pods there are, which also tells of those that went unseen, and then a watch to its end.
async fn follow(api: &Api<Pod>, labels: &str, sender: &watch::Sender<Pods>) -> Result<(), String> {
    let silent = |_| "no answer from the API server".to_owned();
    let parameters = ListParams::default().labels(labels);
    let asked = tokio::time::timeout(ASK_DEADLINE, api.list(&parameters)).await;
    let list = asked.map_err(silent)?.map_err(|e| e.to_string())?;
    let version = list.metadata.resource_version.unwrap_or_default();
    let ours = list.items.into_iter().filter(|pod| run_of(pod).is_some());
    let by_name = ours.map(|pod| (pod::name(&pod).to_owned(), pod)).collect();
    sender.send_modify(|pods| {
        pods.by_name = by_name;
        answered(pods);
    });
    let parameters = WatchParams::default().labels(labels).timeout(WATCH_S);
    let asked = tokio::time::timeout(ASK_DEADLINE, api.watch(&parameters, &version)).await;
    let stream = asked.map_err(silent)?.map_err(|e| e.to_string())?;
    let mut stream = std::pin::pin!(stream);
    // The server ends it in time; a connection that is dead never does.
    let by = Instant::now() + Duration::from_secs(u64::from(WATCH_S)) + ASK_DEADLINE;
    loop {
        let next = tokio::time::timeout_at(by, stream.next()).await;
        let Some(event) = next.map_err(silent)? else {
            break;
        };
        let event = event.map_err(|e| e.to_string())?;
        let (pod, is_gone) = match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, false),
            WatchEvent::Deleted(pod) => (pod, true),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => return Err(status.message.clone()),
        };
        if run_of(&pod).is_none() {
            continue;
        }
        sender.send_modify(|pods| {
            answered(pods);
            let name = pod::name(&pod).to_owned();
            if is_gone {
                pods.by_name.remove(&name);
            } else {
                pods.by_name.insert(name, pod);
            }
        });
    }
    Ok(())
}

fn run_of(pod: &Pod) -> Option<&String> {
    pod.metadata.labels.as_ref()?.get(job::RUN)
}

fn answered(pods: &mut Pods) {
    pods.answered = Instant::now();
    pods.trouble = None;
}
