//! Errors that reach the user; their exit codes are in [`exit`](crate::exit).

pub use continuum_common::error::chain;
use continuum_common::wait::Late;
use continuum_config::ConfigError;
use std::{path::PathBuf, time::Duration};

/// The text fits after "failed to"; the cause is the source, said once.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::error_impl_error, reason = "the one error of this crate")]
pub enum Error {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Refused before anything was done: every reason.
    #[error("start `{name}`: {}", reasons.join("\n  "))]
    Preflight {
        name: String,
        /// Why, each with what to do.
        reasons: Vec<String>,
    },
    /// Somebody else is at it.
    #[error("lock deployment `{name}`: {holder}; wait for it, or end that process")]
    Locked { name: String, holder: String },
    /// It cannot be the name of a deployment.
    #[error(
        "take `{}` for the name of a deployment: names are letters, digits, `-`, `_` and `.`; `continuum-ctl list` shows what there is",
        name.escape_debug()
    )]
    NoName { name: String },
    /// There is no such deployment.
    #[error(
        "find deployment `{name}`; `continuum-ctl list` shows what there is, `continuum-ctl up CONFIG` makes one"
    )]
    NoDeployment { name: String },
    /// It lives with another config.
    #[error(
        "change deployment `{name}`, which is up with another config:\n{difference}\n  run `continuum-ctl down {name}` first, or give this config another name with --set name=…"
    )]
    Different { name: String, difference: String },
    #[error("find node `{node}` in `{name}`; it has: {}", known.join(", "))]
    NoNode {
        name: String,
        node: String,
        known: Vec<String>,
    },
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Image(#[from] continuum_images::error::ImageError),
    /// Words of the command line that say nothing that can be done.
    #[error("{doing}: {why}")]
    Words {
        /// What they were read for.
        doing: String,
        /// What is wrong with them.
        why: String,
    },
    /// Neither a file nor a deployment.
    #[error(
        "find config `{given}`: there is no such file, and no deployment of that name; {}",
        if known.is_empty() { "there are no deployments".to_owned() } else { format!("deployments are: {}", known.join(", ")) }
    )]
    NoConfig {
        given: String,
        /// Deployments that there are.
        known: Vec<String>,
    },
    /// A program on a node that did not end well: its exit code is the command's own.
    #[error("run `{program}` on node {node}: {how}")]
    Program {
        /// What was run.
        program: String,
        node: String,
        /// How it ended.
        how: String,
        /// Exit code; 128 and the number of the signal; 124 when its time was up.
        code: u8,
    },
    #[error("{doing} on node {node}: {why}")]
    Agent {
        doing: String,
        node: String,
        /// What the agent said.
        why: String,
    },
    /// Its agent is of another version, which does not change while one waits.
    #[error("speak to node {node}: {why}")]
    Foreign {
        node: String,
        /// Both versions, and what to do.
        why: String,
    },
    /// A wait ended without what it waited for.
    #[error("wait for {what}: gave up after {} s{}", after.as_secs(), seen(last))]
    Deadline {
        /// What was waited for.
        what: String,
        after: Duration,
        last: String,
    },
    /// The user asked to stop.
    #[error("finish: interrupted")]
    Interrupted,
    /// The run's result must not be used.
    #[error("get a valid result:\n  {}", reasons.join("\n  "))]
    InvalidResult { reasons: Vec<String> },
    /// A command failed with things left behind.
    #[error("{source}")]
    Remaining {
        remaining: Vec<String>,
        name: String,
        source: Box<Error>,
    },
    /// A crate above this one: its own error says what was being done, to what, and why.
    #[error(transparent)]
    Layer(Box<dyn std::error::Error + Send + Sync>),
    /// A file of ours that says something else than we write.
    #[error("read `{}`", path.display())]
    Damaged {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error(
        "read `{}`: {error}; move this file away and run `continuum-ctl down {name}`, which finds what is left by its name",
        path.display()
    )]
    DamagedState {
        path: PathBuf,
        name: String,
        error: serde_json::Error,
    },
    #[error(
        "read `{}`: it was written by another version (schema {schema}, this one knows {known}); use that version to take it \
         down",
        path.display()
    )]
    OtherSchema {
        path: PathBuf,
        schema: u64,
        known: u32,
    },
    #[error("write {what} as JSON")]
    Encode {
        what: String,
        source: serde_json::Error,
    },
    #[error("find the state directory: set HOME or CONTINUUM_STATE")]
    NoHome,
    #[error("lock the addresses of this host")]
    AddressLock(#[source] std::io::Error),
    #[error("{doing}")]
    Key {
        /// What was being done.
        doing: String,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error(
        "use the keys of deployment `{name}`: `{}` is not there; take it down and bring it up again",
        path.display()
    )]
    NoKey { name: String, path: PathBuf },
}

impl From<Late> for Error {
    fn from(Late { what, after, last }: Late) -> Self {
        Self::Deadline { what, after, last }
    }
}

fn seen(last: &str) -> String {
    if last.is_empty() {
        String::new()
    } else {
        format!("; last seen: {last}")
    }
}

impl Error {
    /// Wraps an I/O error.
    pub fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// Wraps the error of a crate above this one.
    pub fn layer(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Layer(Box::new(error))
    }

    /// Wraps what serde says of a file of ours.
    pub fn damaged(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.into();
        move |source| Self::Damaged { path, source }
    }

    /// Wraps what serde says of something that is to be written.
    pub fn encode(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Encode { what, source }
    }

    /// Wraps an error of keys and certificates.
    pub(crate) fn key<E>(doing: impl Into<String>) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let doing = doing.into();
        move |error| {
            let source = error.into();
            Self::Key { doing, source }
        }
    }

    /// A lock of a part of a deployment is told as one of the deployment.
    #[must_use]
    pub fn of_deployment(self, deployment: &str) -> Self {
        match self {
            Self::Locked { holder, .. } => Self::Locked {
                name: deployment.to_owned(),
                holder,
            },
            other => other,
        }
    }
}
