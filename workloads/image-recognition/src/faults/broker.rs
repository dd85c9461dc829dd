//! A broker as a process.

use super::must;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::net::TcpStream;

const MOST_BYTES: usize = crate::MAX_MESSAGE_BYTES;

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
    /// With its files in a directory; not started yet.
    pub(super) fn new(kind: Kind, dir: &Path) -> Result<Self, String> {
        let free = must("find a free port", TcpListener::bind("127.0.0.1:0"));
        let address = must("find a free port", free.local_addr());
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
                let config = dir.join("mosquitto.conf");
                let text = format!(
                    "listener {} 127.0.0.1\nallow_anonymous true\npersistence false\n\
                     message_size_limit {MOST_BYTES}\nmax_queued_messages 100000\n",
                    address.port()
                );
                must("write mosquitto.conf", std::fs::write(&config, text));
                vec![
                    program.display().to_string(),
                    "-c".into(),
                    config.display().to_string(),
                ]
            }
        };
        let log = dir.join("broker.log");
        Ok(Self {
            argv,
            address,
            child: None,
            log,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a test's own child, ended with it"
    )]
    fn spawn(&mut self) {
        let [program, arguments @ ..] = &*self.argv else {
            panic!("a broker without a program");
        };
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log);
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(must("open the broker's log", log))
            .spawn();
        self.child = Some(must("start the broker", child));
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
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        panic!("{:?} does not listen: {said}", self.argv);
    }

    pub(super) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().ok();
            child.wait().ok();
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            must(
                "signal the broker",
                kill_process(Pid::from_child(child), signal),
            );
        }
    }
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
