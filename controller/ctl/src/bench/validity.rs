//! What readers of a result must know about it.

use crate::{deploy, session::Session};
use continuum_model::{Acceleration, Report, Validity};
use continuum_plan::LinkRequests;

/// Says whether they may use it, and what it was made with.
pub(super) fn assess_validity(report: &mut Report, session: &Session) {
    let Session {
        config,
        deployment,
        plan,
        provider,
        ..
    } = session;
    let changes = deploy::link_requests(deployment).unwrap_or_else(|error| {
        report.invalid.push(continuum_host::error::chain(&error));
        LinkRequests::default()
    });
    report.validity = if report.invalid.is_empty() {
        Validity::Unverified
    } else {
        Validity::Invalid
    };
    report
        .notes
        .push("links and machines were not measured: asked and real values may differ".into());
    if !changes.is_empty() {
        let changes: Vec<String> = changes.iter().map(ToString::to_string).collect();
        report.notes.push(format!(
            "links are not those of the config: {}",
            changes.join(", ")
        ));
    }
    let physical = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if plan.cores() as usize > physical {
        report.notes.push(format!(
            "{} virtual cores share {physical} physical ones: nodes slow each other down",
            plan.cores()
        ));
    }
    let facts = deployment.facts();
    if let Some(Acceleration::Without(how)) = &facts.acceleration {
        report.notes.push(format!("accelerator: {how}"));
    }
    let of_machines = [&facts.unlimited, &facts.fewer_processors];
    report
        .notes
        .extend(of_machines.into_iter().flatten().cloned());
    let emulates = provider.capabilities().emulates_network;
    if config.network.is_emulated() && !emulates {
        report
            .notes
            .push("links were asked for and NOT emulated".into());
    }
    if !emulates {
        report
            .notes
            .push("nodes share this machine; CPU and memory limits are not enforced".into());
    }
}
