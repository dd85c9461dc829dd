//! One run of an application on one node, as planned.

use continuum_workload_core::spec::{Role, RunSpec};
use serde::Serialize;
use std::collections::BTreeMap;

/// When a run is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// First: it must be ready before the endpoints begin.
    Worker,
    /// Then.
    Endpoint,
}

#[derive(Debug, Clone, PartialEq)]
pub struct RunPlan {
    /// Unique within a bench.
    pub id: String,
    pub node: String,
    pub phase: Phase,
    /// What the program is told.
    pub spec: RunSpec,
    pub cpu_cores: f64,
    pub memory_mib: u64,
    /// For an endpoint: number of the worker it is connected to.
    pub connected_to: Option<usize>,
    /// A container of the user's own instead of our program.
    pub own: Option<UserContainer>,
}

impl RunPlan {
    /// It serves others or is only there, and is ended when nobody needs it any more.
    pub fn is_service(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.is_service) || self.spec.role == Role::Hold
    }

    /// Whether only the node tells it from another one.
    pub fn does_the_same(&self, other: &Self) -> bool {
        let there = |run: &Self| Self {
            id: String::new(),
            node: String::new(),
            spec: RunSpec {
                node: String::new(),
                ..run.spec.clone()
            },
            ..run.clone()
        };
        there(self) == there(other)
    }
}

/// A container of the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserContainer {
    /// As in the config: an archive or a name.
    pub image: UserImage,
    /// What it is told about the others.
    pub env: BTreeMap<String, String>,
    /// TCP ports that it listens on.
    pub ports: Vec<u16>,
    /// It serves others, and is ended when they are done.
    pub is_service: bool,
}

impl UserContainer {
    /// Where it listens: it is ready when that answers.
    pub fn socket(&self) -> Option<String> {
        let address = self.env.get("CONTINUUM_ADDRESS")?;
        Some(format!("{address}:{}", self.ports.first()?))
    }
}

/// A container of the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UserImage {
    /// Archive or name; `None` = nothing runs there.
    pub image: Option<String>,
    /// The whole command; empty = what the image says.
    pub command: Vec<String>,
}

impl UserImage {
    /// The archive, if it is one.
    pub fn archive(&self) -> Option<&std::path::Path> {
        let path = std::path::Path::new(self.image.as_deref()?);
        path.extension().is_some_and(|e| e == "tar").then_some(path)
    }
}
