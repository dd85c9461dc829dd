//! Nodes that are lost while an application runs: their machines do not run any more.

use crate::session::Session;
use continuum_host::error::{Error, chain};
use continuum_provider::{MachineState, NodeState};

/// What the provider says of the machines, asked again and again.
#[derive(Debug, Default)]
pub(super) struct NodeHealth {
    /// Why the machines could not be looked at last time.
    unseen: Option<String>,
}

/// A node without a machine that runs.
pub(super) struct LostNode {
    pub(super) node: String,
    state: MachineState,
}

impl LostNode {
    pub(super) fn error(&self) -> Error {
        Error::Agent {
            doing: "go on with the run".into(),
            node: self.node.clone(),
            why: format!("the node is {}", self.state),
        }
    }
}

impl NodeHealth {
    /// None where they cannot be looked at: machines outlive the daemon that started them, and agents say whether they
    /// still run.
    pub(super) async fn lost_nodes(&mut self, session: &Session) -> Vec<LostNode> {
        let Session {
            context,
            deployment,
            provider,
            ..
        } = session;
        let states = provider.states(context, deployment).await;
        let states = states.unwrap_or_else(|error| {
            let why = chain(&error);
            if self.unseen.as_ref() != Some(&why) {
                let text = format!("cannot look at the machines: {why}");
                context.progress.say(&text);
                self.unseen = Some(why);
            }
            Vec::new()
        });
        let lost = |NodeState { node, state }| {
            (state != MachineState::Running).then_some(LostNode { node, state })
        };
        states.into_iter().filter_map(lost).collect()
    }
}
