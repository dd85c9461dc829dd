//! What an agent says over time. A broken connection is seen by keep-alive within seconds, so these need no deadline
//! of their own; programs have theirs at the agent.

use super::{CALL_DEADLINE, GrpcAgent, convert::from_sample, retry::Outage};
use crate::types::{ExecOutput, MetricsFrom, RunEvent, RunEventKind};
use continuum_host::error::Error;
use continuum_model::{MetricsBatch, NodeEvent, NodeTime, RunExit};
use continuum_proto as wire;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};

impl GrpcAgent {
    /// Runs a program that is given all of `input`.
    pub async fn exec_with(
        &self,
        argv: &[String],
        timeout: Duration,
        input: impl Stream<Item = Vec<u8>> + Send + 'static,
    ) -> Result<ExecOutput, Error> {
        let first = wire::ExecRequest {
            id: uuid::Uuid::new_v4().to_string(),
            argv: argv.to_vec(),
            timeout_ms: timeout.as_millis() as u64,
            ..wire::ExecRequest::default()
        };
        let doing = format!("run `{}`", argv.join(" "));
        let more = input.map(|bytes| wire::ExecRequest {
            stdin: bytes.into(),
            ..wire::ExecRequest::default()
        });
        let requests = tokio_stream::once(first).chain(more);
        let mut client = self.node_client();
        let mut stream = self
            .call(&doing, CALL_DEADLINE, client.exec(requests))
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
        // On the wire it stands for all of them.
        if lines == 0 {
            return Ok(Vec::new());
        }
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
        let (mut after_seq, mut outage) = (0, Outage::default());
        loop {
            let request = wire::WatchWorkloadRequest {
                id: id.to_owned(),
                after_seq,
            };
            let mut client = self.workload();
            let part = async {
                let mut stream = client.watch(request).await?.into_inner();
                // A silent run is none that cannot be reached.
                outage.ended();
                while let Some(event) = stream.message().await? {
                    let missed = missed(after_seq, event.seq);
                    after_seq = event.seq;
                    if let Some(count) = missed {
                        let gap = RunEvent {
                            time_unix_ns: NodeTime::from_unix_ns(event.time_unix_ns),
                            kind: RunEventKind::Missed(count),
                        };
                        if events.send(gap).await.is_err() {
                            break;
                        }
                    }
                    if let Some(event) = run_event(event)
                        && events.send(event).await.is_err()
                    {
                        break;
                    }
                }
                Ok(())
            };
            match part.await {
                Ok(()) => return Ok(()),
                Err(status) => outage.wait(status).await.map_err(self.failed(&doing))?,
            }
        }
    }

    pub(super) async fn follow_metrics(
        &self,
        batches: mpsc::Sender<MetricsBatch>,
        from: MetricsFrom,
    ) -> Result<(), Error> {
        let doing = "stream its metrics";
        let (mut after_seq, mut event_seq, mut outage) = (None, 0, Outage::default());
        loop {
            let part = async {
                let mut client = wire::metrics_client::MetricsClient::new(self.channel.clone());
                let newest = client.snapshot(wire::SnapshotRequest {}).await?;
                let newest = newest.into_inner().sample.map_or(0, |s| s.seq);
                let after = match (after_seq, from) {
                    (Some(seq), _) if seq <= newest => seq,
                    (None, MetricsFrom::Now) => newest.saturating_sub(1),
                    // An agent that was started again counts from the beginning.
                    (Some(_), _) | (None, MetricsFrom::Kept) => {
                        event_seq = 0;
                        0
                    }
                };
                after_seq = Some(after);
                let request = wire::StreamMetricsRequest { after_seq: after };
                let mut stream = client.stream(request).await?.into_inner();
                outage.ended();
                while let Some(batch) = stream.message().await? {
                    after_seq = batch.samples.last().map(|s| s.seq).or(after_seq);
                    // A new stream begins with all events that are kept.
                    let mut batch = batch;
                    batch.events.retain(|e| e.seq > event_seq);
                    event_seq = batch.events.last().map_or(event_seq, |e| e.seq);
                    if batches.send(metrics_batch(batch)).await.is_err() {
                        break;
                    }
                }
                Ok(())
            };
            match part.await {
                Ok(()) => return Ok(()),
                Err(status) => outage.wait(status).await.map_err(self.failed(doing))?,
            }
        }
    }
}

/// Events between two numbers, which an agent has no more: it keeps the newest.
fn missed(after_seq: u64, seq: u64) -> Option<u64> {
    let next = after_seq.saturating_add(1);
    seq.checked_sub(next).filter(|count| *count > 0)
}

fn run_event(event: wire::WorkloadEvent) -> Option<RunEvent> {
    let kind = match event.event? {
        wire::workload_event::Event::Line(line) => RunEventKind::Line(line),
        wire::workload_event::Event::Log(line) => RunEventKind::Log(line),
        wire::workload_event::Event::Exit(exit) => RunEventKind::Exit(RunExit {
            code: exit.code,
            signal: exit.signal,
            reason: exit.reason,
            oom_kills: exit.oom_kills,
            cpu_us: exit.cpu_us,
            memory_peak_bytes: exit.memory_peak_bytes,
        }),
    };
    Some(RunEvent {
        time_unix_ns: NodeTime::from_unix_ns(event.time_unix_ns),
        kind,
    })
}

fn metrics_batch(batch: wire::MetricsBatch) -> MetricsBatch {
    MetricsBatch {
        samples: batch.samples.into_iter().map(from_sample).collect(),
        dropped: batch.dropped,
        events: batch
            .events
            .into_iter()
            .map(|e| NodeEvent {
                time_unix_ns: NodeTime::from_unix_ns(e.time_unix_ns),
                source: e.source,
                text: e.text,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_numbers_is_counted() {
        assert_eq!(missed(0, 1), None);
        assert_eq!(missed(7, 8), None);
        assert_eq!(missed(0, 3), Some(2));
        assert_eq!(missed(7, 18), Some(10));
        // An event that came before is no gap.
        assert_eq!(missed(7, 7), None);
    }
}
