//! A broker as a process, a worker with a classifier that needs no libtorch, and endpoints.

use crate::{classifier::fake::FakeFactory, photo::tests::jpeg, publisher, subscriber};
use continuum_workload_core::{
    application::{RunContext, RunError, Stop},
    event::{Event, EventSink, Summary},
    photo_sample::{Loss, Sample},
    spec::{Load, Publisher, Role, RunSpec, Subscriber},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fmt,
    io::Write,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpStream, sync::watch, task::JoinHandle};

const MOST_BYTES: usize = crate::MAX_MESSAGE_BYTES;

pub(super) fn is_long() -> bool {
    std::env::var_os("CONTINUUM_LONG").is_some()
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Rumqttd,
    Mosquitto,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Rumqttd => "rumqttd",
            Self::Mosquitto => "mosquitto",
        }
    }
}

pub(super) struct Broker {
    argv: Vec<String>,
    address: SocketAddr,
    child: Option<Child>,
    log: PathBuf,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.signal(Signal::CONT);
        self.kill();
    }
}

impl Broker {
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own child, ended with it"
    )]
    fn spawn(&mut self) {
        let (program, arguments) = self.argv.split_first().unwrap();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts it again; returns when it listens.
    pub(super) async fn start(&mut self) {
        self.spawn();
        for _ in 0..400 {
            if TcpStream::connect(self.address).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!(
            "{:?} does not listen: {}",
            self.argv,
            std::fs::read_to_string(&self.log).unwrap()
        );
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            kill_process(Pid::from_child(child), signal).unwrap();
        }
    }
}

pub(super) struct Fixture {
    pub(super) broker: Broker,
    dir: Arc<tempfile::TempDir>,
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    dirs.find_map(|dir| Some(dir.join(name)).filter(|p| p.is_file()))
}

/// The agent of this workspace: its embedded broker is one of its subcommands.
fn agent() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let mut paths = own.ancestors().map(|dir| dir.join("continuum-agent"));
    paths.find(|path| path.is_file())
}

impl Fixture {
    pub(super) fn new(kind: Kind) -> Result<Self, String> {
        let dir = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let argv = match kind {
            Kind::Rumqttd => {
                let agent = agent()
                    .ok_or("continuum-agent is not built; cargo build -p continuum-agent")?;
                let settings = format!(
                    r#"{{"listen":"{address}","max_connections":200,"max_payload_bytes":{MOST_BYTES}}}"#
                );
                vec![agent.display().to_string(), "broker".into(), settings]
            }
            Kind::Mosquitto => {
                let program = program("mosquitto")
                    .ok_or("mosquitto is not installed; apt install mosquitto")?;
                let config = dir.path().join("mosquitto.conf");
                let text = format!(
                    "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\n\
                     message_size_limit {MOST_BYTES}\nmax_queued_messages 100000\n",
                    address.port()
                );
                std::fs::write(&config, text).unwrap();
                vec![
                    program.display().to_string(),
                    "-c".into(),
                    config.display().to_string(),
                ]
            }
        };
        let log = dir.path().join("broker.log");
        let broker = Broker {
            argv,
            address,
            child: None,
            log,
        };
        let mut fixture = Self {
            broker,
            dir: Arc::new(dir),
        };
        std::fs::create_dir(fixture.dir.path().join("photos")).unwrap();
        fixture.photo_of(0);
        Ok(fixture)
    }

    /// The photo that is sent, of at least so many bytes.
    pub(super) fn photo_of(&mut self, bytes: usize) {
        let mut photo = jpeg(64, 64, [100, 0, 0]);
        // After the start of the image: comments, which every decoder passes over.
        while photo.len() < bytes {
            let mut comment = vec![0xff, 0xfe, 0xff, 0xff];
            comment.resize(2 + 0xffff, b' ');
            photo.splice(2..2, comment);
        }
        std::fs::write(self.dir.path().join("photos/a.jpg"), photo).unwrap();
    }

    pub(super) async fn start(&self, endpoints: u32, frequency_hz: f64, duration_s: f64) -> Run {
        let address = self.broker.address;
        self.run(address, address, endpoints, frequency_hz, duration_s)
            .await
    }

    /// With endpoints that are at the other end of a link.
    pub(super) async fn start_over(
        &self,
        link: SocketAddr,
        endpoints: u32,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        self.run(
            self.broker.address,
            link,
            endpoints,
            frequency_hz,
            duration_s,
        )
        .await
    }

    /// With a worker that is at the other end of a link.
    pub(super) async fn start_with_worker_over(
        &self,
        link: SocketAddr,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        self.run(link, self.broker.address, 1, frequency_hz, duration_s)
            .await
    }

    async fn run(
        &self,
        for_worker: SocketAddr,
        for_endpoints: SocketAddr,
        endpoints: u32,
        frequency_hz: f64,
        duration_s: f64,
    ) -> Run {
        let load = Load {
            frequency_hz,
            duration_s,
            grace_s: 120.0,
        };
        let (ask, stop) = Stop::channel();
        let names: Vec<String> = (0..endpoints).map(|n| format!("endpoint{n}")).collect();
        let worker = Subscriber {
            broker: for_worker.to_string(),
            classifiers: 1,
            endpoints: names.clone(),
            photos: Some(load.count()),
            queue_bytes: 256 << 20,
            deadline_s: 600.0,
        };
        let mut roles = vec![self.role("edge0", Role::Subscriber(worker), &stop)];
        roles[0].ready().await;
        for name in &names {
            let publisher = Publisher {
                broker: for_endpoints.to_string(),
                load,
                dataset: "photos".into(),
            };
            roles.push(self.role(name, Role::Publisher(publisher), &stop));
        }
        for role in &mut roles {
            role.ready().await;
        }
        Run {
            ask,
            roles,
            asked: load.count() * u64::from(endpoints),
        }
    }

    fn role(&self, node: &str, role: Role, stop: &Stop) -> RoleRun {
        let dir = Arc::clone(&self.dir);
        let out = dir.path().join(node);
        std::fs::create_dir_all(&out).unwrap();
        let (lines, said) = watch::channel(Vec::new());
        let spec = RunSpec {
            application: "image_classification".into(),
            node: node.to_owned(),
            role,
        };
        let stop = stop.clone();
        let task = tokio::spawn({
            let out = out.clone();
            async move {
                let context = RunContext {
                    spec,
                    bundle: dir.path(),
                    out: &out,
                    events: EventSink::new(Lines(lines)),
                    stop,
                };
                match context.spec.role.clone() {
                    Role::Subscriber(spec) => subscriber::run(&context, &spec, &FakeFactory).await,
                    Role::Publisher(spec) => publisher::run(&context, &spec).await,
                    other => panic!("{other:?}"),
                }
            }
        });
        RoleRun { out, said, task }
    }
}

/// Events as they are said.
struct Lines(watch::Sender<Vec<u8>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.send_modify(|all| all.extend_from_slice(bytes));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct RoleRun {
    out: PathBuf,
    said: watch::Receiver<Vec<u8>>,
    task: JoinHandle<Result<(), RunError>>,
}

fn events(said: &[u8]) -> Vec<Event> {
    let lines = said.split(|b| *b == b'\n').filter(|l| !l.is_empty());
    lines.map(|l| serde_json::from_slice(l).unwrap()).collect()
}

impl RoleRun {
    async fn ready(&mut self) {
        let is_ready = |said: &Vec<u8>| {
            events(said)
                .iter()
                .any(|e| matches!(e, Event::Ready { .. }))
        };
        let ready = self.said.wait_for(is_ready);
        tokio::time::timeout(Duration::from_secs(20), ready)
            .await
            .expect("it is ready in time")
            .expect("it is ready");
    }

    fn summary(&self) -> Summary {
        let said = self.said.borrow().clone();
        let finished = events(&said).into_iter().find_map(|e| match e {
            Event::Finished(summary) => Some(summary),
            _ => None,
        });
        finished.expect("every run says its counts")
    }

    fn samples(&self) -> Vec<Sample> {
        samples(&self.out)
    }
}

fn samples(out: &Path) -> Vec<Sample> {
    let text = std::fs::read_to_string(out.join("samples.csv")).unwrap();
    let (samples, bad) = Sample::read(&text);
    assert!(bad.is_empty(), "{bad:?}");
    samples
}

pub(super) struct Run {
    ask: watch::Sender<bool>,
    roles: Vec<RoleRun>,
    asked: u64,
}

impl Run {
    pub(super) fn stop(&self) {
        self.ask.send_replace(true);
    }

    /// Waits for all of it, within a time.
    pub(super) async fn ended(mut self, within: Duration) -> Outcome {
        let is_stopped = *self.ask.borrow();
        let begun = std::time::Instant::now();
        let mut outcome = Outcome {
            asked: self.asked,
            ..Outcome::default()
        };
        for (index, role) in self.roles.iter_mut().enumerate() {
            let left = within.saturating_sub(begun.elapsed());
            let ended = tokio::time::timeout(left, &mut role.task).await;
            let said = || String::from_utf8_lossy(&role.said.borrow()).into_owned();
            let Ok(ended) = ended else {
                panic!(
                    "{} still runs after {within:?}: {}",
                    role.out.display(),
                    said()
                );
            };
            let result = ended.expect("it does not panic");
            assert!(
                result.is_ok() || (is_stopped && matches!(result, Err(RunError::Stopped))),
                "{}: {result:?}",
                role.out.display()
            );
            let (summary, samples) = (role.summary(), role.samples());
            assert_eq!(summary.sent, samples.len() as u64, "counts and samples");
            outcome.reconnects += summary.reconnects;
            if index == 0 {
                outcome.classified_at_worker = summary.sent;
                continue;
            }
            outcome.sent += summary.sent;
            outcome.answered += summary.answered;
            outcome.late += summary.late;
            outcome.resent += summary.resent;
            outcome.waits += summary.waits;
            outcome.slips_waiting += summary.slips_waiting;
            for sample in samples {
                assert_eq!(sample.is_answered(), sample.lost.is_none(), "{sample:?}");
                if let Some(lost) = sample.lost {
                    *outcome.lost.entry(lost).or_default() += 1;
                }
            }
        }
        outcome
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) asked: u64,
    pub(super) sent: u64,
    pub(super) answered: u64,
    pub(super) late: u64,
    pub(super) resent: u64,
    pub(super) waits: u64,
    pub(super) slips_waiting: u64,
    pub(super) reconnects: u64,
    pub(super) classified_at_worker: u64,
    pub(super) lost: BTreeMap<Loss, u64>,
    skipped: Option<&'static str>,
}

impl Outcome {
    pub(super) fn skipped(why: &'static str) -> Self {
        Self {
            skipped: Some(why),
            ..Self::default()
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = self.skipped {
            return write!(f, "skipped: {why}");
        }
        write!(
            f,
            "sent {} of {}, answered {}, late {}, resent {}, reconnects {}, waits {}, lost",
            self.sent,
            self.asked,
            self.answered,
            self.late,
            self.resent,
            self.reconnects,
            self.waits
        )?;
        if self.lost.is_empty() {
            return f.write_str(" 0");
        }
        for (lost, count) in &self.lost {
            write!(f, " {} {count}", lost.name())?;
        }
        Ok(())
    }
}
