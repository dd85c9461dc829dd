//! The agent over gRPC with mutual TLS. The only module of the controller that names wire types.

mod clock;
mod convert;
mod link;
mod measure;
mod retry;
mod streams;
mod transfer;

use super::types::{
    Agent, AppliedLink, ArtifactSource, BrokerSpec, BrokerStats, ExecOutput, Info, InstallStep,
    MetricsFrom, ProbeResult, RunEvent, RunStart,
};
use crate::error::ConnectionError;
use continuum_host::{
    error::Error,
    keys::{Identity, Secrets},
};
use continuum_model::{
    AGENT_PORT, ClockOffset, LinkClass, MetricsBatch, MetricsSample, NodePlan, StartedRun,
};
use continuum_proto as wire;
use convert::{explain, from_sample, to_artifact};
use link::{from_applied, to_link};
use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};
use tokio::sync::mpsc;
use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity as TlsIdentity},
};

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// For calls that answer at once.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
/// The agent runs programs of its node, which take their time on an emulated machine that is busy.
const PROGRAM_DEADLINE: Duration = Duration::from_mins(4);
/// For those that install, start, or transfer.
const LONG_CALL_DEADLINE: Duration = Duration::from_mins(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// A connection to one agent; made when first used, and again when it broke.
#[derive(Debug, Clone)]
pub struct GrpcAgent {
    node: String,
    address: SocketAddr,
    channel: Channel,
}

impl GrpcAgent {
    /// To the agent of a node.
    pub fn of_node(node: &NodePlan, secrets: &Secrets) -> Result<Self, Error> {
        Self::new(
            &node.name,
            &secrets.agent_name(&node.name),
            SocketAddr::new(IpAddr::V4(node.address), AGENT_PORT),
            &secrets.authority()?.certificate_pem,
            &secrets.controller()?,
        )
    }

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
            .map_err(|source| ConnectionError::Settings {
                node: node.to_owned(),
                source,
            })?
            .connect_timeout(CONNECT_DEADLINE)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .connect_lazy();
        Ok(Self {
            node: node.to_owned(),
            address,
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

    async fn show_network(&self, with_tc_text: bool) -> Result<wire::ShowNetworkResponse, Error> {
        let mut client = self.network();
        let call = client.show(wire::ShowNetworkRequest { with_tc_text });
        let answer = self.call("show its links", PROGRAM_DEADLINE, call).await?;
        Ok(answer.into_inner())
    }

    fn network(&self) -> wire::network_client::NetworkClient<Channel> {
        wire::network_client::NetworkClient::new(self.channel.clone())
    }
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
        let call = async {
            match client.info(request).await {
                Err(status) if status.code() == Code::FailedPrecondition => Ok(Err(status)),
                answer => answer.map(Ok),
            }
        };
        let answer = self.call("say who it is", CALL_DEADLINE, call).await?;
        let foreign = |status: Status| Error::Foreign {
            node: self.node.clone(),
            why: explain(&status),
        };
        let info = answer.map_err(foreign)?.into_inner();
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
            pid: info.pid,
            capabilities: info.capabilities,
            components: info.components,
        })
    }

    async fn clock_offset(&self) -> Result<ClockOffset, Error> {
        self.measure_clock_offset().await
    }

    async fn adjust_clock(&self, by_ns: i64) -> Result<(), Error> {
        let mut client = wire::clock_client::ClockClient::new(self.channel.clone());
        let call = client.adjust(wire::ClockAdjustRequest { by_ns });
        self.call("set its clock", CALL_DEADLINE, call)
            .await
            .map(|_| ())
    }

    async fn exec(&self, argv: &[String], timeout: Duration) -> Result<ExecOutput, Error> {
        self.exec_with(argv, timeout, tokio_stream::empty()).await
    }

    async fn logs(&self, source: &str, lines: u32) -> Result<Vec<String>, Error> {
        self.read_logs(source, lines).await
    }

    async fn put(&self, source: &Path, path: &str) -> Result<String, Error> {
        self.send(source, path).await
    }

    async fn get(&self, path: &str, target: &Path) -> Result<u64, Error> {
        self.fetch(path, target).await
    }

    async fn watch_run(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
        self.follow_run(id, events).await
    }

    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        self.collect_file(id, name).await
    }

    async fn stream_metrics(
        &self,
        batches: mpsc::Sender<MetricsBatch>,
        from: MetricsFrom,
    ) -> Result<(), Error> {
        self.follow_metrics(batches, from).await
    }

    async fn push_missing(
        &self,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        let mut client = wire::install_client::InstallClient::new(self.channel.clone());
        let request = wire::MissingRequest {
            artifacts: artifacts.iter().map(to_artifact).collect(),
        };
        let missing = self
            .call(
                "say what it lacks",
                PROGRAM_DEADLINE,
                client.missing(request),
            )
            .await?
            .into_inner();
        for lacking in missing.artifacts {
            if let Some(artifact) = artifacts.iter().find(|a| a.sha256 == lacking.sha256) {
                self.upload(artifact, steps).await?;
            }
        }
        Ok(())
    }

    async fn install(
        &self,
        component: &str,
        options: BTreeMap<String, String>,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        let doing = format!("install {component}");
        self.push_missing(artifacts, steps).await?;
        let client = wire::install_client::InstallClient::new(self.channel.clone());
        let request = wire::ApplyComponentRequest {
            component: component.to_owned(),
            options: options.into_iter().collect(),
            artifacts: artifacts.iter().map(to_artifact).collect(),
        };
        // May be asked twice: what is there already stays, and an agent installs one thing at a time.
        let work = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move {
                let mut stream = match client.apply(request).await {
                    Ok(answer) => answer.into_inner(),
                    // Of words that the agent does not know.
                    Err(status) if status.code() == Code::NotFound => return Ok(Err(status)),
                    Err(status) => return Err(status),
                };
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
                Ok(Ok(()))
            }
        };
        let installed = self
            .call_with_retry(&doing, LONG_CALL_DEADLINE, work)
            .await?;
        installed.map_err(|status| Error::Words {
            doing: format!("{doing} on node {}", self.node),
            why: explain(&status),
        })
    }

    async fn start_broker(&self, spec: BrokerSpec) -> Result<(), Error> {
        let request = wire::StartBrokerRequest {
            backend: spec.backend,
            listen: spec.listen,
            max_connections: spec.max_connections,
            max_payload_bytes: spec.max_payload_bytes,
        };
        let call = || {
            let mut client = wire::broker_client::BrokerClient::new(self.channel.clone());
            let request = request.clone();
            async move { client.start(request).await }
        };
        self.call_with_retry("start the MQTT broker", PROGRAM_DEADLINE, call)
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

    async fn apply_links(
        &self,
        classes: &[LinkClass],
        mtu_bytes: Option<u32>,
    ) -> Result<Vec<AppliedLink>, Error> {
        let request = wire::ApplyNetworkRequest {
            classes: classes.iter().map(to_link).collect(),
            mtu_bytes: mtu_bytes.unwrap_or(0),
        };
        let call = || {
            let (mut client, request) = (self.network(), request.clone());
            async move { client.apply(request).await }
        };
        let answer = self
            .call_with_retry("emulate links", PROGRAM_DEADLINE, call)
            .await?
            .into_inner();
        Ok(answer.classes.into_iter().map(from_applied).collect())
    }

    async fn set_link(&self, class: &LinkClass) -> Result<(), Error> {
        let request = wire::SetLinkRequest {
            link: Some(to_link(class)),
        };
        let call = || {
            let (mut client, request) = (self.network(), request.clone());
            async move { client.set_link(request).await }
        };
        self.call_with_retry("change a link", PROGRAM_DEADLINE, call)
            .await
            .map(|_| ())
    }

    async fn links(&self) -> Result<Vec<AppliedLink>, Error> {
        let answer = self.show_network(false).await?;
        Ok(answer.classes.into_iter().map(from_applied).collect())
    }

    async fn tc_text(&self) -> Result<String, Error> {
        Ok(self.show_network(true).await?.tc_text)
    }

    async fn start_traces(&self) -> Result<(), Error> {
        let mut client = self.network();
        let call = client.start_traces(wire::StartTracesRequest {});
        let answer = self.call("start traces of links", CALL_DEADLINE, call);
        answer.await.map(|_| ())
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
        // May be sent twice: an agent answers the same request in the same way.
        let request = wire::StartWorkloadRequest {
            id: run.id,
            spec_json: run.spec_json,
            cpu_cores: run.cpu_cores,
            memory_bytes: run.memory_bytes,
            lease_ms: run.lease.as_millis() as u64,
            bench: run.bench,
            container: run.container.map(|c| wire::Container {
                runtime: c.runtime,
                image: c.image,
                command: c.command,
                env: c.env.into_iter().collect(),
            }),
        };
        let call = || {
            let (mut client, request) = (self.workload(), request.clone());
            async move { client.start(request).await }
        };
        let started = self
            .call_with_retry(&doing, CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(StartedRun {
            limits_enforced: started.limits_enforced,
            cpu_max: started.cpu_max,
            memory_max: started.memory_max,
        })
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

    async fn metrics(&self) -> Result<Option<MetricsSample>, Error> {
        let mut client = wire::metrics_client::MetricsClient::new(self.channel.clone());
        let call = client.snapshot(wire::SnapshotRequest {});
        let answer = self
            .call("tell its metrics", CALL_DEADLINE, call)
            .await?
            .into_inner();
        Ok(answer.sample.map(from_sample))
    }

    async fn shutdown(&self) -> Result<(), Error> {
        let request = wire::ShutdownRequest { power_off: false };
        let mut client = self.node_client();
        self.call("end", CALL_DEADLINE, client.shutdown(request))
            .await
            .map(|_| ())
    }
}
