//! A run with its node's agent.

use continuum_agents::{Agent, Container, RunEvent, RunStart, Runner, workload_arguments};
use continuum_host::error::Error;
use continuum_images::components::workload_command;
use continuum_model::{StartedRun, UserContainer};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::mpsc;

/// With the node's agent: a process, or a container.
#[derive(Debug)]
pub(super) struct AgentRunner {
    pub(super) agent: Arc<dyn Agent>,
    /// Runtime and image; `None` = a process.
    pub(super) container: Option<(String, String)>,
    /// A container of the user's own.
    pub(super) own: Option<UserContainer>,
}

#[async_trait::async_trait]
impl Runner for AgentRunner {
    async fn start(&self, mut run: RunStart) -> Result<StartedRun, Error> {
        if let Some((runtime, image)) = &self.container {
            let (command, env) = if let Some(own) = &self.own {
                (own.image.command.clone(), own.env.clone())
            } else {
                let arguments = workload_arguments(&run.spec_json);
                ([workload_command(), arguments].concat(), BTreeMap::new())
            };
            run.container = Some(Container {
                runtime: runtime.clone(),
                image: image.clone(),
                command,
                env,
            });
        }
        self.agent.start_run(run).await
    }
    async fn watch(&self, id: &str, events: mpsc::Sender<RunEvent>) -> Result<(), Error> {
        self.agent.watch_run(id, events).await
    }
    async fn stop(&self, id: &str) -> Result<(), Error> {
        self.agent.stop_run(id).await
    }
    async fn collect(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        self.agent.collect(id, name).await
    }
}
