//! What readers of a result must know about it.

use crate::{deploy, report::BenchVerification, session::Session};
use continuum_model::{Acceleration, Report, Validity, Verdict, Verification, VerifyRow};
use continuum_plan::LinkRequests;

/// Numbers that nobody measured are told of so many rows, of more their count.
const MOST_UNKNOWN: usize = 3;

/// Says whether they may use it, and what it was made with.
pub(super) fn assess_validity(
    report: &mut Report,
    session: &Session,
    verification: &BenchVerification,
) {
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
    for (when, verification) in verification.all() {
        let out = verification.rows_that_are(Verdict::OutOfTolerance);
        report
            .invalid
            .extend(out.map(|row| format!("{when} the run: {row}")));
        report.notes.extend(verification.notes.iter().cloned());
    }
    report.notes.dedup();
    let unproven = unproven(session, verification);
    report.validity = if !report.invalid.is_empty() {
        Validity::Invalid
    } else if unproven.is_empty() {
        Validity::Valid
    } else {
        Validity::Unverified
    };
    report.notes.extend(unproven);
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

/// Why nobody knows whether links and machines were what was asked for.
fn unproven(session: &Session, verification: &BenchVerification) -> Vec<String> {
    let (config, capabilities) = (&session.config, session.provider.capabilities());
    if !capabilities.has_machines {
        return vec![
            "nodes are processes: nothing was emulated or limited that could be proven".into(),
        ];
    }
    let mut reasons = Vec::new();
    if verification.before.is_none() || verification.after.is_none() {
        let when = match (&verification.before, &verification.after) {
            (None, None) => "before and after",
            (None, _) => "before",
            _ => "after",
        };
        reasons.push(format!(
            "links and machines were not measured {when} the run: asked and real values may differ; \
             `--verify quick` measures them"
        ));
    }
    if config.network.is_emulated() && !capabilities.emulates_network {
        reasons.push("links that were asked for are not there to be measured".into());
    }
    if session.deployment.facts().unlimited.is_some() {
        reasons.push("limits that were asked for are not there to be measured".into());
    }
    reasons.extend(verification.all().filter_map(|(when, v)| unknown(when, v)));
    reasons
}

fn unknown(when: &str, verification: &Verification) -> Option<String> {
    let rows: Vec<&VerifyRow> = verification.rows_that_are(Verdict::NotMeasured).collect();
    let told: Vec<String> = rows
        .iter()
        .take(MOST_UNKNOWN)
        .map(ToString::to_string)
        .collect();
    let more = rows.len().saturating_sub(MOST_UNKNOWN);
    let more = if more > 0 {
        format!("; and {more} more")
    } else {
        String::new()
    };
    (!rows.is_empty()).then(|| format!("{when} the run nobody knows: {}{more}", told.join("; ")))
}
