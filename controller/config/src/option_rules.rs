//! Rules between options that need to know nothing but them.

use super::{
    choices::{Broker, EventBus, ProviderKind},
    findings::Findings,
    model::Config,
    printable::printable,
};
use continuum_model::{LONGEST_NAME, Tier, is_name};

pub(super) fn check(config: &Config, findings: &mut Findings<'_>) {
    let tiers = &config.infrastructure.tiers;
    if !is_name(&config.name) {
        findings.fault(
            "name",
            format!(
                "`{}` must be 1 to {LONGEST_NAME} letters, digits, `-`, `_` or `.`, and not begin with `.` or `-`; give \
                 another with --set name=…",
                printable(&config.name)
            ),
        );
    }
    let nodes: u32 = Tier::ALL.iter().map(|t| tiers.get(*t).nodes).sum();
    if nodes == 0 && findings.are_counts_right() {
        findings.fault(
            "infrastructure.cloud.nodes",
            "there must be at least one node in one of the tiers",
        );
    }
    // Host numbers 2 to 251 of one /24; more would run into the next network.
    if nodes > 250 {
        findings.fault(
            "infrastructure.endpoint.nodes",
            format!("{nodes} nodes are more than the 250 that one network holds"),
        );
    }
    if let Some(prefixes) = config.infrastructure.prefix_ip
        && findings.is_right_text("infrastructure.provider")
    {
        let is_local = config.infrastructure.provider == ProviderKind::Local;
        if prefixes.net().network().is_loopback() != is_local {
            let text = if is_local {
                "provider local has addresses that begin with 127"
            } else {
                "addresses that begin with 127 belong to provider local"
            };
            findings.fault("infrastructure.prefix_ip", text);
        }
    }
    if config.software.kubeedge.event_bus == EventBus::External
        && config.software.broker == Broker::Rumqttd
    {
        findings.fault(
            "software.event_bus",
            "external needs broker mosquitto: rumqttd has no topics that begin with `$`, as KubeEdge's do",
        );
    }
    if config.software.runtime().is_some() && config.infrastructure.provider == ProviderKind::Local
    {
        findings.fault(
            "software.container_runtime",
            "provider local shares this machine and runs processes only: leave it at native",
        );
    }
}
