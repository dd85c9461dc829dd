//! Errors that reach the user; their exit codes are in [`exit`](crate::exit).

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
        /// As given.
        given: String,
        /// Deployments that there are.
        known: Vec<String>,
    },
    /// A program on a node that did not end well: its exit code is the command's own.
    #[error("run `{program}` on node {node}: {how}")]
    Program {
        /// What was run.
        program: String,
        /// Node.
        node: String,
        /// How it ended.
        how: String,
        /// Exit code; 128 and the number of the signal; 124 when its time was up.
        code: u8,
    },
    /// A call to an agent.
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
    #[error("{doing}: {why}")]
    Hypervisor {
        /// What was being done.
        doing: String,
        why: String,
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
    #[error("{doing}: {why}")]
    Other {
        /// What was being done.
        doing: String,
        why: String,
    },
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

    /// Wraps anything that can be printed.
    pub fn other(doing: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Other {
            doing: doing.into(),
            why: why.to_string(),
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

/// An error with all its sources on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let next = error.to_string();
        // Transparent wrappers say what their source says.
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        source = error.source();
    }
    text
}
