//! The agent over gRPC with mutual TLS. The only file of the controller that names wire types.

use super::types::{
    Agent, AppliedLink, ArtifactSource, BrokerSpec, BrokerStats, ClockOffset, ExecOutput, Info,
    InstallStep, MetricsBatch, MetricsSample, NodeEvent, ProbeResult, RunEvent, RunEventKind,
    RunExit, RunStart, StartedRun,
};
use crate::{error::Error, keys::Identity, plan::LinkClass};
use continuum_proto as wire;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};
use tokio::{io::AsyncReadExt, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity},
};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// For calls that answer at once.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// For those that install, start, or transfer.
const LONG_CALL_DEADLINE: Duration = Duration::from_mins(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);
const CHUNK_BYTES: usize = 128 * 1024;
const CLOCK_EXCHANGES: u32 = 15;

/// A connection to one agent; made when first used, and again when it broke.
#[derive(Debug, Clone)]
pub struct GrpcAgent {
    node: String,
    channel: Channel,
}

impl GrpcAgent {
    /// `name` is what the agent's certificate must be for.
    pub fn new(
        node: &str,
        name: &str,
        address: SocketAddr,
        ca_pem: &str,
        own: &Identity,
    ) -> Result<Self, Error> {
        let tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca_pem))
            .identity(TlsIdentity::from_pem(&own.certificate_pem, &own.key_pem))
            .domain_name(name);
        let channel = Endpoint::from_shared(format!("https://{address}"))
            .and_then(|e| e.tls_config(tls))
            .map_err(|e| Error::other(format!("prepare the connection to node {node}"), e))?
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Ok(Self {
            node: node.to_owned(),
            channel,
        })
    }

    fn failed(&self, doing: &str) -> impl FnOnce(Status) -> Error {
        let (doing, node) = (doing.to_owned(), self.node.clone());
        move |status| Error::Agent {
            doing,
            node,
            why: explain(&status),
        }
    }

    async fn call<T>(
        &self,
        doing: &str,
        deadline: Duration,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(deadline, call).await {
            Ok(result) => result.map_err(self.failed(doing)),
            Err(_) => Err(Error::Deadline {
                what: format!("node {} to {doing}", self.node),
                after: deadline,
                last: String::new(),
            }),
        }
    }

    fn workload(&self) -> wire::workload_client::WorkloadClient<Channel> {
        wire::workload_client::WorkloadClient::new(self.channel.clone())
    }

    fn node_client(&self) -> wire::node_client::NodeClient<Channel> {
        wire::node_client::NodeClient::new(self.channel.clone())
    }

    fn network(&self) -> wire::network_client::NetworkClient<Channel> {
        wire::network_client::NetworkClient::new(self.channel.clone())
    }

    async fn upload(&self, artifact: &ArtifactSource) -> Result<(), Error> {
        let file = tokio::fs::File::open(&artifact.path)
            .await
            .map_err(Error::file("read", &artifact.path))?;
        let (sender, receiver) = mpsc::channel(8);
        let header = wire::UploadRequest {
            part: Some(wire::upload_request::Part::Artifact(to_artifact(artifact))),
        };
        tokio::spawn(async move {
            if sender.send(header).await.is_ok() {
                send_chunks(file, |chunk| {
                    let part = Some(wire::upload_request::Part::Chunk(chunk.into()));
                    sender.send(wire::UploadRequest { part })
                })
                .await;
            }
        });
        let mut client = wire::install_client::InstallClient::new(self.channel.clone());
        let call = client.upload(ReceiverStream::new(receiver));
        self.call(&format!("take {}", artifact.name), LONG_CALL_DEADLINE, call)
            .await
            .map(|_| ())
    }
}

/// Status in words, with the transport's own cause.
fn explain(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        source = error.source();
    }
    if text.is_empty() {
        format!("{:?}", status.code())
    } else {
        text
    }
}

async fn send_chunks<F, E>(mut file: tokio::fs::File, mut send: impl FnMut(Vec<u8>) -> F)
where
    F: Future<Output = Result<(), E>>,
{
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(n) if n > 0 => {
                chunk.truncate(n);
                if send(chunk).await.is_err() {
                    return;
                }
            }
            // A file that shrinks while being read fails at the other end: size and digest were announced.
            _ => return,
        }
    }
}

fn to_artifact(a: &ArtifactSource) -> wire::Artifact {
    wire::Artifact {
        name: a.name.clone(),
        sha256: a.sha256.clone(),
        size_bytes: a.size_bytes,
    }
}

fn to_link(class: &LinkClass) -> wire::LinkClass {
    wire::LinkClass {
        name: class.name.clone(),
        latency_ms: class.latency_ms,
        jitter_ms: class.jitter_ms,
        loss_percent: class.loss_percent,
        rate_mbit: class.rate_mbit,
        peers: class
            .peers
            .iter()
            .map(|p| wire::Peer {
                node: p.node.clone(),
                prefixes: p.prefixes.clone(),
            })
            .collect(),
    }
}

fn from_applied(class: wire::AppliedClass) -> AppliedLink {
    let link = class.link.unwrap_or_default();
    AppliedLink {
        name: link.name,
        latency_ms: link.latency_ms,
        jitter_ms: link.jitter_ms,
        loss_percent: link.loss_percent,
        rate_mbit: link.rate_mbit,
        queue_limit_packets: class.queue_limit_packets,
        peers: link.peers.into_iter().map(|p| p.node).collect(),
    }
}

fn from_sample(s: wire::MetricsSample) -> MetricsSample {
    MetricsSample {
        seq: s.seq,
        time_unix_ns: s.time_unix_ns,
        cpu_percent: s.cpu_percent,
        memory_used_bytes: s.memory_used_bytes,
        memory_total_bytes: s.memory_total_bytes,
        network_received_bytes: s.network_received_bytes,
        network_sent_bytes: s.network_sent_bytes,
        disk_read_bytes: s.disk_read_bytes,
        disk_written_bytes: s.disk_written_bytes,
        agent_rss_bytes: s.agent_rss_bytes,
        broker_rss_bytes: s.broker_rss_bytes,
        workload_rss_bytes: s.workload_rss_bytes,
    }
}

fn now_unix_ns() -> i64 {
    continuum_workload_core::clock::AnchoredClock::start().now_unix_ns()
}

#[async_trait::async_trait]
impl Agent for GrpcAgent {
    fn node(&self) -> &str {
        &self.node
    }

    async fn info(&self) -> Result<Info, Error> {
        let request = wire::InfoRequest {
            controller_version: env!("CARGO_PKG_VERSION").into(),
            protocol_version: wire::PROTOCOL_VERSION,
        };
        let mut client = self.node_client();
        let info = self
            .call("say who it is", CALL_DEADLINE, client.info(request))
            .await?
            .into_inner();
        Ok(Info {
            node: info.node,
            deployment_id: info.deployment_id,
            agent_version: info.agent_version,
            hostname: info.hostname,
            os: info.os,
            kernel: info.kernel,
            cpus: info.cpus,
            memory_bytes: info.memory_bytes,
            uptime_s: info.uptime_s,
            boot_id: info.boot_id,
            capabilities: info.capabilities,
            components: info.components,
        })
    }

    async fn clock_offset(&self) -> Result<ClockOffset, Error> {
        let mut client = wire::clock_client::ClockClient::new(self.channel.clone());
        let mut best: Option<ClockOffset> = None;
        for _ in 0..CLOCK_EXCHANGES {
            let sent = now_unix_ns();
            let call = client.exchange(wire::ClockExchangeRequest {});
            let answer = self
                .call("tell the time", CALL_DEADLINE, call)
                .await?
                .into_inner();
            let received = now_unix_ns();
            let round_trip = (received - sent) - (answer.sent_unix_ns - answer.received_unix_ns);
            let offset_ns = i64::midpoint(
                answer.received_unix_ns - sent,
                answer.sent_unix_ns - received,
            );
            let measured = ClockOffset {
                offset_ns,
                error_ns: round_trip / 2,
            };
            if best.is_none_or(|b| measured.error_ns < b.error_ns) {
                best = Some(measured);
            }
        }
        Ok(best.unwrap_or_default())
    }

    async fn exec(&self, argv: &[String], timeout: Duration) -> Result<ExecOutput, Error> {
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
                }
                None => {}
            }
        }
        Ok(output)
    }

    async fn logs(&self, source: &str, lines: u32) -> Result<Vec<String>, Error> {
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

    async fn put(&self, source: &Path, path: &str) -> Result<String, Error> {
        let bytes = tokio::fs::metadata(source)
            .await
            .map_err(Error::file("read", source))?
            .len();
        let sha256 = continuum_images::hash::file(source)?;
        let file = tokio::fs::File::open(source)
            .await
            .map_err(Error::file("read", source))?;
        let (sender, receiver) = mpsc::channel(8);
        let header = wire::FileHeader {
            path: path.to_owned(),
            sha256,
            size_bytes: bytes,
            mode: 0o644,
        };
        tokio::spawn(async move {
            let part = Some(wire::put_request::Part::Header(header));
            if sender.send(wire::PutRequest { part }).await.is_ok() {
                send_chunks(file, |chunk| {
                    let part = Some(wire::put_request::Part::Chunk(chunk.into()));
                    sender.send(wire::PutRequest { part })
                })
                .await;
            }
        });
        let mut client = self.node_client();
        let call = client.put(ReceiverStream::new(receiver));
        let answer = self
            .call(&format!("write {path}"), LONG_CALL_DEADLINE, call)
            .await?;
        Ok(answer.into_inner().path)
    }

    async fn get(&self, path: &str, target: &Path) -> Result<u64, Error> {
        let doing = format!("send {path}");
        let request = wire::GetRequest {
            path: path.to_owned(),
        };
        let mut client = self.node_client();
        let mut stream = self
            .call(&doing, CALL_DEADLINE, client.get(request))
            .await?
            .into_inner();
        let mut file = tokio::fs::File::create(target)
            .await
            .map_err(Error::file("create", target))?;
        let (mut want, mut bytes) = (String::new(), 0_u64);
        let mut hasher = Sha256::new();
        while let Some(answer) = stream.message().await.map_err(self.failed(&doing))? {
            match answer.part {
                Some(wire::get_response::Part::Header(header)) => want = header.sha256,
                Some(wire::get_response::Part::Chunk(chunk)) => {
                    hasher.update(&chunk);
                    bytes += chunk.len() as u64;
                    tokio::io::AsyncWriteExt::write_all(&mut file, &chunk)
                        .await
                        .map_err(Error::file("write", target))?;
                }
                None => {}
            }
        }
        tokio::io::AsyncWriteExt::flush(&mut file)
            .await
            .map_err(Error::file("write", target))?;
        if hex::encode(hasher.finalize()) != want {
            return Err(Error::Agent {
                doing,
                node: self.node.clone(),
                why: "what came does not have the digest that was announced".into(),
            });
        }
        Ok(bytes)
    }

    async fn install(
        &self,
        component: &str,
        options: BTreeMap<String, String>,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        let doing = format!("install {component}");
        let mut client = wire::install_client::InstallClient::new(self.channel.clone());
        let announced: Vec<_> = artifacts.iter().map(to_artifact).collect();
        let request = wire::MissingRequest {
            artifacts: announced.clone(),
        };
        let missing = self
            .call(&doing, CALL_DEADLINE, client.missing(request))
            .await?
            .into_inner();
        for lacking in missing.artifacts {
            if let Some(artifact) = artifacts.iter().find(|a| a.sha256 == lacking.sha256) {
                self.upload(artifact).await?;
            }
        }
        let request = wire::ApplyComponentRequest {
            component: component.to_owned(),
            options: options.into_iter().collect(),
            artifacts: announced,
        };
        let work = async {
            let mut stream = client.apply(request).await?.into_inner();
            while let Some(step) = stream.message().await? {
                let state = match step.state() {
                    wire::InstallState::Done => "done",
                    wire::InstallState::Unchanged => "unchanged",
                    wire::InstallState::Running | wire::InstallState::Unspecified => "running",
                };
                steps(InstallStep {
                    step: step.step,
                    state,
                    detail: step.detail,
                });
            }
            Ok(())
        };
        self.call(&doing, LONG_CALL_DEADLINE, work).await
    }

    async fn start_broker(&self, spec: BrokerSpec) -> Result<(), Error> {
        let request = wire::StartBrokerRequest {
            backend: spec.backend,
            listen: spec.listen,
            max_connections: spec.max_connections,
            max_payload_bytes: spec.max_payload_bytes,
        };
        let mut client = wire::broker_client::BrokerClient::new(self.channel.clone());
        let call = client.start(request);
        self.call("start the MQTT broker", Duration::from_mins(1), call)
            .await
            .map(|_| ())
    }

    async fn broker_stats(&self) -> Result<BrokerStats, Error> {
        let mut client = wire::broker_client::BrokerClient::new(self.channel.clone());
        let call = client.stats(wire::BrokerStatsRequest {});
        let s = self
            .call("tell about its broker", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(BrokerStats {
            running: s.running,
            backend: s.backend,
            listen: s.listen,
            restarts: s.restarts,
            rss_bytes: s.rss_bytes,
            connections: s.connections,
            publishes: s.publishes,
        })
    }

    async fn apply_links(&self, classes: &[LinkClass]) -> Result<Vec<AppliedLink>, Error> {
        let request = wire::ApplyNetworkRequest {
            classes: classes.iter().map(to_link).collect(),
        };
        let mut client = self.network();
        let call = client.apply(request);
        let answer = self
            .call("emulate links", Duration::from_mins(1), call)
            .await?
            .into_inner();
        Ok(answer.classes.into_iter().map(from_applied).collect())
    }

    async fn links(&self) -> Result<(Vec<AppliedLink>, String), Error> {
        let mut client = self.network();
        let call = client.show(wire::ShowNetworkRequest {});
        let answer = self
            .call("show its links", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok((
            answer.classes.into_iter().map(from_applied).collect(),
            answer.tc_text,
        ))
    }

    async fn probe(
        &self,
        address: &str,
        count: u32,
        interval: Duration,
    ) -> Result<ProbeResult, Error> {
        let request = wire::ProbeRequest {
            address: address.to_owned(),
            count,
            interval_ms: interval.as_millis() as u32,
        };
        let mut client = self.network();
        let deadline = CALL_DEADLINE + interval * count;
        let call = client.probe(request);
        let answer = self
            .call(&format!("ping {address}"), deadline, call)
            .await?
            .into_inner();
        Ok(ProbeResult {
            rtt_ms: answer.rtt_ms,
            sent: answer.sent,
            lost: answer.lost,
        })
    }

    async fn start_run(&self, run: RunStart) -> Result<StartedRun, Error> {
        let doing = format!("start run {}", run.id);
        let request = wire::StartWorkloadRequest {
            id: run.id,
            spec_json: run.spec_json,
            cpu_cores: run.cpu_cores,
            memory_bytes: run.memory_bytes,
            lease_ms: run.lease.as_millis() as u64,
        };
        let mut client = self.workload();
        let call = client.start(request);
        let started = self.call(&doing, CALL_DEADLINE, call).await?.into_inner();
        Ok(StartedRun {
            limits_enforced: started.limits_enforced,
            cpu_max: started.cpu_max,
            memory_max: started.memory_max,
        })
    }

    async fn watch_run(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
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

    async fn stop_run(&self, id: &str) -> Result<(), Error> {
        let request = wire::StopWorkloadRequest { id: id.to_owned() };
        let mut client = self.workload();
        self.call(
            &format!("stop run {id}"),
            CALL_DEADLINE,
            client.stop(request),
        )
        .await
        .map(|_| ())
    }

    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        let doing = format!("send {name} of run {id}");
        let request = wire::CollectWorkloadRequest {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        let mut client = self.workload();
        let work = async {
            let mut stream = client.collect(request).await?.into_inner();
            let mut bytes = Vec::new();
            while let Some(answer) = stream.message().await? {
                bytes.extend(answer.chunk);
            }
            Ok(bytes)
        };
        self.call(&doing, LONG_CALL_DEADLINE, work).await
    }

    async fn metrics(&self) -> Result<Option<MetricsSample>, Error> {
        let mut client = wire::metrics_client::MetricsClient::new(self.channel.clone());
        let call = client.snapshot(wire::SnapshotRequest {});
        let answer = self
            .call("tell its metrics", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(answer.sample.map(from_sample))
    }

    async fn stream_metrics(&self, batches: mpsc::Sender<MetricsBatch>) -> Result<(), Error> {
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

    async fn shutdown(&self) -> Result<(), Error> {
        let request = wire::ShutdownRequest { power_off: false };
        let mut client = self.node_client();
        self.call("end", CALL_DEADLINE, client.shutdown(request))
            .await
            .map(|_| ())
    }
}
