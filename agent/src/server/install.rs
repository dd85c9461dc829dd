//! Service `Install`.

use super::{Answers, answer_channel};
use crate::{
    error::AgentError,
    install::{self, InstallSpec, Installer, Progress, Step, StepState},
    state::AgentState,
    store::Artifact,
    system::HostSystem,
};
use continuum_proto as wire;
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status, Streaming};
use wire::upload_request;

pub(super) struct Service(pub(super) Arc<AgentState>);

fn artifact(a: wire::Artifact) -> Artifact {
    Artifact {
        name: a.name,
        sha256: a.sha256.to_ascii_lowercase(),
        size_bytes: a.size_bytes,
        image: a.image,
    }
}

fn step(step: Step) -> wire::InstallProgress {
    let state = match step.state {
        StepState::Running => wire::InstallState::Running,
        StepState::Done => wire::InstallState::Done,
        StepState::Unchanged => wire::InstallState::Unchanged,
    };
    wire::InstallProgress {
        step: step.name.into(),
        state: state.into(),
        detail: step.detail,
        elapsed_ms: step.elapsed.as_millis() as u64,
    }
}

impl Service {
    /// Digests of those that somebody must send: neither they are here, nor what they hold.
    async fn lacking(&self, wanted: &[Artifact]) -> Result<BTreeSet<String>, AgentError> {
        let lacking: Vec<&Artifact> = wanted.iter().filter(|a| !self.0.store.has(a)).collect();
        let images = if self.0.config.own_machine {
            let wanted = lacking.iter().map(|a| &*a.image);
            install::present_images(&HostSystem, wanted).await?
        } else {
            BTreeSet::new()
        };
        let lacking = lacking.into_iter().filter(|a| !images.contains(&a.image));
        Ok(lacking.map(|a| a.sha256.clone()).collect())
    }

    fn check(&self, installer: &dyn Installer, spec: &InstallSpec) -> Result<(), AgentError> {
        if installer.needs_own_machine(spec) && !self.0.config.own_machine {
            return Err(AgentError::Unsupported {
                doing: "install software",
                why: "it shares its machine with others",
            });
        }
        install::check_options(installer, spec)
    }

    /// Runs `work` and streams its steps, then its error if there is one.
    fn stream<F>(
        &self,
        work: impl FnOnce(Progress) -> F + Send + 'static,
    ) -> Answers<wire::InstallProgress>
    where
        F: Future<Output = Result<(), AgentError>> + Send,
    {
        let (sender, answers) = answer_channel();
        let (steps, mut incoming) = mpsc::unbounded_channel();
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            let forward = async {
                while let Some(next) = incoming.recv().await {
                    // The work goes on when the reader is gone: half an installation helps nobody.
                    sender.send(Ok(step(next))).await.ok();
                }
            };
            let work = async {
                let _one_at_a_time = state.install_lock.lock().await;
                work(Progress::new(steps)).await
            };
            let (result, ()) = tokio::join!(work, forward);
            if let Err(error) = result {
                sender.send(Err(error.into())).await.ok();
            }
        });
        answers
    }
}

#[tonic::async_trait]
impl wire::install_server::Install for Service {
    type ApplyStream = Answers<wire::InstallProgress>;

    async fn missing(
        &self,
        request: Request<wire::MissingRequest>,
    ) -> Result<Response<wire::MissingResponse>, Status> {
        let wanted: Vec<Artifact> = request
            .into_inner()
            .artifacts
            .into_iter()
            .map(artifact)
            .collect();
        for one in &wanted {
            self.0.store.path(one)?;
        }
        let lacking = self.lacking(&wanted).await?;
        let artifacts = wanted.into_iter().filter(|a| lacking.contains(&a.sha256));
        let artifacts = artifacts
            .map(|a| wire::Artifact {
                name: a.name,
                sha256: a.sha256,
                size_bytes: a.size_bytes,
                image: a.image,
            })
            .collect();
        Ok(Response::new(wire::MissingResponse { artifacts }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<wire::UploadRequest>>,
    ) -> Result<Response<wire::UploadResponse>, Status> {
        let mut stream = request.into_inner();
        let Some(wire::UploadRequest {
            part: Some(upload_request::Part::Artifact(announced)),
        }) = stream.message().await?
        else {
            return Err(AgentError::Invalid("the first part must name the artifact".into()).into());
        };
        let mut incoming = self.0.store.receive(&artifact(announced)).await?;
        while let Some(message) = stream.message().await? {
            match message.part {
                Some(upload_request::Part::Chunk(chunk)) => incoming.write(&chunk).await?,
                _ => return Err(AgentError::Invalid("a second artifact".into()).into()),
            }
        }
        incoming.finish().await?;
        Ok(Response::new(wire::UploadResponse {}))
    }

    async fn apply(
        &self,
        request: Request<wire::ApplyComponentRequest>,
    ) -> Result<Response<Self::ApplyStream>, Status> {
        let request = request.into_inner();
        let installer = install::find(&request.component)?;
        let mut spec = InstallSpec {
            options: request.options.into_iter().collect(),
            artifacts: Vec::new(),
        };
        let artifacts: Vec<Artifact> = request.artifacts.into_iter().map(artifact).collect();
        let lacking = self.lacking(&artifacts).await?;
        for wanted in artifacts {
            if lacking.contains(&wanted.sha256) {
                return Err(Status::failed_precondition(format!(
                    "artifact `{}` (sha256 {}) was not uploaded",
                    wanted.name, wanted.sha256
                )));
            }
            let path = self.0.store.path(&wanted)?;
            spec.artifacts.push((wanted, path));
        }
        self.check(installer, &spec)?;
        Ok(Response::new(self.stream(move |progress| async move {
            installer.apply(&spec, &HostSystem, &progress).await
        })))
    }
}
