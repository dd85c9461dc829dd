//! status --watch: one screen, drawn anew each second.

use super::output::{Output, render_for_terminal};
use crate::dashboard::LiveDeployment;
use continuum_dashboard::{Feed, NodeOverview, Source, Status};
use continuum_host::{context::Context, error::Error};
use continuum_model::LiveRun;
use std::{io::IsTerminal, path::Path, sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(1);
/// As many as fit beside the other columns.
const CPU_SECONDS: usize = 20;
const CLEAR: &str = "\x1b[H\x1b[2J";
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const COLUMNS: [&str; 6] = [
    "node",
    "CPU (last 20 s)",
    "memory (MiB)",
    "in (Mbit/s)",
    "out (Mbit/s)",
    "agent",
];

/// Until interrupted, or until nobody reads it any more. What is no terminal is given one screen after the other.
pub(super) async fn watch(context: &Context, output: &Output, name: &str) -> Result<(), Error> {
    if output.is_json() {
        return Err(Error::Words {
            doing: format!("watch `{name}` as JSON"),
            why: format!(
                "screens are for people; ask again and again: continuum-ctl --format json status {name}"
            ),
        });
    }
    let deployment = Arc::new(LiveDeployment::open(context, name, Path::new("results"))?);
    let feed = Feed::start(Arc::<LiveDeployment>::clone(&deployment), &context.cancel);
    context.progress.finish();
    let is_terminal = std::io::stdout().is_terminal();
    let mut tick = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = context.cancel.cancelled() => return Ok(()),
            () = output.closed() => return Ok(()),
        }
        let status = deployment.status().await;
        let screen = screen(name, &status, &feed.overview(CPU_SECONDS));
        let clear = if is_terminal { CLEAR } else { "" };
        output.bytes(format!("{clear}{screen}\n").as_bytes());
    }
}

fn screen(name: &str, status: &Status, nodes: &[NodeOverview]) -> String {
    let mut lines = vec![format!("{name}: {}", status.phase)];
    lines.extend(status.trouble.iter().cloned());
    lines.extend(status.in_force.iter().map(|r| format!("in force: {r}")));
    let unready = status.not_ready.iter();
    lines.extend(unready.map(|(node, why)| format!("{node} is not ready: {why}")));
    lines.push(render_for_terminal(
        &COLUMNS,
        nodes.iter().map(row).collect(),
    ));
    lines.extend(status.run.as_ref().map(run));
    lines.join("\n")
}

fn row(node: &NodeOverview) -> Vec<String> {
    let mbit_s = |rate: Option<f64>| match rate {
        Some(rate) => format!("{:.2}", rate / 1e6),
        None => "–".into(),
    };
    let last = node.cpu_percent.last().copied().unwrap_or(0.0);
    vec![
        node.name.clone(),
        format!("{} {last:.0} %", bars(&node.cpu_percent)),
        format!(
            "{} of {}",
            node.memory_used_bytes >> 20,
            node.memory_total_bytes >> 20
        ),
        mbit_s(node.received_bit_s),
        mbit_s(node.sent_bit_s),
        match &node.silent {
            Some(why) => format!("silent: {why}"),
            None => "answers".into(),
        },
    ]
}

/// A bar for each second, 0 to 100 % in eight steps.
fn bars(percents: &[f32]) -> String {
    let step = |percent: &f32| (percent.clamp(0.0, 99.9) / 100.0 * BARS.len() as f32) as usize;
    percents.iter().filter_map(|p| BARS.get(step(p))).collect()
}

fn run(run: &LiveRun) -> String {
    let counts = match run.total {
        Some(total) => format!(", {} of {total} answered", run.done),
        None => String::new(),
    };
    let state = match &run.stage {
        Some(stage) => format!("{stage} …"),
        None => format!("ended, {}", run.validity.as_deref().unwrap_or("unknown")),
    };
    format!("run of {}: {state}{counts}", run.application)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_model::Tier;

    #[test]
    fn a_screen_has_every_node_and_the_run() {
        let node = |name: &str, silent: Option<&str>| NodeOverview {
            name: name.into(),
            tier: Tier::Edge,
            cores: 1,
            cpu_percent: vec![0.0, 50.0, 100.0],
            memory_used_bytes: 100 << 20,
            memory_total_bytes: 512 << 20,
            received_bit_s: Some(7_210_000.0),
            sent_bit_s: None,
            silent: silent.map(str::to_owned),
        };
        let status = Status {
            phase: "up".into(),
            run: Some(LiveRun {
                application: "empty".into(),
                stage: Some("run".into()),
                done: 3,
                total: Some(10),
                ..LiveRun::default()
            }),
            ..Status::default()
        };
        let seen = screen(
            "lab",
            &status,
            &[node("edge0", None), node("edge1", Some("gone"))],
        );
        for part in [
            "lab: up",
            "▁▅█ 100 %",
            "100 of 512",
            "7.21",
            "silent: gone",
            "run of empty: run …, 3 of 10 answered",
        ] {
            assert!(seen.contains(part), "no `{part}` in\n{seen}");
        }
    }
}
