//! The result directory: `result.json`, tables and raw data as CSV, logs.

use crate::{error::CommandError, report::Bench};
use continuum_config::{Config, to_toml};
use continuum_host::{error::Error, progress::StageTime, state::Deployment};
use continuum_model::{Installation, NodePlan, NodeRun, Phase, Plan};
use continuum_plan::links_of;
use continuum_results::{RESULT_FILE, RESULT_SCHEMA_VERSION, write_page, write_whole};
use continuum_workload_core::{
    call::CALL_COLUMNS, csv_records::csv_record, photo_sample::SAMPLE_COLUMNS,
};
use serde_json::json;
use std::{
    fmt::Write,
    path::{Path, PathBuf},
};
use time::{OffsetDateTime, macros::format_description};

/// The config that was in force; `run` with it makes the same again.
pub const CONFIG_FILE: &str = "config.toml";

/// Where the result of a run goes. Its directory is there when everything in it is.
#[derive(Debug)]
pub struct Place {
    results: PathBuf,
    name: String,
}

impl Place {
    /// For a run that begins now. Before the run, and before anything is made for it: afterwards it is too late to hear that
    /// nothing can be written there.
    pub fn look(results: &Path, deployment: &str) -> Result<Self, Error> {
        let stamp = OffsetDateTime::now_utc()
            .format(format_description!(
                "[year]-[month]-[day]T[hour]-[minute]-[second]Z"
            ))
            .map_err(CommandError::ResultName)?;
        let refused = |error: Error| Error::Preflight {
            name: deployment.to_owned(),
            reasons: vec![format!(
                "results cannot be written: failed to {}",
                continuum_host::error::chain(&error)
            )],
        };
        std::fs::create_dir_all(results).map_err(|e| refused(Error::file("create", results)(e)))?;
        let trial = results.join(format!(".{stamp}_{deployment}.{}", std::process::id()));
        std::fs::create_dir(&trial)
            .and_then(|()| std::fs::remove_dir(&trial))
            .map_err(|e| refused(Error::file("create a directory in", results)(e)))?;
        Ok(Self {
            results: results.to_owned(),
            name: format!("{stamp}_{deployment}"),
        })
    }

    /// A directory that nobody looks into yet, and its name to be.
    fn begin(&self) -> Result<(PathBuf, PathBuf), Error> {
        let mut name = self.name.clone();
        for number in 2.. {
            let hidden = self.results.join(format!(".{name}.part"));
            let dir = self.results.join(&name);
            match std::fs::create_dir(&hidden) {
                // Whoever had the hidden one before may have given it its name.
                Ok(()) if !dir.exists() => return Ok((hidden, dir)),
                Ok(()) => drop(std::fs::remove_dir(&hidden)),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(Error::file("create", hidden)(e)),
            }
            name = format!("{}_{number}", self.name);
        }
        Err(CommandError::NoResultName.into())
    }

    /// Only the directory, for results of several runs.
    pub fn make(&self) -> Result<PathBuf, Error> {
        let (hidden, dir) = self.begin()?;
        std::fs::rename(&hidden, &dir).map_err(Error::file("rename to", &dir))?;
        Ok(dir)
    }

    /// Writes everything. Returns the directory with what could be written, if not all of it could: the rest of a result is
    /// better than none.
    pub fn write(
        &self,
        config: &Config,
        plan: &Plan,
        deployment: &Deployment,
        bench: &Bench,
        stages: &[StageTime],
    ) -> (PathBuf, Result<(), Error>) {
        let (hidden, dir) = match self.begin() {
            Ok(places) => places,
            Err(error) => return (self.results.join(&self.name), Err(error)),
        };
        let written = write(&hidden, config, plan, deployment, bench, stages)
            .and_then(|()| write_page(&hidden).map(|_| ()));
        let named = std::fs::rename(&hidden, &dir).map_err(Error::file("rename to", &dir));
        let written = written.map_err(|error| moved(error, &hidden, &dir));
        (dir, written.and(named))
    }
}

/// Names a file where its user finds it, not where it was written.
fn moved(error: Error, from: &Path, to: &Path) -> Error {
    match error {
        Error::File {
            doing,
            path,
            source,
        } => Error::File {
            doing,
            path: path
                .strip_prefix(from)
                .map_or(path.clone(), |rest| to.join(rest)),
            source,
        },
        other => other,
    }
}

fn write(
    dir: &Path,
    config: &Config,
    plan: &Plan,
    deployment: &Deployment,
    bench: &Bench,
    stages: &[StageTime],
) -> Result<(), Error> {
    let save = |name: &str, text: String| write_whole(&dir.join(name), &text);
    let logs = dir.join("logs");
    std::fs::create_dir(&logs).map_err(Error::file("create", &logs))?;
    let result = json!({
        "schema": RESULT_SCHEMA_VERSION,
        "name": config.name,
        "begun_unix_ns": bench.begun_unix_ns,
        "load_unix_ns": bench.load_unix_ns,
        "interrupted": bench.interrupted,
        "controller_version": env!("CARGO_PKG_VERSION"),
        "validity": bench.report.validity,
        "invalid_reasons": bench.report.invalid,
        "notes": bench.report.notes,
        "config": config,
        "plan": {
            "prefix": plan.prefix.to_string(),
            "nodes": plan.nodes,
            "brokers": plan.brokers,
            "installations": installations_json(plan),
            "links": links_json(plan, config),
        },
        "host": host(),
        "facts": deployment.facts(),
        "verification": bench.verification,
        "clocks": bench.clocks,
        "clock_tracks": bench.clock_tracks,
        "timeline": bench.controller_events.iter().map(|h| json!({
            "time_unix_ns": h.time_unix_ns,
            "after_s": h.time_unix_ns.s_since(bench.load_unix_ns),
            "source": h.source,
            "text": h.text,
        })).collect::<Vec<_>>(),
        "stage_times": stages,
        "counts": bench.report.counts,
        "stages_ms": bench.report.stages,
        "stage_errors_ms": bench.report.stage_errors_ms,
        "prediction": bench.report.prediction,
        "tables": bench.report.tables,
        "metrics": bench.metrics.iter().map(|(node, m)| json!({
            "node": node,
            "samples": m.batch.samples.len(),
            "dropped": m.batch.dropped,
            "broken": m.broken,
        })).collect::<Vec<_>>(),
        "traces": bench.traces,
        "function_pods": bench.function_pods,
        "runs": bench.runs.iter().map(|run| run_json(run, &bench.runs)).collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&result).map_err(Error::encode(RESULT_FILE))?;
    save(RESULT_FILE, text)?;
    save(CONFIG_FILE, to_toml(config))?;
    for table in &bench.report.tables {
        save(table.file, table.to_csv())?;
    }
    save("samples.csv", samples(&bench.runs, Phase::Endpoint))?;
    save("worker_samples.csv", samples(&bench.runs, Phase::Worker))?;
    if !bench.functions.is_empty() {
        save("functions.csv", functions(bench))?;
        save("calls.csv", calls(&bench.runs))?;
    }
    save("metrics.csv", metrics(bench))?;
    save("events.csv", events(bench))?;
    // What upstream writes to its log, and its users' scripts read.
    let mut output = String::new();
    for table in &bench.report.tables {
        output.push_str(&table.to_text());
    }
    output.push_str("Output in csv format\n");
    for table in &bench.report.tables {
        writeln!(output, "{}", table.to_csv_repr()).ok();
    }
    save("logs/output.log", output)?;
    for (node, text) in &bench.consoles {
        save(&format!("logs/console-{node}.log"), text.clone())?;
    }
    for run in &bench.runs {
        let lines = [run.problems.join("\n"), run.log.join("\n")].join("\n");
        save(&format!("logs/{}.log", run.plan.id), lines)?;
    }
    Ok(())
}

/// Links of each node.
pub fn links_json(plan: &Plan, config: &Config) -> Vec<serde_json::Value> {
    let links = |node: &NodePlan| {
        let to = links_of(node, &plan.nodes, &config.network);
        json!({ "from": node.name, "to": to })
    };
    plan.nodes.iter().map(links).collect()
}

/// What is installed on which node.
pub fn installations_json(plan: &Plan) -> Vec<serde_json::Value> {
    let installation = |i: &Installation| json!({ "node": i.node, "component": i.component.name, "options": i.component.options });
    plan.installations.iter().map(installation).collect()
}

fn host() -> serde_json::Value {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|l| l.strip_prefix("model name")?.split_once(": "))
        .map(|(_, m)| m);
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory = meminfo
        .lines()
        .find_map(|l| l.strip_prefix("MemTotal:"))
        .map(str::trim);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    json!({
        "cpus": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
        "cpu_model": model,
        "memory": memory,
        "kernel": kernel.trim(),
    })
}

fn run_json(run: &NodeRun, all: &[NodeRun]) -> serde_json::Value {
    let mut workers = all.iter().filter(|r| r.plan.phase == Phase::Worker);
    let worker = run.plan.connected_to.and_then(|index| workers.nth(index));
    json!({
        "id": run.plan.id,
        "node": run.plan.node,
        "phase": run.plan.phase,
        "role": run.plan.spec.role.name(),
        "worker": worker.map(|worker| &worker.plan.node),
        "cpu_cores": run.plan.cpu_cores,
        "memory_mib": run.plan.memory_mib,
        "limits": run.started,
        "detail": run.detail,
        "summary": run.summary,
        "exit": run.exit,
        "lost": run.lost,
        "problems": run.problems,
        "pod": run.pod,
    })
}

fn samples(runs: &[NodeRun], phase: Phase) -> String {
    let mut text = format!("{SAMPLE_COLUMNS}\n");
    for sample in runs
        .iter()
        .filter(|r| r.plan.phase == phase)
        .flat_map(|r| &r.samples)
    {
        text.push_str(&sample.to_csv());
    }
    text
}

fn calls(runs: &[NodeRun]) -> String {
    let mut text = format!("{CALL_COLUMNS}\n");
    for call in runs.iter().flat_map(|r| &r.calls) {
        text.push_str(&call.to_csv());
    }
    text
}

fn functions(bench: &Bench) -> String {
    let mut text =
        String::from("time_unix_ns,function,replicas,available,cpu_cores,memory_bytes\n");
    for s in &bench.functions {
        let cores = s.cpu_cores.map(|c| format!("{c:.4}")).unwrap_or_default();
        let memory = s.memory_bytes.map(|m| m.to_string()).unwrap_or_default();
        let (at, name) = (s.time_unix_ns, &s.function);
        let (replicas, available) = (s.replicas, s.available);
        writeln!(text, "{at},{name},{replicas},{available},{cores},{memory}").ok();
    }
    text
}

fn metrics(bench: &Bench) -> String {
    let mut text = String::from(
        "node,time_unix_ns,cpu_percent,memory_used_bytes,memory_total_bytes,network_received_bytes,\
         network_sent_bytes,disk_read_bytes,disk_written_bytes,agent_rss_bytes,broker_rss_bytes,workload_rss_bytes\n",
    );
    for (node, metrics) in &bench.metrics {
        for s in &metrics.batch.samples {
            writeln!(
                text,
                "{node},{},{:.2},{},{},{},{},{},{},{},{},{}",
                s.time_unix_ns,
                s.cpu_percent,
                s.memory_used_bytes,
                s.memory_total_bytes,
                s.network_received_bytes,
                s.network_sent_bytes,
                s.disk_read_bytes,
                s.disk_written_bytes,
                s.agent_rss_bytes,
                s.broker_rss_bytes,
                s.workload_rss_bytes
            )
            .ok();
        }
    }
    text
}

fn events(bench: &Bench) -> String {
    let mut text = String::from("node,time_unix_ns,source,text\n");
    let mut add = |node: &str, at: String, source: &str, what: &str| {
        text.push_str(&csv_record([node, &at, source, what]));
    };
    for (node, metrics) in &bench.metrics {
        for e in &metrics.batch.events {
            add(node, e.time_unix_ns.to_string(), &e.source, &e.text);
        }
    }
    for h in &bench.controller_events {
        let at = h.time_unix_ns.to_string();
        add("controller", at, h.source, &h.text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_refused_and_a_killed_run_leaves_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        for bad in [&*file, Path::new("/proc/x")] {
            let error = Place::look(bad, "lab").unwrap_err();
            assert_eq!(error.exit(), continuum_host::exit::Exit::Preflight);
            assert!(error.to_string().contains("cannot be written"), "{error}");
        }
        let place = Place::look(dir.path(), "lab").unwrap();
        let visible = || {
            let names = std::fs::read_dir(dir.path()).unwrap().flatten();
            let names = names.map(|e| e.file_name().into_string().unwrap());
            let mut names: Vec<_> = names.filter(|n| n != "file").collect();
            names.sort();
            names
        };
        assert!(visible().is_empty(), "{:?}", visible());
        // Two runs of the same second that write at the same time, and one that comes after them.
        let (first, second) = (place.begin().unwrap(), place.begin().unwrap());
        assert!(
            visible().iter().all(|n| n.starts_with('.')),
            "{:?}",
            visible()
        );
        for (hidden, dir) in [first, second] {
            std::fs::rename(hidden, dir).unwrap();
        }
        let (hidden, third) = place.begin().unwrap();
        std::fs::rename(hidden, third).unwrap();
        let name = &place.name;
        let numbered = [name.clone(), format!("{name}_2"), format!("{name}_3")];
        assert_eq!(visible(), numbered);
    }
}
