//! Service `Metrics`.

use super::{Answers, answer_channel};
use crate::state::AgentState;
use continuum_proto as wire;
use std::sync::Arc;
use tonic::{Request, Response, Status};

pub(super) struct Service(pub(super) Arc<AgentState>);

#[tonic::async_trait]
impl wire::metrics_server::Metrics for Service {
    type StreamStream = Answers<wire::MetricsBatch>;

    async fn snapshot(
        &self,
        _request: Request<wire::SnapshotRequest>,
    ) -> Result<Response<wire::SnapshotResponse>, Status> {
        let sample = self.0.metrics.last();
        Ok(Response::new(wire::SnapshotResponse { sample }))
    }

    async fn stream(
        &self,
        request: Request<wire::StreamMetricsRequest>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let ring = Arc::clone(&self.0.metrics);
        let shutdown = self.0.shutdown.clone();
        let (sender, answers) = answer_channel();
        tokio::spawn(async move {
            let mut changed = ring.changed();
            let (mut sample_seq, mut event_seq) = (request.into_inner().after_seq, 0);
            loop {
                changed.mark_unchanged();
                let new = ring.after(sample_seq, event_seq);
                sample_seq = new.samples.last().map_or(sample_seq, |s| s.seq);
                event_seq = new.events.last().map_or(event_seq, |e| e.seq);
                let is_empty = new.samples.is_empty() && new.events.is_empty();
                if !is_empty && sender.send(Ok(new)).await.is_err() {
                    return;
                }
                tokio::select! {
                    result = changed.changed() => if result.is_err() { return },
                    () = sender.closed() => return,
                    () = shutdown.cancelled() => return,
                }
            }
        });
        Ok(Response::new(answers))
    }
}
