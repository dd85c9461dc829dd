//! Runs as the controller starts and watches them.

use super::{Agent, wait::within};
use continuum_proto::{self as wire, workload_client::WorkloadClient};
use tonic::{Status, Streaming};
use wire::workload_event::Event;

pub(crate) fn request(id: &str, lease_ms: u64) -> wire::StartWorkloadRequest {
    wire::StartWorkloadRequest {
        id: id.into(),
        spec_json: "{}".into(),
        lease_ms,
        ..wire::StartWorkloadRequest::default()
    }
}

pub(crate) async fn start_as(
    agent: &Agent,
    request: wire::StartWorkloadRequest,
) -> Result<wire::StartWorkloadResponse, Status> {
    let mut client = WorkloadClient::new(agent.connect().await);
    let started = within("the run to start", client.start(request)).await?;
    Ok(started.into_inner())
}

pub(crate) async fn start(
    agent: &Agent,
    id: &str,
    lease_ms: u64,
) -> Result<wire::StartWorkloadResponse, Status> {
    start_as(agent, request(id, lease_ms)).await
}

pub(crate) async fn stop(agent: &Agent, id: &str) -> Result<(), Status> {
    let mut client = WorkloadClient::new(agent.connect().await);
    let stop = client.stop(wire::StopWorkloadRequest { id: id.into() });
    within("the run to stop", stop).await.map(drop)
}

pub(crate) async fn collect(agent: &Agent, id: &str, name: &str) -> Result<Vec<u8>, Status> {
    let mut client = WorkloadClient::new(agent.connect().await);
    let request = wire::CollectWorkloadRequest {
        id: id.into(),
        name: name.into(),
    };
    let mut chunks = within("Collect", client.collect(request))
        .await?
        .into_inner();
    let mut bytes = Vec::new();
    while let Some(next) = within("a piece of the file", chunks.message()).await? {
        bytes.extend_from_slice(&next.chunk);
    }
    Ok(bytes)
}

/// The events of one run, sorted by kind.
pub(crate) struct Watch {
    events: Streaming<wire::WorkloadEvent>,
    pub(crate) seqs: Vec<u64>,
    pub(crate) lines: Vec<String>,
    pub(crate) log: Vec<String>,
}

impl Watch {
    pub(crate) async fn open(agent: &Agent, id: &str, after_seq: u64) -> Result<Self, Status> {
        let mut client = WorkloadClient::new(agent.connect().await);
        let request = wire::WatchWorkloadRequest {
            id: id.into(),
            after_seq,
        };
        let events = within("Watch", client.watch(request)).await?.into_inner();
        Ok(Self {
            events,
            seqs: Vec::new(),
            lines: Vec::new(),
            log: Vec::new(),
        })
    }

    async fn next(&mut self) -> Option<wire::WorkloadExit> {
        let event = within("an event of the run", self.events.message()).await;
        let event = event
            .expect("events")
            .expect("an end is told before the stream ends");
        self.seqs.push(event.seq);
        match event.event.expect("an event") {
            Event::Line(line) => self.lines.push(line),
            Event::Log(line) => self.log.push(line),
            Event::Exit(exit) => return Some(exit),
        }
        None
    }

    /// Reads to the run's end, which must also be the stream's.
    pub(crate) async fn exit(&mut self) -> wire::WorkloadExit {
        loop {
            if let Some(exit) = self.next().await {
                let after = within("the end of the stream", self.events.message()).await;
                assert!(after.expect("an end").is_none(), "an event after the end");
                return exit;
            }
        }
    }

    /// The next line that the run prints.
    pub(crate) async fn next_line(&mut self) -> String {
        let had = self.lines.len();
        while self.lines.len() == had {
            assert!(self.next().await.is_none(), "it ended: {:?}", self.log);
        }
        self.lines[had].clone()
    }

    /// Waits until it has printed this line.
    pub(crate) async fn line(&mut self, wanted: &str) {
        while self.next_line().await != wanted {}
    }
}
