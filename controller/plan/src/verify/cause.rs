//! Why a number is not what was asked for, as far as can be told from here.

use continuum_model::{HostFacts, Quantity, VerifyRow};

/// Less than this share of a delay is none that was applied.
const HARDLY_ANY: f64 = 0.75;
/// More of others' time than this is worth a word.
const WORTH_TELLING: f64 = 0.01;

/// In words, with what to look at.
pub(super) fn of(row: &VerifyRow, is_more: bool, host: &HostFacts) -> String {
    let (asked, measured) = (row.asked.unwrap_or(0.0), row.measured.unwrap_or(0.0));
    let node = &row.subject.node;
    let look = |what: &str| format!("`continuum-ctl agent NAME {node} exec -- {what}` shows it");
    match (row.quantity, is_more) {
        (Quantity::RoundTrip, false) if measured < HARDLY_ANY * asked => format!(
            "the delay is not applied, at one end at least: {}; {}",
            look("tc qdisc"),
            anew(node)
        ),
        (Quantity::Rate, true) => format!(
            "the rate is not applied: {}; {}",
            look("tc qdisc"),
            anew(node)
        ),
        (Quantity::Jitter, false) => {
            format!("the jitter is not applied: {}", look("tc qdisc"))
        }
        (Quantity::Loss, false) if asked >= 100.0 => {
            format!("the link is not cut: {}", look("tc qdisc"))
        }
        (Quantity::Loss, false) => format!("the loss is not applied: {}", look("tc qdisc")),
        (Quantity::Processor, true) => {
            "its quota is not enforced: somebody has lifted it, or this host cannot".into()
        }
        (Quantity::DiskRead | Quantity::DiskWrite, true) => {
            "its limit is not enforced: somebody has lifted it, or this host cannot".into()
        }
        (Quantity::DiskRead | Quantity::DiskWrite, false) => {
            format!(
                "this host's disk is slower than that, or busy{}",
                because(host)
            )
        }
        (Quantity::Memory, true) => "the machine was made with more".into(),
        (Quantity::Memory, false) => "the machine was made with less".into(),
        (Quantity::Rate, false) => {
            format!("this host cannot carry it, or is busy{}", because(host))
        }
        (Quantity::Processor, false) => {
            format!("others took the cores meanwhile{}", because(host))
        }
        (Quantity::Loss, true) => format!(
            "packets were dropped on the way, as by a queue that was full{}",
            because(host)
        ),
        _ => format!(
            "this host was busy, or has changed since `up` measured its own part{}",
            because(host)
        ),
    }
}

/// How a node gets its links back.
fn anew(node: &str) -> String {
    format!("when {node} has started again, `continuum-ctl up` applies its links anew")
}

fn because(host: &HostFacts) -> String {
    let all = spoilers(host);
    if all.is_empty() {
        String::new()
    } else {
        format!(" ({})", all.join("; "))
    }
}

/// What makes numbers of this host worse than they could be.
pub(super) fn spoilers(host: &HostFacts) -> Vec<String> {
    let mut all = Vec::new();
    let percent = |share: f64| 100.0 * share;
    if host.steal_share > WORTH_TELLING {
        all.push(format!(
            "other machines took {:.0} % of this host's cores",
            percent(host.steal_share)
        ));
    }
    if host.throttled_share > WORTH_TELLING {
        all.push(format!(
            "the controller was throttled by its control group {:.0} % of the time",
            percent(host.throttled_share)
        ));
    }
    if host.load_before > host.cores as f64 {
        all.push(format!(
            "{:.1} programs wanted to run on {} cores before it began",
            host.load_before, host.cores
        ));
    }
    let of_nodes = |shares: &std::collections::BTreeMap<String, f64>, what: &str| {
        let much = shares.iter().filter(|(_, share)| **share > WORTH_TELLING);
        let texts: Vec<String> = much
            .map(|(node, share)| format!("{node} {:.0} %", percent(*share)))
            .collect();
        (!texts.is_empty()).then(|| format!("{what}: {}", texts.join(", ")))
    };
    all.extend(of_nodes(
        &host.stolen_share,
        "stolen from nodes by their host",
    ));
    all.extend(of_nodes(
        &host.node_throttled_share,
        "agents throttled inside their nodes",
    ));
    all
}
