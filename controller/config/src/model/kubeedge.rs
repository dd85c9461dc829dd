//! Manager `kubeedge`.

use super::{
    field::{Access, Field, field},
    keys::{Key, Kind, key},
};
use crate::choices::{Broker, EventBus, ManagerKind};
use serde::Serialize;

/// Of edges without a kubelet.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct KubeEdge {
    /// The MQTT broker that its devices use.
    pub event_bus: EventBus,
}

impl KubeEdge {
    /// Unless the config says otherwise.
    pub(crate) fn beside(broker: Broker) -> Self {
        Self {
            event_bus: match broker {
                Broker::Mosquitto => EventBus::External,
                Broker::Rumqttd => EventBus::Internal,
            },
        }
    }
}

pub(crate) const OPTIONS: [Key; 1] = [key(
    "software.event_bus",
    Kind::Choice(EventBus::NAMES, &[]),
    "MQTT broker of KubeEdge's devices: the node's, or one of edgecore's own (external with mosquitto, else internal)",
)
.at(Access {
    put: field!(software.kubeedge.event_bus).put,
    get: |config| {
        let software = &config.software;
        let says_something = software.resource_manager == ManagerKind::KubeEdge
            || software.kubeedge != KubeEdge::beside(software.broker);
        says_something.then(|| software.kubeedge.event_bus.get())?
    },
})];
