//! Runs in pods.

use super::{
    AGAIN_AFTER, ASK_DEADLINE,
    ask::ask,
    client,
    delivery::{self, Delivery},
    job::{self, Image},
    log::Reader,
    pod::{self, PodState, Prospect},
    pod_watcher::{self, PodWatcher},
};
use continuum_agents::{Agent, RunEvent, RunEventKind, RunStart, Runner};
use continuum_host::{error::Error, state::Deployment};
use continuum_model::{NodeTime, Plan, PodRecord, RunExit, RunPlan, StartedRun, UserContainer};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{Event, Pod},
};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

/// An API server or a kubelet may be away for so long while pods run, which do without it: on an emulated machine that is
/// busy with them it takes minutes to be there again, and what they did would be lost.
const SILENCE_OF_A_RUN: Duration = Duration::from_mins(6);
/// No node takes a pod, but one may become free.
const UNSCHEDULED: Duration = Duration::from_mins(1);
/// For a log to end after its pod.
const LAST_LINES: Duration = Duration::from_secs(10);

#[derive(Clone)]
pub struct Pods {
    client: Client,
    pod_watcher: Arc<PodWatcher>,
    deadline: Duration,
    /// Beyond [`SILENCE_OF_A_RUN`], for logs of nodes that are cut off on purpose.
    cut_off: Duration,
}

impl std::fmt::Debug for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pods").finish_non_exhaustive()
    }
}

impl Pods {
    /// Takes away what an earlier bench left, and begins to watch.
    pub async fn open(
        deployment: &Deployment,
        plan: &Plan,
        bench: &str,
        deadline: Duration,
        cut_off: Duration,
    ) -> Result<Self, Error> {
        let client = client(deployment, plan)?;
        let jobs: Api<Job> = Api::default_namespaced(client.clone());
        let ours = ListParams::default().labels(job::OURS);
        let how = DeleteParams::background();
        let removal = || jobs.delete_collection(&how, &ours);
        ask("remove the Jobs of an earlier bench", removal).await?;
        let pod_watcher = Arc::new(PodWatcher::start(&client, bench));
        Ok(Self {
            client,
            pod_watcher,
            deadline,
            cut_off,
        })
    }

    /// A run in a pod on the agent's node, by itself or with others.
    pub fn place(
        &self,
        run: &RunPlan,
        image: Image,
        agent: Arc<dyn Agent>,
        delivery: Option<Arc<Delivery>>,
    ) -> PodRun {
        PodRun {
            pods: self.clone(),
            delivery,
            application: run.spec.application.clone(),
            image,
            own: run.own.clone(),
            agent,
            record: Mutex::default(),
        }
    }
}

#[derive(Debug)]
pub struct PodRun {
    pods: Pods,
    /// What it comes with.
    delivery: Option<Arc<Delivery>>,
    application: String,
    image: Image,
    own: Option<UserContainer>,
    agent: Arc<dyn Agent>,
    record: Mutex<PodRecord>,
}

#[async_trait::async_trait]
impl Runner for PodRun {
    async fn start(&self, run: RunStart) -> Result<StartedRun, Error> {
        let pods = &self.pods;
        let node = self.agent.node();
        let created = if let Some(delivery) = &self.delivery {
            delivery.make(&pods.client, pods.deadline, &run.id).await?
        } else {
            let own = self.own.as_ref();
            let (application, image) = (&self.application, &self.image);
            let job = job::job(application, &run, node, image, own, pods.deadline)?;
            delivery::create(&pods.client, &run.id, &job).await?
        };
        if let Some(at) = created {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record.times_unix_s.insert("job_created", at);
        }
        // Filled in when there is a control group to read.
        Ok(StartedRun {
            limits_enforced: true,
            ..StartedRun::default()
        })
    }

    async fn watch(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
        let api: Api<Pod> = Api::default_namespaced(self.pods.client.clone());
        let mut pod_watcher = self.pods.pod_watcher.pods();
        let container = self.delivery.as_ref().and_then(|d| d.container_of(id));
        let container_name = container.as_deref();
        let mut reader = Reader::of(container.clone());
        let mut said = String::new();
        let mut waits = (Prospect::Starting, Instant::now());
        let mut was_there = false;
        loop {
            let (found, trouble) = {
                let now = pod_watcher.borrow_and_update();
                let is_silent = now.answered.elapsed() > SILENCE_OF_A_RUN;
                let trouble = now.trouble.clone().filter(|_| is_silent);
                (self.pod_in(id, &now).cloned(), trouble)
            };
            if let Some(trouble) = trouble {
                return Err(Error::Deadline {
                    what: format!("the API server, which knows of run {id}"),
                    after: SILENCE_OF_A_RUN,
                    last: trouble,
                });
            }
            let found = found.as_ref();
            if let Some(pod) = found {
                was_there = true;
                let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
                pod::record(pod, container_name, &mut record);
            }
            let state = match found {
                Some(pod) => pod::state(pod, container_name),
                None if was_there => PodState::Ended(RunExit {
                    reason: "its pod was deleted".into(),
                    ..RunExit::default()
                }),
                None => PodState::Waiting {
                    why: "its Job has no pod yet".into(),
                    prospect: Prospect::Starting,
                },
            };
            match (state, found) {
                (PodState::Waiting { why, prospect }, _) => {
                    if why != said {
                        log(&events, &format!("{id}: {why}")).await;
                        said.clone_from(&why);
                    }
                    if waits.0 != prospect {
                        waits = (prospect, Instant::now());
                    }
                    let in_vain = match prospect {
                        Prospect::Starting => false,
                        Prospect::Unscheduled => waits.1.elapsed() > UNSCHEDULED,
                        Prospect::InVain => true,
                    };
                    if in_vain {
                        let name = found.map(pod::name).unwrap_or_default();
                        for line in self.warnings(name).await {
                            log(&events, &line).await;
                        }
                        let exit = RunExit {
                            reason: why,
                            ..RunExit::default()
                        };
                        return self.end(&events, &reader, exit).await;
                    }
                }
                (PodState::Running, Some(pod)) => {
                    self.read_limits(pod).await;
                    let follow = reader.read(&api, pod::name(pod), true, &events);
                    let read = tokio::select! {
                        read = follow => read,
                        // Where the way to a node was cut, nobody may have told this end of the log.
                        () = self.ended(&mut pod_watcher, id) => Ok(()),
                    };
                    match read {
                        // It ended, and the watcher will say how.
                        Ok(()) => {}
                        Err(unread) => {
                            let patience = SILENCE_OF_A_RUN + self.pods.cut_off;
                            if reader.broken_for() > patience {
                                return Err(Error::Deadline {
                                    what: format!("the log of pod {}", pod::name(pod)),
                                    after: patience,
                                    last: unread.why,
                                });
                            }
                            tokio::time::sleep(AGAIN_AFTER).await;
                            // Without waiting for news: the log is the news.
                            continue;
                        }
                    }
                }
                (PodState::Ended(exit), found) => {
                    if let Some(pod) = found
                        && let Err(unread) = reader.rest(&api, pod::name(pod), &events).await
                    {
                        let why = unread.why;
                        let lost = format!("{id}: the end of its log could not be read: {why}");
                        log(&events, &lost).await;
                    }
                    return self.end(&events, &reader, exit).await;
                }
                (PodState::Running, None) => {}
            }
            tokio::time::timeout(AGAIN_AFTER, pod_watcher.changed())
                .await
                .ok();
        }
    }

    async fn stop(&self, id: &str) -> Result<(), Error> {
        let jobs: Api<Job> = Api::default_namespaced(self.pods.client.clone());
        let delivery = self.delivery.as_ref();
        let name = job::job_name(&self.application, delivery.map_or(id, |d| d.job_of(id)));
        let parameters = DeleteParams::background();
        let removal = || async {
            match jobs.delete(&name, &parameters).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(|_| ()),
            }
        };
        ask(&format!("remove Job {name}"), removal).await
    }

    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        self.agent.collect(id, name).await
    }

    fn pod(&self) -> Option<PodRecord> {
        let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        (!record.pod.is_empty()).then(|| record.clone())
    }
}

impl PodRun {
    /// The pod of a run among those that there are.
    fn pod_in<'a>(&self, id: &str, pods: &'a pod_watcher::Pods) -> Option<&'a Pod> {
        match &self.delivery {
            Some(delivery) => delivery.pod_of(id, pods),
            None => pods.of(id).next(),
        }
    }

    /// Until the watcher has known for a while that a run's pod is over.
    async fn ended(&self, pod_watcher: &mut watch::Receiver<pod_watcher::Pods>, id: &str) {
        let container = self.delivery.as_ref().and_then(|d| d.container_of(id));
        let is_over = |pods: &pod_watcher::Pods| {
            let pod = self.pod_in(id, pods);
            let state = pod.map(|pod| pod::state(pod, container.as_deref()));
            matches!(state, None | Some(PodState::Ended(_)))
        };
        if pod_watcher.wait_for(is_over).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(LAST_LINES).await;
    }

    /// Reads the limits of the pod's control group once it has one; without an answer they stay unknown.
    async fn read_limits(&self, pod: &Pod) {
        let known = |r: &PodRecord| !r.cpu_max.is_empty();
        if known(&self.record.lock().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let Some(group) = pod::cgroup(pod) else {
            return;
        };
        let argv = [
            "cat".to_owned(),
            format!("{group}/cpu.max"),
            format!("{group}/memory.max"),
        ];
        let Ok(output) = self.agent.exec(&argv, ASK_DEADLINE).await else {
            return;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = text.lines();
        if let (Some(cpu), Some(memory)) = (lines.next(), lines.next()) {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            cpu.clone_into(&mut record.cpu_max);
            memory.clone_into(&mut record.memory_max);
        }
    }

    /// The last event. Its time is that of the last line, which the node's clock gave to the nanosecond.
    async fn end(
        &self,
        events: &mpsc::Sender<RunEvent>,
        reader: &Reader,
        exit: RunExit,
    ) -> Result<(), Error> {
        let finished = || {
            let record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            record
                .times_unix_s
                .get("finished")
                .map(|s| NodeTime::from_unix_s(*s))
        };
        let event = RunEvent {
            time_unix_ns: reader.last().or_else(finished).unwrap_or_default(),
            kind: RunEventKind::Exit(exit),
        };
        events.send(event).await.ok();
        Ok(())
    }

    /// What the cluster complained about this pod, oldest first.
    async fn warnings(&self, pod: &str) -> Vec<String> {
        let api: Api<Event> = Api::default_namespaced(self.pods.client.clone());
        let about = format!("involvedObject.name={pod},type=Warning");
        let parameters = ListParams::default().fields(&about);
        let listed = tokio::time::timeout(ASK_DEADLINE, api.list(&parameters)).await;
        let Ok(Ok(list)) = listed else {
            return Vec::new();
        };
        let text = |e: Event| {
            let (reason, message) = (e.reason.unwrap_or_default(), e.message.unwrap_or_default());
            format!("{reason}: {message}")
        };
        list.items.into_iter().map(text).collect()
    }
}

async fn log(events: &mpsc::Sender<RunEvent>, text: &str) {
    let event = RunEvent {
        time_unix_ns: NodeTime::default(),
        kind: RunEventKind::Log(text.to_owned()),
    };
    events.send(event).await.ok();
}
