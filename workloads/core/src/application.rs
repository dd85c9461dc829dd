//! The trait that every application implements.

use crate::{
    event::EventSink,
    spec::{Role, RunSpec},
};
use std::path::Path;
use tokio::sync::watch;

/// Everything a run is given.
#[derive(Debug)]
pub struct RunContext<'a> {
    pub spec: RunSpec,
    /// Where weights, labels and photos lie (the unpacked workload bundle).
    pub bundle: &'a Path,
    /// Where files for the controller are to be left.
    pub out: &'a Path,
    pub events: EventSink,
    /// Somebody wants the run to end: it writes what it has and returns [`RunError::Stopped`].
    pub stop: Stop,
}

impl RunContext<'_> {
    /// For a role that the application does not have.
    pub fn unknown_role(&self, application: &dyn Application) -> RunError {
        RunError::UnknownRole {
            application: application.name(),
            role: self.spec.role.name(),
        }
    }
}

/// A wish to stop. The default one is never made.
#[derive(Debug, Clone, Default)]
pub struct Stop(Option<watch::Receiver<bool>>);

impl Stop {
    /// A wish, and what makes it: sending `true`.
    pub fn channel() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(Some(receiver)))
    }

    /// Returns when the run is to end.
    pub async fn requested(&self) {
        if let Some(receiver) = &self.0
            && receiver.clone().wait_for(|stop| *stop).await.is_ok()
        {
            return;
        }
        // Whoever could have asked is gone.
        std::future::pending::<()>().await;
    }
}

/// One application. Implementations are unit structs named in the list `APPLICATIONS` of `workloads/cli`.
#[async_trait::async_trait]
pub trait Application: Sync {
    /// The name used in configs.
    fn name(&self) -> &'static str;
    /// What it does, in one line.
    fn summary(&self) -> &'static str;
    /// Whether a role computes with libtorch. Loading it takes half a second of a core, so there is a program with it
    /// and one without, which everything else runs in.
    fn needs_torch(&self, _role: &Role) -> bool {
        false
    }
    /// Runs the role that the spec names until it is done. An error ends the run with exit code 1.
    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError>;
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The spec asks for something that this application does not have.
    #[error("role `{role}` is not one of application `{application}`")]
    UnknownRole {
        application: &'static str,
        role: &'static str,
    },
    /// Somebody ended it; what it had is written.
    #[error("stopped before its end")]
    Stopped,
    /// The binary was built without something.
    #[error("this binary was built without `{feature}`; use the one from the workload bundle")]
    NotBuiltIn { feature: &'static str },
    /// A file could not be read or written.
    #[error("{doing} `{path}`")]
    File {
        /// What was being done.
        doing: &'static str,
        path: String,
        #[source]
        source: std::io::Error,
    },
    /// A wait ended without what it waited for.
    #[error("gave up after {seconds} s waiting for {what}")]
    Deadline {
        /// What was waited for.
        what: String,
        seconds: u64,
    },
    /// Anything that belongs to one application only.
    #[error("{doing}")]
    Other {
        /// What was being done.
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl RunError {
    /// Wraps the error of a library with what was being done.
    pub fn other(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Other {
            doing: doing.into(),
            source: source.into(),
        }
    }
}
