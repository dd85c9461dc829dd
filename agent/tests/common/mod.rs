//! The real agent as a child process on a loopback address of its own, and a controller's connection to it.
#![allow(dead_code, reason = "every test program uses another part of this")]

pub(crate) mod keys;
pub(crate) mod mqtt;
pub(crate) mod wait;
pub(crate) mod workload;

use continuum_proto as wire;
use keys::{AGENT_NAME, Authority, Identity};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use wait::{eventually, within};

const AGENT_PORT: u16 = 7443;
/// Where a test's broker listens, on the agent's address.
pub(crate) const BROKER_PORT: u16 = 1883;
const CALL_DEADLINE: Duration = Duration::from_secs(15);

/// An address that no other test uses: by process and by number within it.
fn free_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        assert_ne!(number, u8::MAX, "no loopback address is free");
        let address = Ipv4Addr::new(127, 128 | (high & 63), low, number);
        let is_free = |port| TcpListener::bind((address, port)).is_ok();
        if is_free(AGENT_PORT) && is_free(BROKER_PORT) {
            return address;
        }
    }
}

/// Everything an agent needs to start, in a directory of its own, named as provider `local` names it.
#[derive(Debug)]
pub(crate) struct Setup {
    dir: tempfile::TempDir,
    pub(crate) address: Ipv4Addr,
    pub(crate) authority: Authority,
    pub(crate) controller: Identity,
}

impl Setup {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let address = free_address();
        let authority = Authority::new("continuum test");
        let setup = Self {
            controller: authority.controller(),
            address,
            authority,
            dir,
        };
        let agent = setup.authority.agent(IpAddr::V4(address));
        setup.write("ca.pem", &setup.authority.certificate_pem);
        setup.write("agent.pem", &agent.certificate_pem);
        setup.write("agent.key", &agent.key_pem);
        let dir = setup.path("").display().to_string();
        let config = format!(
            "node = \"node0\"\n\
             deployment_id = \"test\"\n\
             listen = \"{address}:{AGENT_PORT}\"\n\
             ca = \"{dir}ca.pem\"\n\
             certificate = \"{dir}agent.pem\"\n\
             key = \"{dir}agent.key\"\n\
             data_dir = \"{dir}data\"\n\
             bundle = \"{dir}bundle\"\n\
             own_machine = false\n"
        );
        setup.write("agent.toml", &config);
        setup
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let dir = path.parent().expect("a directory");
        std::fs::create_dir_all(dir).expect("make a directory");
        std::fs::write(&path, text).expect("write a file");
    }

    /// What the agent does when it is asked to run a workload: a program at the place of the real one.
    pub(crate) fn write_workload(&self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let name = "bundle/bin/continuum-workload";
        self.write(name, &format!("#!/bin/sh\n{script}\n"));
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(0o755))
            .expect("make the workload executable");
    }

    fn spawn_process(&self) -> tokio::process::Child {
        let program = env!("CARGO_BIN_EXE_continuum-agent");
        let log = std::fs::File::create(self.path("agent.log")).expect("make the log");
        // Through its own `child` program, so that the kernel ends it even when the test is killed.
        continuum_agent::process::command(program)
            .arg("child")
            .arg(format!("--parent={}", std::process::id()))
            .args(["--", program, "serve", "--config"])
            .arg(self.path("agent.toml"))
            .stdout(log.try_clone().expect("share the log"))
            .stderr(log)
            .spawn()
            .expect("start the agent")
    }

    /// Starts the agent without waiting for anything.
    pub(crate) fn spawn(self) -> Agent {
        Agent {
            process: self.spawn_process(),
            setup: self,
        }
    }

    /// Starts the agent and waits until it serves.
    pub(crate) async fn start(self) -> Agent {
        let mut agent = self.spawn();
        agent.wait_until_it_listens().await;
        agent
    }
}

/// A running agent; killed when dropped, and its log shown when the test failed.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) setup: Setup,
    process: tokio::process::Child,
}

impl Agent {
    /// With nothing special.
    pub(crate) async fn start() -> Self {
        Setup::new().start().await
    }

    /// Ends this agent and starts it again from the same files.
    pub(crate) async fn restart(mut self) -> Self {
        self.process.start_kill().expect("end the agent");
        self.exit_status().await;
        self.process = self.setup.spawn_process();
        self.wait_until_it_listens().await;
        self
    }

    async fn wait_until_it_listens(&mut self) {
        let listen = self.listen();
        eventually(&format!("the agent to listen on {listen}"), async || {
            if let Ok(Some(status)) = self.process.try_wait() {
                panic!("the agent ended with {status}: {}", self.log());
            }
            let connected = tokio::net::TcpStream::connect(listen).await;
            connected.map(drop).map_err(|e| e.to_string())
        })
        .await;
    }

    pub(crate) fn listen(&self) -> SocketAddr {
        SocketAddr::from((self.setup.address, AGENT_PORT))
    }

    pub(crate) fn broker(&self) -> SocketAddr {
        SocketAddr::from((self.setup.address, BROKER_PORT))
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.setup.path("data")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.setup.path("agent.log")).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id().expect("the agent runs")
    }

    /// Waits for the agent to end by itself.
    pub(crate) async fn exit_status(&mut self) -> ExitStatus {
        within("the agent to end", self.process.wait())
            .await
            .expect("wait for the agent")
    }

    /// A new connection as the controller of this deployment.
    pub(crate) async fn connect(&self) -> Channel {
        let endpoint = self.endpoint(
            &self.setup.authority.certificate_pem,
            Some(&self.setup.controller),
        );
        within("a connection to the agent", endpoint.connect())
            .await
            .expect("connect to the agent")
    }

    /// For connections of somebody else.
    pub(crate) fn endpoint(&self, ca_pem: &str, identity: Option<&Identity>) -> Endpoint {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(ca_pem))
            .domain_name(AGENT_NAME);
        if let Some(own) = identity {
            tls = tls.identity(tonic::transport::Identity::from_pem(
                &own.certificate_pem,
                &own.key_pem,
            ));
        }
        Endpoint::from_shared(format!("https://{}", self.listen()))
            .expect("an address")
            .tls_config(tls)
            .expect("TLS settings")
            .connect_timeout(CALL_DEADLINE)
            .timeout(CALL_DEADLINE)
    }
}

impl Drop for Agent {
    #[expect(clippy::print_stderr, reason = "shown with a failed test")]
    fn drop(&mut self) {
        self.process.start_kill().ok();
        if std::thread::panicking() {
            eprintln!("log of the agent:\n{}", self.log());
        }
    }
}

/// The first call of every connection.
pub(crate) async fn info(channel: Channel) -> Result<wire::InfoResponse, tonic::Status> {
    let request = wire::InfoRequest {
        controller_version: "test".into(),
        protocol_version: wire::PROTOCOL_VERSION,
    };
    let mut client = wire::node_client::NodeClient::new(channel);
    let answer = within("an answer to Info", client.info(request)).await?;
    Ok(answer.into_inner())
}

/// Names of what a directory tree holds, relative to it; empty if it is not there.
pub(crate) fn files_below(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("below");
                found.push(name.display().to_string());
            }
        }
    }
    found.sort();
    found
}
