//! What can go wrong when machines are made, limited and removed. A text fits after "failed to".

use continuum_host::error::Error;
use std::{io, path::PathBuf};

/// What a provider could not do, to what, and why.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    #[error("use provider `{name}`: this program was built without it; it has: {}", known.join(", "))]
    NotBuilt {
        name: String,
        known: Vec<&'static str>,
    },
    #[error(
        "find the agent's program: `{}` is not there; build it with: cargo build -p continuum-agent",
        path.display()
    )]
    NoAgentProgram { path: PathBuf },
    #[error(
        "find {title} in the store: get it: continuum-ctl artifact build {component} (minutes, once), or artifact import \
         FILE"
    )]
    NoKernel {
        title: String,
        component: &'static str,
    },
    /// A program of the host that did not start.
    #[error("{doing}: {error}; apt-get install {packages}")]
    NotStarted {
        doing: String,
        error: io::Error,
        packages: &'static str,
    },
    /// A program of the host that ended badly.
    #[error("{doing}: {said}")]
    Program { doing: String, said: String },
    /// A program of the host whose answer is not understood.
    #[error("{doing}")]
    Answer {
        doing: String,
        source: serde_json::Error,
    },
    #[error("{doing}")]
    Kernel { doing: String, source: io::Error },
    #[error("{doing}: /proc is not there")]
    NoProc { doing: String },
    #[error("end {what} process {pid}: it is still there after SIGKILL; it may be another user's")]
    Survivor { what: &'static str, pid: u32 },
    #[error("start the agent of {node} on {listen}: it ended; it said: {said}")]
    AgentEnded {
        node: String,
        listen: String,
        said: String,
    },
    #[error("start the guest of node {node}: {why}")]
    Guest {
        node: String,
        /// What its supervisor wrote down.
        why: String,
    },
    #[error("make the sandbox of guest {node}: {said}")]
    Sandbox { node: String, said: String },
    #[error("set {limit} of node {node}: asked for {asked}, {by} has {has}")]
    Limit {
        limit: String,
        node: String,
        asked: f64,
        /// Who was asked.
        by: &'static str,
        has: f64,
    },
    #[error("describe a {what} for libvirt")]
    Description {
        what: &'static str,
        source: minijinja::Error,
    },
    #[error("write the seed")]
    Seed(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("choose an accelerator")]
    Accelerator(#[from] KvmRefused),
    /// A hypervisor refused, or has not what it must have.
    #[error("{doing}: {why}")]
    Hypervisor { doing: String, why: String },
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        Self::layer(error)
    }
}

impl ProviderError {
    /// Wraps an error of a call to the kernel.
    pub(crate) fn kernel<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Error {
        let doing = doing.into();
        move |error| {
            let source = error.into();
            Self::Kernel { doing, source }.into()
        }
    }
}

/// KVM was asked for by name.
#[derive(Debug, thiserror::Error)]
#[error("KVM was asked for, but {0}; use infrastructure.accelerator=auto or tcg")]
pub struct KvmRefused(pub NoKvm);

/// Why KVM boots no kernel here.
#[derive(Debug, thiserror::Error)]
pub enum NoKvm {
    #[error("this processor offers no vmx or svm")]
    Processor,
    #[error("there is no /dev/kvm")]
    Device,
    #[error("QEMU did not start: {0}")]
    NotStarted(io::Error),
    #[error("QEMU said: {0}")]
    Said(String),
    #[error("a kernel did not boot with it within {within_s} s")]
    Silent { within_s: u64 },
}
