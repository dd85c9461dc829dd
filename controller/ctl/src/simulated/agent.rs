//! The simulated agent: it answers as the one behind gRPC does, after the time that its faults take.

use super::{
    machine::Machine,
    runs,
    scatter::scattered,
    world::{Inner, World},
};
use continuum_agents::{
    Agent, AppliedLink, ArtifactSource, BrokerSpec, BrokerStats, ExecOutput, Info, InstallStep,
    MetricsFrom, ProbeResult, RunEvent, RunStart, cut_off,
};
use continuum_host::error::Error;
use continuum_model::{
    ClockOffset, ControllerTime, LinkClass, MetricsBatch, MetricsSample, NodeEvent, StartedRun,
};
use continuum_provider::MachineState;
use std::{collections::BTreeMap, net::Ipv4Addr, path::Path, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// Memory that is taken without runs.
const IDLE_BYTES: u64 = 100_000_000;
/// Memory that each run takes.
pub(super) const RUN_BYTES: u64 = 20_000_000;
/// As those of the agent behind gRPC.
const CALL_DEADLINE: Duration = Duration::from_secs(30);
const PROGRAM_DEADLINE: Duration = Duration::from_mins(4);
const LONG_CALL_DEADLINE: Duration = Duration::from_mins(15);
/// When a stream of a silent agent breaks.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Each way of a call that nothing delays.
const WAY: Duration = Duration::from_millis(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The agent at an address of a world.
#[derive(Debug)]
pub(super) struct SimulatedAgent {
    pub(super) world: Arc<World>,
    pub(super) node: String,
    pub(super) address: Ipv4Addr,
    /// Of the deployment: nobody else's agent is believed.
    pub(super) id: String,
}

/// What an agent may say instead of an answer.
type Refusal = String;

impl SimulatedAgent {
    fn failed(&self, doing: &str, why: impl Into<String>) -> Error {
        Error::Agent {
            doing: doing.to_owned(),
            node: self.node.clone(),
            why: why.into(),
        }
    }

    /// Why nobody is there; and how late an answer would be, `None` = there will be none.
    fn reach(&self) -> Result<Option<Duration>, Refusal> {
        let inner = self.world.now();
        match inner.machines.get(&self.address) {
            None => Err("the connection is refused".into()),
            Some(m) if m.id != self.id => Err("its certificate is another deployment's".into()),
            Some(m) if m.state != MachineState::Running => Err("there is no way to it".into()),
            Some(m) if m.is_silent => Ok(None),
            Some(m) => Ok(Some(m.late)),
        }
    }

    /// One way of a call, with everything that can happen on it.
    async fn way(&self, doing: &str, deadline: Duration) -> Result<(), Error> {
        let late = self.reach().map_err(|why| self.failed(doing, why))?;
        let takes = late.map_or(deadline, |late| WAY + late / 2);
        tokio::time::sleep(takes.min(deadline)).await;
        if takes >= deadline {
            return Err(Error::Deadline {
                what: format!("node {} to {doing}", self.node),
                after: deadline,
                last: String::new(),
            });
        }
        self.reach()
            .map(|_| ())
            .map_err(|why| self.failed(doing, why))
    }

    /// A call: there, done, and back.
    pub(super) async fn call<T>(
        &self,
        doing: &str,
        deadline: Duration,
        does: impl FnOnce(&mut Machine, &World, Times) -> Result<T, Refusal>,
    ) -> Result<T, Error> {
        self.world.note(&self.node, doing);
        self.way(doing, deadline).await?;
        let done = {
            let mut inner = self.world.now();
            let times = Times::of(&self.world, &inner);
            let machine = inner.machines.get_mut(&self.address);
            let machine = machine.ok_or_else(|| self.failed(doing, "it is gone"))?;
            does(machine, &self.world, times)
        };
        self.way(doing, deadline).await?;
        done.map_err(|why| self.failed(doing, why))
    }
}

/// Now, since the beginning of the world and by the controller's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) now: Duration,
    ours: ControllerTime,
}

impl Times {
    fn of(world: &World, inner: &Inner) -> Self {
        Self {
            now: inner.elapsed(),
            ours: world.time(inner),
        }
    }
}

fn writes(machine: &Machine) -> Result<(), Refusal> {
    if machine.is_disk_full {
        return Err("No space left on device".into());
    }
    Ok(())
}

fn applied(class: &LinkClass) -> AppliedLink {
    AppliedLink {
        name: class.name.clone(),
        link: class.link,
        overhead_ms: class.overhead_ms,
        queue_limit_packets: 1000,
        peers: class.peers.iter().map(|p| p.node.clone()).collect(),
        cut_off: cut_off(&class.peers),
        trace: None,
    }
}

#[async_trait::async_trait]
impl Agent for SimulatedAgent {
    fn node(&self) -> &str {
        &self.node
    }

    async fn info(&self) -> Result<Info, Error> {
        self.call("say who it is", CALL_DEADLINE, |machine, _, _| {
            Ok(Info {
                node: machine.node.clone(),
                deployment_id: machine.id.clone(),
                agent_version: "simulated".into(),
                hostname: machine.node.clone(),
                os: "simulated".into(),
                kernel: "simulated".into(),
                cpus: 1,
                memory_bytes: 1 << 30,
                uptime_s: 1,
                boot_id: format!("boot-{}", machine.boot),
                pid: 1,
                capabilities: Vec::new(),
                components: Vec::new(),
            })
        })
        .await
    }

    async fn clock_offset(&self) -> Result<ClockOffset, Error> {
        self.call("tell the time", CALL_DEADLINE, |machine, _, _| {
            Ok(machine.clock)
        })
        .await
    }

    async fn adjust_clock(&self, by_ns: i64) -> Result<(), Error> {
        self.call("set its clock", CALL_DEADLINE, |machine, _, _| {
            machine.clock.offset_ns += by_ns;
            Ok(())
        })
        .await
    }

    async fn exec(&self, argv: &[String], timeout: Duration) -> Result<ExecOutput, Error> {
        let doing = format!("run `{}`", argv.join(" "));
        self.call(&doing, timeout, |_, _, _| {
            Ok(ExecOutput {
                code: Some(0),
                ..ExecOutput::default()
            })
        })
        .await
    }

    async fn logs(&self, _source: &str, _lines: u32) -> Result<Vec<String>, Error> {
        self.call("send its log", CALL_DEADLINE, |_, _, _| Ok(Vec::new()))
            .await
    }

    async fn put(&self, _source: &Path, path: &str) -> Result<String, Error> {
        self.call("take a file", LONG_CALL_DEADLINE, |machine, _, _| {
            writes(machine)?;
            Ok(format!("/data/{path}"))
        })
        .await
    }

    async fn get(&self, path: &str, _target: &Path) -> Result<u64, Error> {
        let why = format!("there is no file {path}");
        self.call("send a file", LONG_CALL_DEADLINE, |_, _, _| Err(why))
            .await
    }

    async fn push_missing(
        &self,
        _artifacts: &[ArtifactSource],
        _steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        let doing = "say what it lacks";
        self.call(doing, PROGRAM_DEADLINE, |_, _, _| Ok(())).await
    }

    async fn install(
        &self,
        component: &str,
        _options: BTreeMap<String, String>,
        artifacts: &[ArtifactSource],
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        self.push_missing(artifacts, steps).await?;
        let doing = format!("install {component}");
        self.call(&doing, LONG_CALL_DEADLINE, |machine, _, _| writes(machine))
            .await
    }

    async fn start_broker(&self, spec: BrokerSpec) -> Result<(), Error> {
        let doing = "start the MQTT broker";
        self.call(doing, PROGRAM_DEADLINE, |machine, _, _| {
            writes(machine)?;
            machine.volatile.broker = Some(spec);
            Ok(())
        })
        .await
    }

    async fn broker_stats(&self) -> Result<BrokerStats, Error> {
        let doing = "tell about its broker";
        self.call(doing, CALL_DEADLINE, |machine, _, _| {
            let backend = machine.volatile.broker.as_ref().map(|b| b.backend.clone());
            Ok(BrokerStats {
                running: backend.is_some(),
                backend: backend.unwrap_or_default(),
                ..BrokerStats::default()
            })
        })
        .await
    }

    async fn apply_links(
        &self,
        classes: &[LinkClass],
        _mtu_bytes: Option<u32>,
    ) -> Result<Vec<AppliedLink>, Error> {
        self.call("emulate links", PROGRAM_DEADLINE, |machine, _, _| {
            machine.volatile.links = classes.to_vec();
            Ok(classes.iter().map(applied).collect())
        })
        .await
    }

    async fn set_link(&self, class: &LinkClass) -> Result<(), Error> {
        self.call("change a link", PROGRAM_DEADLINE, |machine, _, _| {
            let mut links = machine.volatile.links.iter_mut();
            let known = links.find(|l| l.name == class.name);
            let known = known.ok_or_else(|| format!("there is no link {}", class.name))?;
            *known = class.clone();
            Ok(())
        })
        .await
    }

    async fn links(&self) -> Result<Vec<AppliedLink>, Error> {
        self.call("show its links", PROGRAM_DEADLINE, |machine, _, _| {
            Ok(machine.volatile.links.iter().map(applied).collect())
        })
        .await
    }

    async fn start_traces(&self) -> Result<(), Error> {
        self.call("start traces of links", CALL_DEADLINE, |_, _, _| Ok(()))
            .await
    }

    async fn tc_text(&self) -> Result<String, Error> {
        self.call("show its links", PROGRAM_DEADLINE, |_, _, _| {
            Ok(String::new())
        })
        .await
    }

    async fn probe(
        &self,
        address: &str,
        count: u32,
        interval: Duration,
    ) -> Result<ProbeResult, Error> {
        let doing = format!("ping {address}");
        let deadline = CALL_DEADLINE + interval * count;
        self.call(&doing, deadline, |_, _, _| Ok(())).await?;
        tokio::time::sleep(interval * count).await;
        let round_trip = match address.parse() {
            Ok(other) => {
                let inner = self.world.now();
                let jitter_ms = runs::jitter_ms(&inner.machines, self.address, other);
                let round_trip = runs::round_trip_ms(&inner.machines, self.address, other);
                round_trip.map(|ms| scattered(ms, jitter_ms, count))
            }
            Err(_) => None,
        };
        let rtt_ms = round_trip.unwrap_or_default();
        Ok(ProbeResult {
            sent: count,
            lost: count - rtt_ms.len() as u32,
            rtt_ms,
        })
    }

    async fn start_run(&self, run: RunStart) -> Result<StartedRun, Error> {
        let doing = format!("start run {}", run.id);
        self.call(&doing, CALL_DEADLINE, |machine, _, times| {
            machine.start(run, times.now, times.ours)?;
            Ok(StartedRun {
                limits_enforced: true,
                ..StartedRun::default()
            })
        })
        .await
    }

    async fn watch_run(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
        let doing = format!("tell about run {id}");
        self.call(&doing, CALL_DEADLINE, |_, _, _| Ok(())).await?;
        let (mut told, mut silent) = (0, Duration::ZERO);
        loop {
            match self.reach().map_err(|why| self.failed(&doing, why))? {
                Some(_) => silent = Duration::ZERO,
                None if silent > KEEPALIVE => {
                    return Err(self.failed(&doing, "the connection broke"));
                }
                None => silent += LOOK_EVERY,
            }
            let (new, has_ended) = {
                let mut inner = self.world.now();
                let now = inner.elapsed();
                let machine = inner.machines.get_mut(&self.address);
                let run = machine.and_then(|m| m.volatile.runs.get_mut(id));
                let run = run.ok_or_else(|| self.failed(&doing, "there is no such run"))?;
                if silent.is_zero() {
                    run.heard = now;
                    let new = run.events.get(told..).unwrap_or_default().to_vec();
                    (new, run.ended.is_some())
                } else {
                    (Vec::new(), false)
                }
            };
            told += new.len();
            for event in new {
                if events.send(event).await.is_err() {
                    return Ok(());
                }
            }
            if has_ended {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn stop_run(&self, id: &str) -> Result<(), Error> {
        let doing = format!("stop run {id}");
        self.call(&doing, CALL_DEADLINE, |machine, _, times| {
            let node_now = machine.clock.to_node(times.ours);
            let run = machine.volatile.runs.get_mut(id);
            let run = run.ok_or("there is no such run")?;
            run.end(times.now, node_now, 0, "it was stopped");
            Ok(())
        })
        .await
    }

    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        let doing = format!("send {name} of run {id}");
        self.call(&doing, LONG_CALL_DEADLINE, |machine, _, _| {
            let run = machine
                .volatile
                .runs
                .get(id)
                .ok_or("there is no such run")?;
            match name {
                "samples.csv" => Ok(run.samples_csv().into_bytes()),
                _ => Err(format!("it left no {name}")),
            }
        })
        .await
    }

    async fn metrics(&self) -> Result<Option<MetricsSample>, Error> {
        let doing = "tell its metrics";
        self.call(doing, CALL_DEADLINE, |machine, _, times| {
            let running = machine.volatile.runs.values().filter(|r| r.ended.is_none());
            Ok(Some(MetricsSample {
                memory_total_bytes: 500_000_000,
                memory_used_bytes: IDLE_BYTES + RUN_BYTES * running.count() as u64,
                time_unix_ns: machine.clock.to_node(times.ours),
                ..MetricsSample::default()
            }))
        })
        .await
    }

    async fn stream_metrics(
        &self,
        batches: mpsc::Sender<MetricsBatch>,
        _from: MetricsFrom,
    ) -> Result<(), Error> {
        let mut seq = 0;
        loop {
            let Some(sample) = self.metrics().await? else {
                return Ok(());
            };
            seq += 1;
            let event = NodeEvent {
                time_unix_ns: sample.time_unix_ns,
                source: "simulated".into(),
                text: "a second passed".into(),
            };
            let mut samples = vec![MetricsSample {
                seq,
                ..sample.clone()
            }];
            if seq == 1 {
                // It keeps ten minutes.
                samples.insert(
                    0,
                    MetricsSample {
                        seq: 0,
                        time_unix_ns: sample.time_unix_ns.plus_ns(-600_000_000_000),
                        memory_used_bytes: IDLE_BYTES,
                        ..sample
                    },
                );
            }
            let batch = MetricsBatch {
                samples,
                events: vec![event],
                dropped: 0,
            };
            if batches.send(batch).await.is_err() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn shutdown(&self) -> Result<(), Error> {
        self.call("end", CALL_DEADLINE, |machine, _, _| {
            machine.state = MachineState::Stopped;
            Ok(())
        })
        .await
    }
}
