//! What the result was made with.

use super::Section;
use crate::{
    data_table::{DataTable, NONE, number},
    flat::{flatten, plain},
    read::{ResultFile, RunFiles},
};
use continuum_host::error::Error;
use continuum_model::ClockOffset;

fn software(result: &ResultFile) -> DataTable {
    let mut table = DataTable::new("Software and host", &["what", "which"]);
    let host = |name: &str| result.host.get(name).map_or_else(|| NONE.to_owned(), plain);
    table.row(["continuum-ctl", &result.controller_version]);
    table.row([
        "schema of result.json".to_owned(),
        result.schema.to_string(),
    ]);
    for name in ["cpu_model", "cpus", "memory", "kernel"] {
        table.row([format!("host: {name}"), host(name)]);
    }
    for (name, value) in result.facts.by_name() {
        table.row([name, value]);
    }
    table
}

fn nodes(result: &ResultFile) -> DataTable {
    let columns = [
        "node",
        "tier",
        "address",
        "cores",
        "memory (MiB)",
        "quota",
        "disk read / write (MB/s)",
        "clock ahead (ms)",
    ];
    let mut table = DataTable::new(&format!("Nodes, network {}", result.plan.prefix), &columns);
    for node in &result.plan.nodes {
        let limit = |mb_s: u64| {
            if mb_s == 0 {
                NONE.to_owned()
            } else {
                mb_s.to_string()
            }
        };
        let clock = result.clocks.get(&node.name).map_or_else(
            || NONE.to_owned(),
            |pair| {
                let ClockOffset {
                    offset_ns,
                    error_ns,
                } = pair.offset();
                format!(
                    "{:.3} ± {:.3}",
                    offset_ns as f64 / 1e6,
                    error_ns as f64 / 1e6
                )
            },
        );
        table.row([
            node.name.clone(),
            node.tier.to_string(),
            node.address.to_string(),
            node.cores.to_string(),
            node.memory_mib.to_string(),
            node.quota.to_string(),
            format!(
                "{} / {}",
                limit(node.disk_read_mb_s),
                limit(node.disk_write_mb_s)
            ),
            clock,
        ]);
    }
    table
}

fn links(result: &ResultFile) -> DataTable {
    let columns = [
        "from",
        "to",
        "latency, one way (ms)",
        "jitter (ms)",
        "loss (%)",
        "rate (Mbit/s)",
        "also",
    ];
    let mut table = DataTable::new("Links as asked for", &columns);
    for from in &result.plan.links {
        for to in &from.to {
            let link = &to.link;
            let numbers = [
                link.latency_ms,
                link.jitter_ms,
                link.loss_percent,
                link.rate_mbit,
            ];
            let numbers = numbers.map(|n| n.to_string());
            table.row(
                [from.from.clone(), to.name.clone()]
                    .into_iter()
                    .chain(numbers)
                    .chain([link.extras().join(" ")]),
            );
        }
    }
    table
}

fn runs(result: &ResultFile) -> DataTable {
    let columns = [
        "run",
        "node",
        "role",
        "cores",
        "memory (MiB)",
        "said at its start",
        "end",
    ];
    let mut table = DataTable::new("Programs", &columns);
    for run in &result.runs {
        let code = run.exit.as_ref().and_then(|exit| exit.get("code"));
        let mut end = code.map_or_else(
            || NONE.to_owned(),
            |code| format!("exit code {}", plain(code)),
        );
        if !run.problems.is_empty() {
            end.push_str(&format!(", {} problems in its log", run.problems.len()));
        }
        table.row([
            run.id.clone(),
            run.node.clone(),
            run.role.clone(),
            number(run.cpu_cores),
            run.memory_mib.to_string(),
            run.detail.clone(),
            end,
        ]);
    }
    table
}

fn lines(caption: &str, value: &serde_json::Value) -> DataTable {
    let mut table = DataTable::new(caption, &["option", "value"]);
    for (path, text) in flatten(value) {
        table.row([path, text]);
    }
    table
}

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let result = &run.result;
    let mut times = DataTable::new("Time of each step of the command", &["step", "s"]);
    for time in &result.stage_times {
        times.row([time.stage.clone(), format!("{:.1}", time.seconds)]);
    }
    let mut streams = DataTable::new(
        "Streams of metrics",
        &["node", "samples", "lost", "ended early"],
    );
    for stream in &result.metrics {
        let broken = stream.broken.clone().unwrap_or_else(|| NONE.to_owned());
        streams.row([
            stream.node.clone(),
            stream.samples.to_string(),
            stream.dropped.to_string(),
            broken,
        ]);
    }
    let folded = [
        nodes(result),
        links(result),
        runs(result),
        times,
        streams,
        lines("Config, with every value that was in force", &result.config),
    ];
    Ok(Some(Section {
        id: "provenance",
        title: "Provenance",
        text: "From the files beside this page; `continuum-ctl report DIR` makes it again.".into(),
        tables: vec![software(result)],
        folded: folded
            .into_iter()
            .filter(|table| !table.rows.is_empty())
            .collect(),
        ..Section::default()
    }))
}
