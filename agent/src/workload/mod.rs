//! Runs of applications: each a supervised child in a control group of its own, watched by the controller.

mod cgroup;
mod container;
mod run;

use crate::{config::AgentConfig, error::AgentError, files, logs::LogRing, metrics::MetricsRing};
use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub(crate) use cgroup::{CgroupBase, Limits};
pub(crate) use container::Container;
pub(crate) use run::{EventKind, Run, RunEvent};

/// What is to be started.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WorkloadSpec {
    /// Unique in the deployment.
    pub id: String,
    /// Runs of one bench are started together; those of another would disturb them.
    pub bench: String,
    /// Handed to the program unread.
    pub spec_json: String,
    /// Enforced where the node can.
    pub limits: Limits,
    /// Ends the run when the controller is silent for so long; `None` = never.
    pub lease: Option<Duration>,
    /// In a container; `None` = as a process.
    pub container: Option<Container>,
}

#[derive(Debug, Clone)]
pub(crate) struct Started {
    pub pid: u32,
    /// `cpu.max` and `memory.max` as read back; `None` where nothing is enforced.
    pub enforced: Option<(String, String)>,
}

/// Runs that are kept for collection after their end.
const RUNS_KEPT: usize = 32;

/// All runs of this node.
#[derive(Debug)]
pub(crate) struct Workloads {
    config: AgentConfig,
    logs: Arc<LogRing>,
    metrics: Arc<MetricsRing>,
    cgroups: Option<CgroupBase>,
    runs: Mutex<HashMap<String, Arc<Run>>>,
    /// What was asked for and answered, by run; held while one starts.
    begun: tokio::sync::Mutex<HashMap<String, (WorkloadSpec, Started)>>,
}

impl Workloads {
    /// Without runs; `cgroups` is `None` where limits cannot be enforced.
    pub(crate) fn new(
        config: AgentConfig,
        logs: Arc<LogRing>,
        metrics: Arc<MetricsRing>,
        cgroups: Option<CgroupBase>,
    ) -> Self {
        Self {
            config,
            logs,
            metrics,
            cgroups,
            runs: Mutex::default(),
            begun: tokio::sync::Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Run>>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether limits are enforced here.
    pub(crate) fn enforces_limits(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Directory of a run's files.
    fn directory(&self, id: &str) -> Result<PathBuf, AgentError> {
        let right = !id.is_empty()
            && id.len() <= 64
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !right {
            return Err(AgentError::Invalid(format!(
                "run id `{}` must be 1 to 64 letters, digits, `-` or `_`",
                id.escape_debug()
            )));
        }
        Ok(self.config.data_dir.join("runs").join(id))
    }

    /// Starts a run. An id is never used twice: the same request gets the same answer, as a caller needs whose
    /// connection broke; another is refused.
    pub(crate) async fn start(self: &Arc<Self>, spec: WorkloadSpec) -> Result<Started, AgentError> {
        let own = Arc::clone(self);
        // A task of its own, since a caller that goes away must not leave half a start.
        let start = tokio::spawn(async move {
            let mut begun = own.begun.lock().await;
            if let Some((asked, started)) = begun.get(&spec.id)
                && *asked == spec
            {
                return Ok(started.clone());
            }
            let started = own.start_new(spec.clone()).await?;
            begun.retain(|id, _| own.lock().contains_key(id));
            begun.insert(spec.id.clone(), (spec, started.clone()));
            Ok(started)
        });
        start
            .await
            .unwrap_or_else(|e| Err(AgentError::Invalid(format!("the start broke off: {e}"))))
    }

    async fn start_new(&self, spec: WorkloadSpec) -> Result<Started, AgentError> {
        let dir = self.directory(&spec.id)?;
        serde_json::from_str::<serde_json::Value>(&spec.spec_json)
            .map_err(|e| AgentError::Invalid(format!("spec_json is not JSON: {e}")))?;
        claim(&dir, &spec.id).await?;
        self.end_others(&spec.bench).await;
        self.forget_old();
        let started = self.start_in(&dir, spec).await;
        if started.is_err() {
            // Nothing ran: the id is free for another attempt.
            tokio::fs::remove_dir_all(&dir).await.ok();
        }
        started
    }

    async fn start_in(
        &self,
        dir: &std::path::Path,
        spec: WorkloadSpec,
    ) -> Result<Started, AgentError> {
        let error = AgentError::file("write", dir);
        tokio::fs::create_dir(dir.join("out"))
            .await
            .map_err(&error)?;
        tokio::fs::write(dir.join("spec.json"), &spec.spec_json)
            .await
            .map_err(&error)?;
        if spec.container.is_some() {
            // Mounted into the container, whether anything was sent or not.
            let files = self.config.data_dir.join("files");
            tokio::fs::create_dir_all(files).await.map_err(&error)?;
        }
        let group = match &self.cgroups {
            Some(base) => Some(base.create(&spec.id, spec.limits)?),
            None => None,
        };
        let argv = self.argv(dir, &spec, group.as_ref().map(cgroup::Cgroup::path))?;
        let enforced = group.as_ref().map(cgroup::Cgroup::read_back).transpose()?;
        let run = Run::start(
            &spec,
            &argv,
            group,
            Arc::clone(&self.logs),
            Arc::clone(&self.metrics),
        )?;
        let pid = run.pid().unwrap_or_default();
        self.lock().insert(spec.id, run);
        Ok(Started { pid, enforced })
    }

    /// Ends live runs of other benches.
    async fn end_others(&self, bench: &str) {
        let others: Vec<Arc<Run>> = self
            .lock()
            .values()
            .filter(|r| r.pid().is_some() && r.bench() != bench)
            .cloned()
            .collect();
        for run in others {
            run.stop("another bench began").await;
        }
    }

    fn argv(
        &self,
        dir: &std::path::Path,
        spec: &WorkloadSpec,
        cgroup: Option<&std::path::Path>,
    ) -> Result<Vec<String>, AgentError> {
        let text = |path: &std::path::Path| path.display().to_string();
        let bundle = &self.config.bundle;
        let mut argv = vec![
            text(&self.config.helper()?),
            "child".into(),
            format!("--parent={}", std::process::id()),
        ];
        if let Some(container) = &spec.container {
            // The client of the runtime is not of the run: it stays outside the limits.
            argv.push("--".into());
            let cgroup = cgroup.and_then(|c| c.to_str()?.strip_prefix("/sys/fs/cgroup"));
            let place = container::Place {
                id: &spec.id,
                out: &dir.join("out"),
                files: &self.config.data_dir.join("files"),
                cgroup,
            };
            argv.extend(container::argv(container, &place)?);
            return Ok(argv);
        }
        if let Some(cgroup) = cgroup {
            argv.push(format!("--cgroup={}", text(cgroup)));
        }
        argv.push("--".into());
        argv.extend(bundle_program(bundle)?);
        argv.extend([
            "run".into(),
            text(&dir.join("spec.json")),
            format!("--bundle={}", text(bundle)),
            format!("--out={}", text(&dir.join("out"))),
        ]);
        Ok(argv)
    }

    pub(crate) fn get(&self, id: &str) -> Result<Arc<Run>, AgentError> {
        let runs = self.lock();
        runs.get(id).cloned().ok_or_else(|| AgentError::NotFound {
            what: "run",
            name: id.to_owned(),
            known: runs.keys().cloned().collect(),
        })
    }

    /// A file that a run left.
    pub(crate) fn file(&self, id: &str, name: &str) -> Result<PathBuf, AgentError> {
        files::below(&self.directory(id)?.join("out"), name)
    }

    /// Process ids of running ones.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.lock().values().filter_map(|r| r.pid()).collect()
    }

    pub(crate) async fn stop_all(&self, reason: &str) {
        let runs: Vec<_> = self.lock().values().cloned().collect();
        for run in runs {
            run.stop(reason).await;
        }
    }

    fn forget_old(&self) {
        let mut runs = self.lock();
        while runs.len() >= RUNS_KEPT {
            let oldest = runs
                .iter()
                .filter(|(_, r)| r.pid().is_none())
                .min_by_key(|(_, r)| r.started())
                .map(|(id, _)| id.clone());
            let Some(id) = oldest else { return };
            runs.remove(&id);
            if let Ok(dir) = self.directory(&id) {
                std::fs::remove_dir_all(dir).ok();
            }
        }
    }
}

/// Makes a run's directory; of several that ask at once for one id, one gets it.
async fn claim(dir: &std::path::Path, id: &str) -> Result<(), AgentError> {
    let error = AgentError::file("create", dir);
    if let Some(parent) = dir.parent() {
        tokio::fs::create_dir_all(parent).await.map_err(&error)?;
    }
    tokio::fs::create_dir(dir).await.map_err(|source| {
        if source.kind() == std::io::ErrorKind::AlreadyExists {
            AgentError::Exists {
                what: "run",
                name: id.to_owned(),
            }
        } else {
            error(source)
        }
    })
}

/// The workload program of a bundle, through the bundle's own loader where it has one.
fn bundle_program(bundle: &std::path::Path) -> Result<Vec<String>, AgentError> {
    let loader = bundle.join("lib/ld-linux-x86-64.so.2");
    let program = bundle.join("bin/continuum-workload");
    if !program.exists() {
        return Err(AgentError::NotFound {
            what: "workload program",
            name: program.display().to_string(),
            known: Vec::new(),
        });
    }
    let program = program.display().to_string();
    if loader.exists() {
        Ok(vec![
            loader.display().to_string(),
            "--library-path".into(),
            bundle.join("lib").display().to_string(),
            program,
        ])
    } else {
        Ok(vec![program])
    }
}
