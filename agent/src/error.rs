//! What can go wrong in an agent, and which status code the controller gets for it.

pub use continuum_common::error::chain;
use continuum_common::wait::Late;
use std::{path::PathBuf, time::Duration};

/// An agent's error. The text fits after "failed to"; the cause is the source, said once.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Reading or writing failed.
    #[error("{doing} `{path}`", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// `agent.toml` is not understood.
    #[error("parse configuration `{path}`", path = path.display())]
    Config {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The caller's request makes no sense.
    #[error("accept the request: {0}")]
    Invalid(String),
    /// It names something that is not there.
    #[error("find {what} `{name}`{}", hint(known))]
    NotFound {
        what: &'static str,
        name: String,
        known: Vec<String>,
    },
    /// It exists already, and differently.
    #[error("create {what} `{name}`: it exists already")]
    Exists { what: &'static str, name: String },
    /// Somebody else listens there.
    #[error(
        "listen on `{0}`: the address is in use by another program; `ss -ltnp` as root says by which"
    )]
    InUse(std::net::SocketAddr),
    /// This node cannot do that.
    #[error("{doing} on this node: {why}")]
    Unsupported {
        doing: &'static str,
        why: &'static str,
    },
    /// A program could not be started.
    #[error("start `{program}`")]
    Start {
        /// argv[0].
        program: String,
        #[source]
        source: std::io::Error,
    },
    /// A program ended badly.
    #[error("run `{program}`: {how}; it said: {said}")]
    Program {
        program: String,
        /// Exit code or signal.
        how: String,
        /// The end of its output.
        said: String,
    },
    #[error("{doing}")]
    Kernel {
        /// What was being done.
        doing: String,
        #[source]
        source: std::io::Error,
    },
    /// A wait ended without what it waited for.
    #[error("wait for {what}: gave up after {} s{}", after.as_secs_f64(), last(last_seen))]
    Deadline {
        /// What was waited for.
        what: String,
        after: Duration,
        /// Last thing seen; may be empty.
        last_seen: String,
    },
    /// Bytes do not have the digest that was announced.
    #[error("verify `{name}`: its sha256 is {have}, announced was {want}")]
    Digest {
        /// Name of the artifact or file.
        name: String,
        want: String,
        have: String,
    },
    /// TLS material is missing or wrong.
    #[error("{doing}")]
    Tls {
        /// What was being done.
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A connection to another node.
    #[error("{doing} {peer}")]
    Peer {
        doing: &'static str,
        peer: std::net::SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("serve on {listen}")]
    Serve {
        listen: std::net::SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl AgentError {
    /// Wraps an I/O error.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl Fn(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path: path.clone(),
            source,
        }
    }

    /// Wraps what came of starting a program.
    pub(crate) fn start(program: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let program = program.into();
        move |source| Self::Start { program, source }
    }
}

impl From<Late> for AgentError {
    fn from(late: Late) -> Self {
        Self::Deadline {
            what: late.what,
            after: late.after,
            last_seen: late.last,
        }
    }
}

fn hint(known: &[String]) -> String {
    if known.is_empty() {
        String::new()
    } else {
        format!(" (there are: {})", known.join(", "))
    }
}

fn last(seen: &str) -> String {
    if seen.is_empty() {
        String::new()
    } else {
        format!("; last seen: {seen}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_says_each_thing_once() {
        let error = AgentError::File {
            doing: "read",
            path: "/x".into(),
            source: std::io::Error::other("no such luck"),
        };
        assert_eq!(chain(&error), "read `/x`: no such luck");
        let error = AgentError::NotFound {
            what: "component",
            name: "mqt".into(),
            known: vec!["mqtt".into()],
        };
        assert_eq!(chain(&error), "find component `mqt` (there are: mqtt)");
    }
}
