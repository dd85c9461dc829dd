//! What became of the photos, and what a reader of the latency must know.

use super::{NodeRun, Report};
use continuum_model::{PhotoTimes, is_classified};
use continuum_workload_core::{event::Summary, photo_sample::Loss};
use std::collections::BTreeMap;

/// A send that began later than this after it was due has slipped.
const SLIP_NS: i64 = 10_000_000;
/// Of all photos or sends; beyond it a result is not what was asked for.
const FEW: f64 = 0.01;
/// Files that are named.
const MOST_NAMES: usize = 10;

fn summary(run: &NodeRun) -> Summary {
    run.summary.clone().unwrap_or_default()
}

/// As its samples say: a run that was ended has no last word of its own.
fn sent(run: &NodeRun) -> u64 {
    if run.samples.is_empty() {
        summary(run).sent
    } else {
        run.samples.len() as u64
    }
}

fn unanswered(run: &NodeRun) -> u64 {
    let lost = run.samples.iter().filter(|s| !s.is_answered()).count() as u64;
    lost.max(summary(run).lost)
}

fn bad(run: &NodeRun) -> u64 {
    let bad = run
        .samples
        .iter()
        .filter(|s| s.is_answered() && s.class < 0);
    (bad.count() as u64).max(summary(run).bad_inputs)
}

fn slips(run: &NodeRun) -> u64 {
    let slipped = run
        .samples
        .iter()
        .filter(|s| PhotoTimes::from(*s).slip_ns() > SLIP_NS);
    run.summary
        .as_ref()
        .map_or_else(|| slipped.count() as u64, |s| s.slips)
}

fn is_more_than_a_few(part: u64, whole: u64) -> bool {
    part as f64 > whole as f64 * FEW
}

pub(super) fn add(report: &mut Report, asked: u64, runs: &[NodeRun], endpoints: &[&NodeRun]) {
    let of_endpoints =
        |field: fn(&NodeRun) -> u64| -> u64 { endpoints.iter().map(|run| field(run)).sum() };
    let of_all =
        |field: fn(&Summary) -> u64| -> u64 { runs.iter().map(|run| field(&summary(run))).sum() };
    let answered = endpoints
        .iter()
        .flat_map(|r| &r.samples)
        .filter(|s| is_classified(s))
        .count() as u64;
    let mut set = |name: &str, value| report.counts.insert(name.to_owned(), value);
    set("asked", asked * endpoints.len() as u64);
    set("sent", of_endpoints(sent));
    set("answered", answered);
    set("late", of_endpoints(|r| summary(r).late));
    set("lost", of_endpoints(unanswered));
    set("duplicates", of_endpoints(|r| summary(r).duplicates));
    set("slips", of_endpoints(slips));
    set("dropped", of_all(|s| s.dropped));
    set("bad_inputs", of_endpoints(bad));
    set("reconnects", of_all(|s| s.reconnects));
    set("resent", of_all(|s| s.resent));
    set("waits", of_all(|s| s.waits));
    set("stalls", of_all(|s| s.stalls));
    unfinished(report, runs);
    losses(report, asked, endpoints);
    same_counts(report, runs);
    bad_inputs(report, runs, endpoints, answered);
    slipped(report, endpoints);
    answered_twice(report, endpoints);
    interruptions(report, runs);
    let dropped = of_all(|s| s.dropped);
    if dropped > 0 {
        report.invalid.push(format!(
            "{dropped} photos were dropped because the worker's queue was full"
        ));
    }
}

fn unfinished(report: &mut Report, runs: &[NodeRun]) {
    for run in runs.iter().filter(|run| !run.is_complete()) {
        report.invalid.push(format!(
            "run {} on node {} did not finish: {}",
            run.plan.id,
            run.plan.node,
            run.how_ended()
        ));
    }
}

fn losses(report: &mut Report, asked: u64, endpoints: &[&NodeRun]) {
    for run in endpoints {
        let (sent, lost) = (sent(run), unanswered(run));
        if sent >= asked && lost == 0 {
            continue;
        }
        let mut reasons: BTreeMap<Loss, u64> = BTreeMap::new();
        for loss in run.samples.iter().filter_map(|s| s.lost) {
            *reasons.entry(loss).or_default() += 1;
        }
        let mut text = format!(
            "endpoint {}: {sent} of {asked} photos sent, {lost} without an answer",
            run.plan.node
        );
        let words: Vec<String> = reasons
            .iter()
            .map(|(loss, count)| format!("{count} {}", loss.words()))
            .collect();
        if !words.is_empty() {
            text.push_str(&format!(": {}", words.join(", ")));
        }
        report.invalid.push(text);
    }
}

/// What a run counted and what came of it must be the same, or the tables are about something else.
fn same_counts(report: &mut Report, runs: &[NodeRun]) {
    for run in runs {
        if let Some(summary) = run.summary.as_ref()
            && run.samples.len() as u64 != summary.sent
        {
            report.invalid.push(format!(
                "run {}: it counted {} photos, and {} samples are here{}",
                run.plan.id,
                summary.sent,
                run.samples.len(),
                run.problems
                    .last()
                    .map_or_else(String::new, |p| format!(" ({p})")),
            ));
        }
    }
}

/// Times of photos that were no photos are not there, and a result without times is none.
fn bad_inputs(report: &mut Report, runs: &[NodeRun], endpoints: &[&NodeRun], classified: u64) {
    let sent: u64 = endpoints.iter().map(|run| sent(run)).sum();
    let count: u64 = endpoints.iter().map(|run| bad(run)).sum();
    if count > 0 {
        let text = format!(
            "{count} photos could not be classified and are not in the times: {}",
            bad_files(runs, endpoints)
        );
        if is_more_than_a_few(count, sent) {
            report.invalid.push(text);
        } else {
            report.notes.push(text);
        }
    }
    if sent > 0 && classified == 0 {
        report
            .invalid
            .push(format!("nothing was classified, of {sent} photos sent"));
    }
}

/// Each file once, with what was said about one of its photos.
fn bad_files(runs: &[NodeRun], endpoints: &[&NodeRun]) -> String {
    let mut files: BTreeMap<&str, (u64, Option<&str>)> = BTreeMap::new();
    let bad = endpoints.iter().flat_map(|run| &run.samples);
    for sample in bad.filter(|s| s.is_answered() && s.class < 0) {
        let (count, why) = files.entry(&sample.photo).or_default();
        *count += 1;
        if why.is_none() {
            let about = [
                format!("photo {} of {}: ", sample.id, sample.endpoint),
                format!("photo {}: ", sample.id),
            ];
            let mut problems = runs.iter().flat_map(|run| &run.problems);
            *why = problems.find_map(|p| {
                about
                    .iter()
                    .find_map(|about| p.strip_prefix(about.as_str()))
            });
        }
    }
    let mut named: Vec<String> = files
        .iter()
        .take(MOST_NAMES)
        .map(|(file, (count, why))| {
            let why = why.map_or_else(String::new, |why| format!(", {why}"));
            format!("`{}` ({count} times{why})", file.escape_debug())
        })
        .collect();
    if files.len() > MOST_NAMES {
        named.push(format!("and {} more files", files.len() - MOST_NAMES));
    }
    if named.is_empty() {
        "their names did not come".to_owned()
    } else {
        named.join(", ")
    }
}

/// The latency counts from when a send began, as upstream's does: one that began late hides how long its photo was due.
fn slipped(report: &mut Report, endpoints: &[&NodeRun]) {
    for run in endpoints {
        let (sent, slips) = (sent(run), slips(run));
        if !is_more_than_a_few(slips, sent) {
            continue;
        }
        let waiting = summary(run).slips_waiting.min(slips);
        let own = slips - waiting;
        let from_due = report
            .stages
            .get("end_to_end_from_due")
            .map_or_else(String::new, |p| {
                let p95 = p.p95_ms.map(|p95| format!(", p95 {p95:.0} ms"));
                format!(" (p50 {:.0} ms{})", p.p50_ms, p95.unwrap_or_default())
            });
        report.notes.push(format!(
            "endpoint {}: {slips} of {sent} sends began more than 10 ms late, {waiting} because the broker had not taken what \
             was before them, {own} because the endpoint itself was late; latency_avg does not count that, \
             end_to_end_from_due does{from_due}",
            run.plan.node
        ));
    }
}

fn answered_twice(report: &mut Report, endpoints: &[&NodeRun]) {
    for run in endpoints {
        let Summary {
            duplicates, resent, ..
        } = summary(run);
        if duplicates > 0 {
            report.notes.push(format!(
                "endpoint {}: {duplicates} answers came more than once, and count once, by the first; it had sent {resent} \
                 photos again",
                run.plan.node
            ));
        }
    }
}

fn interruptions(report: &mut Report, runs: &[NodeRun]) {
    for run in runs {
        let summary = summary(run);
        let node = &run.plan.node;
        let seconds = |ms: u64| ms as f64 / 1000.0;
        if summary.stalls > 0 {
            report.notes.push(format!(
                "node {node}: its process stood still {} times, {:.1} s together",
                summary.stalls,
                seconds(summary.stalled_ms)
            ));
        }
        if summary.waits > 0 {
            report.notes.push(format!(
                "node {node}: it waited {} times, {:.1} s together, for the broker to take what was sent before",
                summary.waits,
                seconds(summary.waited_ms)
            ));
        }
        if summary.reconnects > 0 || summary.resent > 0 {
            report.notes.push(format!(
                "node {node}: its connection to the broker was made again {} times, {} messages were sent again, {} photos \
                 were answered late for it",
                summary.reconnects, summary.resent, summary.late
            ));
        }
    }
}
