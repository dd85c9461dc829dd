//! Service `Workload`.

use super::{Answers, answer_channel, node::send_file};
use crate::{
    error::AgentError,
    files,
    state::AgentState,
    workload::{Container, EventKind, Limits, RunEvent, WorkloadSpec},
};
use continuum_proto as wire;
use std::{sync::Arc, time::Duration};
use tonic::{Request, Response, Status};
use wire::workload_event;

pub(super) struct Service(pub(super) Arc<AgentState>);

fn event(event: RunEvent) -> wire::WorkloadEvent {
    let kind = match event.kind {
        EventKind::Line(line) => workload_event::Event::Line(line),
        EventKind::Log(line) => workload_event::Event::Log(line),
        EventKind::Exit(exit) => workload_event::Event::Exit(wire::WorkloadExit {
            code: exit.code,
            signal: exit.signal,
            reason: exit.reason,
            oom_kills: exit.oom_kills,
            cpu_us: exit.cpu.as_micros() as u64,
            memory_peak_bytes: exit.memory_peak_bytes,
        }),
    };
    wire::WorkloadEvent {
        seq: event.seq,
        time_unix_ns: event.time_unix_ns,
        event: Some(kind),
    }
}

#[tonic::async_trait]
impl wire::workload_server::Workload for Service {
    type WatchStream = Answers<wire::WorkloadEvent>;
    type CollectStream = Answers<wire::CollectWorkloadResponse>;

    async fn start(
        &self,
        request: Request<wire::StartWorkloadRequest>,
    ) -> Result<Response<wire::StartWorkloadResponse>, Status> {
        let request = request.into_inner();
        if !request.cpu_cores.is_finite() || request.cpu_cores < 0.0 {
            return Err(AgentError::Invalid(format!("cpu_cores is {}", request.cpu_cores)).into());
        }
        let spec = WorkloadSpec {
            id: request.id,
            bench: request.bench,
            spec_json: request.spec_json,
            limits: Limits {
                cpu_cores: (request.cpu_cores > 0.0).then_some(request.cpu_cores),
                memory_bytes: (request.memory_bytes > 0).then_some(request.memory_bytes),
            },
            lease: (request.lease_ms > 0).then(|| Duration::from_millis(request.lease_ms)),
            container: request.container.map(|c| Container {
                runtime: c.runtime,
                image: c.image,
                command: c.command,
                env: c.env.into_iter().collect(),
            }),
        };
        let started = self.0.workloads.start(spec).await?;
        let (cpu_max, memory_max) = started.enforced.clone().unwrap_or_default();
        Ok(Response::new(wire::StartWorkloadResponse {
            pid: started.pid,
            limits_enforced: started.enforced.is_some(),
            cpu_max,
            memory_max,
        }))
    }

    async fn watch(
        &self,
        request: Request<wire::WatchWorkloadRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let request = request.into_inner();
        let run = self.0.workloads.get(&request.id)?;
        let (sender, answers) = answer_channel();
        let guard = run.contact().open_stream();
        tokio::spawn(async move {
            let _contact = guard;
            let mut changed = run.changed();
            let mut seq = request.after_seq;
            loop {
                changed.mark_unchanged();
                for next in run.after(seq) {
                    seq = next.seq;
                    let last = matches!(next.kind, EventKind::Exit(_));
                    if sender.send(Ok(event(next))).await.is_err() || last {
                        return;
                    }
                }
                tokio::select! {
                    result = changed.changed() => if result.is_err() { return },
                    () = sender.closed() => return,
                }
            }
        });
        Ok(Response::new(answers))
    }

    async fn stop(
        &self,
        request: Request<wire::StopWorkloadRequest>,
    ) -> Result<Response<wire::StopWorkloadResponse>, Status> {
        self.0
            .workloads
            .get(&request.into_inner().id)?
            .stop("the controller asked for it")
            .await;
        Ok(Response::new(wire::StopWorkloadResponse {}))
    }

    async fn collect(
        &self,
        request: Request<wire::CollectWorkloadRequest>,
    ) -> Result<Response<Self::CollectStream>, Status> {
        let request = request.into_inner();
        let path = self.0.workloads.file(&request.id, &request.name)?;
        let file = files::open_plain(&path).await?;
        let (sender, answers) = answer_channel();
        tokio::spawn(async move {
            let sent = send_file(file, |chunk| async {
                sender
                    .send(Ok(wire::CollectWorkloadResponse { chunk }))
                    .await
                    .is_ok()
            });
            if let Err(status) = sent.await {
                sender.send(Err(status)).await.ok();
            }
        });
        Ok(Response::new(answers))
    }
}
