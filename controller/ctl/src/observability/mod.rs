//! What tools of the user's own find: targets for a Prometheus of this host, and dashboards for a Grafana.

pub(crate) mod grafana;
pub(crate) mod targets;
