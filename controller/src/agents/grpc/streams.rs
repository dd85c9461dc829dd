//! What an agent says over time. A broken connection is seen by keep-alive within seconds, so these need no deadline
//! of their own; programs have theirs at the agent.

use super::{CALL_DEADLINE, GrpcAgent, convert::from_sample};
use crate::{
    agents::types::{Agent, ExecOutput, MetricsBatch, NodeEvent, RunEvent, RunEventKind, RunExit},
    error::Error,
};
use continuum_proto as wire;
use std::time::Duration;
use tokio::sync::mpsc;

impl GrpcAgent {
    pub(super) async fn run_program(
        &self,
        argv: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Error> {
        let request = wire::ExecRequest {
            id: uuid::Uuid::new_v4().to_string(),
            argv: argv.to_vec(),
            timeout_ms: timeout.as_millis() as u64,
            ..wire::ExecRequest::default()
        };
        let doing = format!("run `{}`", argv.join(" "));
        let mut client = self.node_client();
        let mut stream = self
            .call(&doing, CALL_DEADLINE, client.exec(request))
            .await?
            .into_inner();
        let mut output = ExecOutput::default();
        while let Some(answer) = stream.message().await.map_err(self.failed(&doing))? {
            match answer.event {
                Some(wire::exec_response::Event::Stdout(bytes)) => output.stdout.extend(bytes),
                Some(wire::exec_response::Event::Stderr(bytes)) => output.stderr.extend(bytes),
                Some(wire::exec_response::Event::Exit(exit)) => {
                    output.code = exit.code;
                    output.signal = exit.signal;
                    output.timed_out = exit.timed_out;
                    output.dropped_bytes = exit.dropped_bytes;
                }
                None => {}
            }
        }
        Ok(output)
    }

    pub(super) async fn read_logs(&self, source: &str, lines: u32) -> Result<Vec<String>, Error> {
        let request = wire::LogsRequest {
            source: source.to_owned(),
            tail_lines: lines,
        };
        let doing = "send its log";
        let mut client = self.node_client();
        let mut stream = self
            .call(doing, CALL_DEADLINE, client.logs(request))
            .await?
            .into_inner();
        let mut all = Vec::new();
        while let Some(answer) = stream.message().await.map_err(self.failed(doing))? {
            all.extend(answer.lines);
        }
        Ok(all)
    }

    pub(super) async fn follow_run(
        &self,
        id: &str,
        events: mpsc::Sender<RunEvent>,
    ) -> Result<(), Error> {
        let doing = format!("tell about run {id}");
        let request = wire::WatchWorkloadRequest {
            id: id.to_owned(),
            after_seq: 0,
        };
        let mut client = self.workload();
        let call = client.watch(request);
        let mut stream = self.call(&doing, CALL_DEADLINE, call).await?.into_inner();
        while let Some(event) = stream.message().await.map_err(self.failed(&doing))? {
            let kind = match event.event {
                Some(wire::workload_event::Event::Line(line)) => RunEventKind::Line(line),
                Some(wire::workload_event::Event::Log(line)) => RunEventKind::Log(line),
                Some(wire::workload_event::Event::Exit(exit)) => RunEventKind::Exit(RunExit {
                    code: exit.code,
                    signal: exit.signal,
                    reason: exit.reason,
                    oom_kills: exit.oom_kills,
                    cpu_us: exit.cpu_us,
                    memory_peak_bytes: exit.memory_peak_bytes,
                }),
                None => continue,
            };
            if events
                .send(RunEvent {
                    time_unix_ns: event.time_unix_ns,
                    kind,
                })
                .await
                .is_err()
            {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) async fn follow_metrics(
        &self,
        batches: mpsc::Sender<MetricsBatch>,
    ) -> Result<(), Error> {
        let doing = "stream its metrics";
        let after_seq = self.metrics().await?.map_or(0, |s| s.seq);
        let mut client = wire::metrics_client::MetricsClient::new(self.channel.clone());
        let call = client.stream(wire::StreamMetricsRequest { after_seq });
        let mut stream = self.call(doing, CALL_DEADLINE, call).await?.into_inner();
        while let Some(batch) = stream.message().await.map_err(self.failed(doing))? {
            let batch = MetricsBatch {
                samples: batch.samples.into_iter().map(from_sample).collect(),
                dropped: batch.dropped,
                events: batch
                    .events
                    .into_iter()
                    .map(|e| NodeEvent {
                        time_unix_ns: e.time_unix_ns,
                        source: e.source,
                        text: e.text,
                    })
                    .collect(),
            };
            if batches.send(batch).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}
