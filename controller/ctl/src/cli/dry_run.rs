//! up --dry-run: what would be made, of what, and how long it takes.

use super::{
    link_cells::{latency, rate, without_empty_column},
    nodes::{NODE_COLUMNS, node_rows},
    output::{Output, warn},
};
use crate::{
    deploy::{self, timings},
    report::{installations_json, links_json},
};
use continuum_config::Config;
use continuum_host::{context::Context, error::Error};
use continuum_model::Plan;
use continuum_plan::links_of;
use continuum_provider::Allow;
use serde_json::json;
use std::collections::BTreeMap;

fn link_rows(plan: &Plan, config: &Config) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for node in &plan.nodes {
        for class in links_of(node, &plan.nodes, &config.network) {
            rows.push(vec![
                node.name.clone(),
                class.name.clone(),
                latency(&class.link),
                format!("{:?} %", class.link.loss_percent),
                rate(&class.link, class.trace.as_deref().map(|t| &*t.name)),
                class.peers.len().to_string(),
                class.link.extras().join(" "),
            ]);
        }
    }
    rows
}

const LINK_COLUMNS: [&str; 7] = [
    "from",
    "to",
    "latency (one way)",
    "loss",
    "rate",
    "peers",
    "also",
];

fn install_rows(plan: &Plan) -> Vec<Vec<String>> {
    plan.installations
        .iter()
        .map(|i| {
            let options: Vec<String> = i
                .component
                .options
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            vec![
                i.node.clone(),
                i.component.name.to_owned(),
                options.join(" "),
            ]
        })
        .collect()
}

/// By what was measured here, or else elsewhere.
fn time_to_expect(expected_s: Option<f64>, usual: &[(&str, f64)]) -> String {
    if let Some(seconds) = expected_s {
        return format!("time to expect: {seconds:.0} s, as on this machine before");
    }
    let never = "nothing like it was brought up on this machine yet";
    if usual.is_empty() {
        return format!("time to expect: not known, {never}");
    }
    let all: f64 = usual.iter().map(|(_, seconds)| seconds).sum();
    let stages: Vec<String> = usual
        .iter()
        .map(|(stage, seconds)| format!("{stage} {seconds:.0} s"))
        .collect();
    format!(
        "time to expect: about {all:.0} s ({}), as measured without KVM on two cores elsewhere; {never}",
        stages.join(", ")
    )
}

pub(super) async fn dry_run(
    context: &Context,
    output: &Output,
    config: &Config,
    allow: Allow,
) -> Result<(), Error> {
    let planned = deploy::plan_of(context, config, allow).await?;
    warn(&planned.warnings);
    let plan = &planned.plan;
    let provider = &*planned.choice.provider;
    output.text(&format!(
        "deployment {} on {provider}, network {}",
        plan.name, plan.prefix
    ));
    if let Some(reason) = &planned.choice.reason {
        output.text(&format!("provider {provider}: {reason}"));
    }
    output.table(&NODE_COLUMNS, node_rows(plan));
    let links = link_rows(plan, config);
    if links.is_empty() {
        output.text("links are not emulated");
    } else {
        let (columns, rows) = without_empty_column(&LINK_COLUMNS, links);
        output.table(columns, rows);
    }
    if !plan.installations.is_empty() {
        output.table(&["node", "installs", "with"], install_rows(plan));
    }
    let files = deploy::planned_files(context, config, plan)?;
    if !files.is_empty() {
        let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
        let rows = files.iter().map(|file| {
            vec![
                format!("{} {}", file.component, file.version),
                file.name.clone(),
                megabytes(file.size_bytes),
                file.sha256.chars().take(16).collect(),
            ]
        });
        output.table(&["component", "file", "size", "sha256"], rows.collect());
        let bytes = files.iter().map(|f| f.size_bytes).sum();
        output.text(&format!(
            "in all {} files, {}",
            files.len(),
            megabytes(bytes)
        ));
    }
    output.text(&format!(
        "in all {} nodes, {} cores, {} MiB",
        plan.nodes.len(),
        plan.cores(),
        plan.memory_mib()
    ));
    let expected_s = timings::expected_s(&context.root, config, provider);
    let usual = timings::usual(config, provider);
    output.text(&time_to_expect(expected_s, &usual));
    let refused = planned
        .refused
        .as_ref()
        .map(|e| continuum_host::error::chain(e));
    if let Some(why) = &refused {
        output.text(&format!("up would be refused: failed to {why}"));
    }
    output.json(&json!({
        "name": plan.name,
        "provider": planned.choice,
        "prefix": plan.prefix.to_string(),
        "nodes": plan.nodes,
        "links": links_json(plan, config),
        "installations": installations_json(plan),
        "files": files,
        "expected_s": expected_s,
        "usual_s": usual.iter().copied().collect::<BTreeMap<_, _>>(),
        "warnings": planned.warnings,
        "refused": refused,
    }));
    // As `up` would end, for those who ask by its exit code.
    match planned.refused {
        Some(_) if !output.is_json() => Err(Error::Preflight {
            name: plan.name.clone(),
            reasons: vec!["it would be refused, as said above".into()],
        }),
        Some(error) => Err(error),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::time_to_expect;

    #[test]
    fn a_time_says_where_it_comes_from() {
        let usual = [("software", 10.0), ("cluster", 145.0)];
        let text = time_to_expect(None, &usual);
        let sum = "about 155 s (software 10 s, cluster 145 s), as measured without KVM";
        assert!(text.contains(sum), "{text}");
        assert!(time_to_expect(Some(42.0), &usual).contains("42 s, as on this machine"));
        assert!(time_to_expect(None, &[]).contains("not known"));
    }
}
