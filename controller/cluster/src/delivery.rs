//! Runs that come to the cluster together, as `kube_deployment` says: what is made of them is made once, when the first
//! of them is to start.
//!
//! ```text
//! pod        one Job ── N pods
//! container  one Job ── one pod ── N containers
//! file       N Jobs, one after the other
//! call       N Jobs, all at once
//! ```

use super::{
    ask::ask,
    job::{self, Member},
    pod, pod_watcher,
};
use continuum_config::KubeDeployment;
use continuum_host::error::Error;
use continuum_model::node_name;
use futures_util::future;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, PostParams},
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::OnceCell;

/// Several runs of one application.
#[derive(Debug)]
pub struct Delivery {
    how: KubeDeployment,
    application: String,
    /// Of what carries all of them, in place of a run's.
    id: String,
    members: Vec<Member>,
    /// When the Job of each was made, seconds since 1970.
    made: OnceCell<BTreeMap<String, i64>>,
    /// Pods by the run that each was taken for.
    taken: Mutex<BTreeMap<String, String>>,
}

impl Delivery {
    /// Of one bench; nothing is made yet.
    pub fn new(how: KubeDeployment, application: &str, bench: &str, members: Vec<Member>) -> Self {
        Self {
            how,
            application: application.to_owned(),
            id: format!("{bench}-all"),
            members,
            made: OnceCell::new(),
            taken: Mutex::default(),
        }
    }

    /// Makes all of it, once, and says when the Job of a run was made.
    pub(super) async fn make(
        &self,
        client: &Client,
        deadline: Duration,
        run: &str,
    ) -> Result<Option<i64>, Error> {
        let made = || self.make_all(client, deadline);
        match self.made.get_or_try_init(made).await {
            Ok(made) => Ok(made.get(run).copied()),
            Err(error) => {
                // Nobody else knows of those that were made before one failed.
                self.unmake(client).await.ok();
                Err(error)
            }
        }
    }

    async fn unmake(&self, client: &Client) -> Result<(), Error> {
        let jobs: Api<Job> = Api::default_namespaced(client.clone());
        let bench = self.members.first().map(|m| m.run.bench.as_str());
        let labels = format!("{}={}", job::BENCH, bench.unwrap_or_default());
        let (ours, how) = (
            ListParams::default().labels(&labels),
            DeleteParams::background(),
        );
        let removal = || jobs.delete_collection(&how, &ours);
        ask("remove the Jobs of this bench", removal).await?;
        Ok(())
    }

    async fn make_all(
        &self,
        client: &Client,
        deadline: Duration,
    ) -> Result<BTreeMap<String, i64>, Error> {
        let Self {
            how,
            application,
            id,
            members,
            ..
        } = self;
        let Some(first) = members.first() else {
            return Ok(BTreeMap::new());
        };
        let carrier = match how {
            KubeDeployment::Pod => {
                let job = job::job_of_pods(application, id, first, members, deadline);
                Some(job?)
            }
            KubeDeployment::Container => {
                let job = job::job_of_containers(application, id, first, members, deadline);
                Some(job?)
            }
            KubeDeployment::File | KubeDeployment::Call => None,
        };
        if let Some(job) = carrier {
            let at = create(client, id, &job).await?;
            let of_each = members.iter().filter_map(|m| Some((m.run.id.clone(), at?)));
            return Ok(of_each.collect());
        }
        let job_of = |m: &Member| {
            let own = m.own.as_ref();
            job::job(application, &m.run, &m.node, &m.image, own, deadline)
                .map(|job| (m.run.id.clone(), job))
        };
        let jobs: Result<Vec<(String, Job)>, Error> = members.iter().map(job_of).collect();
        let jobs = jobs?;
        let one = |(run, job): &(String, Job)| {
            let (run, job) = (run.clone(), job.clone());
            async move {
                let at = create(client, &run, &job).await?;
                Ok::<_, Error>((run, at))
            }
        };
        let made = if *how == KubeDeployment::Call {
            // A connection each, as so many calls would have.
            future::try_join_all(jobs.iter().map(one)).await?
        } else {
            let mut made = Vec::new();
            for job in &jobs {
                made.push(one(job).await?);
            }
            made
        };
        Ok(made
            .into_iter()
            .filter_map(|(run, at)| Some((run, at?)))
            .collect())
    }

    fn shares_a_job(&self) -> bool {
        matches!(self.how, KubeDeployment::Pod | KubeDeployment::Container)
    }

    /// The id that the Job of a run is named by.
    pub(super) fn job_of<'a>(&'a self, run: &'a str) -> &'a str {
        if self.shares_a_job() { &self.id } else { run }
    }

    /// The container that is a run, if its pod has several.
    pub(super) fn container_of(&self, run: &str) -> Option<String> {
        let index = self.members.iter().position(|m| m.run.id == run)?;
        let has_several = self.how == KubeDeployment::Container;
        has_several.then(|| job::container_name(&self.application, index))
    }

    /// The pod of a run. Pods of one Job are all alike: each is taken for a run that is planned on its node, or else, where
    /// the scheduler placed it otherwise, for any.
    pub(super) fn pod_of<'a>(&self, run: &str, pods: &'a pod_watcher::Pods) -> Option<&'a Pod> {
        if self.how != KubeDeployment::Pod {
            return pods.of(self.job_of(run)).next();
        }
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for pod in pods.of(&self.id) {
            let node = pod.spec.as_ref().and_then(|s| s.node_name.as_deref());
            let name = pod::name(pod);
            let Some(node) = node.filter(|_| !taken.values().any(|pod| pod == name)) else {
                continue;
            };
            let free = || {
                let is_free = |m: &&Member| !taken.contains_key(&m.run.id);
                self.members.iter().filter(is_free)
            };
            let there = free().find(|m| node_name(&m.node) == node);
            if let Some(id) = there.or_else(|| free().next()).map(|m| m.run.id.clone()) {
                taken.insert(id, name.to_owned());
            }
        }
        pods.by_name.get(taken.get(run)?)
    }
}

/// Creates a Job, and says when that was, by the API.
pub(super) async fn create(client: &Client, id: &str, job: &Job) -> Result<Option<i64>, Error> {
    let jobs: Api<Job> = Api::default_namespaced(client.clone());
    let parameters = PostParams::default();
    let create = || async {
        match jobs.create(&parameters, job).await {
            // An answer got lost, and this is the second time of asking: the name is this run's own.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            other => other.map(|job| job.metadata.creation_timestamp),
        }
    };
    let created = ask(&format!("create the Job of run {id}"), create).await?;
    Ok(created.map(|at| at.0.as_second()))
}

#[cfg(test)]
mod tests;
