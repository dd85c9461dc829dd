//! All pods of one bench, kept current by one watch: twenty runs do not ask twenty times.

use super::{ASK_DEADLINE, job};
use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{WatchEvent, WatchParams},
};
use std::{collections::BTreeMap, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::Instant};

/// Before the watch is asked for again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
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
pub(super) struct Board {
    pods: watch::Receiver<Pods>,
    task: JoinHandle<()>,
}

impl Board {
    /// Of the pods of a bench.
    pub(super) fn start(client: &Client, bench: &str) -> Self {
        let (sender, pods) = watch::channel(Pods {
            by_run: BTreeMap::new(),
            answered: Instant::now(),
            trouble: None,
        });
        let api: Api<Pod> = Api::default_namespaced(client.clone());
        let parameters = WatchParams::default()
            .labels(&format!("{}={bench}", job::BENCH))
            .timeout(WATCH_S);
        let task = tokio::spawn(async move {
            loop {
                if let Err(why) = follow(&api, &parameters, &sender).await {
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

impl Drop for Board {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One watch from its beginning, which names all pods there are, to its end.
async fn follow(
    api: &Api<Pod>,
    parameters: &WatchParams,
    sender: &watch::Sender<Pods>,
) -> Result<(), String> {
    let asked = tokio::time::timeout(ASK_DEADLINE, api.watch(parameters, "0")).await;
    let stream = asked
        .map_err(|_| "no answer from the API server".to_owned())?
        .map_err(|e| e.to_string())?;
    let mut stream = std::pin::pin!(stream);
    sender.send_modify(answered);
    while let Some(event) = stream.next().await {
        let event = event.map_err(|e| e.to_string())?;
        let (pod, is_gone) = match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, false),
            WatchEvent::Deleted(pod) => (pod, true),
            WatchEvent::Bookmark(_) => continue,
            WatchEvent::Error(status) => return Err(status.message.clone()),
        };
        let run = pod.metadata.labels.as_ref().and_then(|l| l.get(job::RUN));
        let Some(run) = run.cloned() else { continue };
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

fn answered(pods: &mut Pods) {
    pods.answered = Instant::now();
    pods.trouble = None;
}
