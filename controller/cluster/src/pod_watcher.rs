//! All pods of one bench, kept current by one watch: twenty runs do not ask twenty times.

use super::{AGAIN_AFTER, ASK_DEADLINE, job};
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
    /// By the id of their run.
    pub(super) by_run: BTreeMap<String, Pod>,
    /// When the API server answered last.
    pub(super) answered: Instant,
    /// What it said instead since.
    pub(super) trouble: Option<String>,
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
            by_run: BTreeMap::new(),
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
    let by_run = list
        .items
        .into_iter()
        .filter_map(|pod| Some((run_of(&pod)?, pod)))
        .collect();
    sender.send_modify(|pods| {
        pods.by_run = by_run;
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
        let Some(run) = run_of(&pod) else { continue };
        sender.send_modify(|pods| {
            answered(pods);
            if is_gone {
                pods.by_run.remove(&run);
            } else {
                pods.by_run.insert(run, pod);
            }
        });
    }
    Ok(())
}

fn run_of(pod: &Pod) -> Option<String> {
    pod.metadata.labels.as_ref()?.get(job::RUN).cloned()
}

fn answered(pods: &mut Pods) {
    pods.answered = Instant::now();
    pods.trouble = None;
}
