//! Operating services: what a manager or the config asks for on nodes. One trait, one list.

use super::managers::{self, ResourceManager};
use continuum_config::{Broker, Config};
use continuum_model::Component;

/// Every service; the only place that names them.
pub const SERVICES: &[&dyn Service] = &[&Mqtt, &Containerd, &Docker];

pub trait Service: Sync + std::fmt::Debug {
    /// As in configs, and as the agent knows it.
    fn name(&self) -> &'static str;
    /// What the agent is asked to install.
    fn component(&self, config: &Config) -> Component;
}

pub fn find(name: &str) -> Option<&'static dyn Service> {
    SERVICES.iter().copied().find(|s| s.name() == name)
}

pub fn names() -> Vec<&'static str> {
    SERVICES.iter().map(|s| s.name()).collect()
}

#[derive(Debug)]
struct Mqtt;

impl Service for Mqtt {
    fn name(&self) -> &'static str {
        "mqtt"
    }
    fn component(&self, config: &Config) -> Component {
        let broker = config.software.broker;
        // The embedded one is part of the agent; the other comes as packages.
        let extras = (broker == Broker::Mosquitto).then(|| broker.to_string());
        Component {
            name: self.name(),
            options: vec![("backend", broker.to_string())],
            extras,
            from_store: None,
        }
    }
}

#[derive(Debug)]
struct Containerd;

impl Service for Containerd {
    fn name(&self) -> &'static str {
        "containerd"
    }
    fn component(&self, config: &Config) -> Component {
        // A cluster's pods are held by the image that comes with it.
        let cluster =
            managers::find(config.software.resource_manager).and_then(ResourceManager::cluster);
        let sandbox = cluster.map(|c| ("sandbox_image", c.sandbox_image().to_owned()));
        Component {
            name: self.name(),
            options: sandbox.into_iter().collect(),
            extras: None,
            from_store: None,
        }
    }
}

#[derive(Debug)]
struct Docker;

impl Service for Docker {
    fn name(&self) -> &'static str {
        "docker"
    }
    fn component(&self, _config: &Config) -> Component {
        Component {
            name: self.name(),
            options: Vec::new(),
            extras: None,
            from_store: Some("docker"),
        }
    }
}
