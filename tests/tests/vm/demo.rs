//! The two configs that a user begins with.

use crate::{
    fixture::VmFixture,
    table::{Body, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results, skip};
use std::sync::Arc;

pub(crate) const TESTS: [Test; 2] = [
    Test::new(
        "demo::it_is_complete_and_leaves_nothing_twice_in_a_row",
        &[],
        Body::Alone(demo),
    )
    .on(When::Always, When::Always),
    Test::new(
        "demo::an_endpoint_alone_classifies_its_photos",
        &[],
        Body::Alone(endpoint_alone),
    )
    .on(When::Always, When::Always),
];

/// `make demo`: complete, right, nothing left. Emulated machines get fewer photos.
fn demo(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let fewer = [
        "--set",
        "benchmark.duration_s=5",
        "--set",
        "benchmark.frequency=1",
    ];
    let is_all = !vms.is_slow() || skip::long().is_none();
    let first = if is_all {
        (&[][..], 20)
    } else {
        (&fewer[..], 5)
    };
    for (round, (set, photos)) in [("first", first), ("second", (&fewer[..], 5))] {
        let (dir, text) = vms.results(round);
        let ctl = vms.ctl();
        let config = example("mist-edge.toml");
        let run = [&["run", &*config, "--results", &*text], set].concat();
        let out = ctl.expect(0, &run)?;
        ensure!(
            out.contains("EDGE OUTPUT") && out.contains("ENDPOINT OUTPUT"),
            "{out}"
        );
        let dir = results::only_result(&dir)?;
        results::check(&dir, photos)?;
        let result = results::json(&dir)?;
        eprintln!("{round} demo: stages {}", result["stage_times"]);
        for run in result["runs"].as_array().context("runs")? {
            let cores = run["cpu_cores"].as_f64().unwrap_or_default();
            let want = format!("{} 100000", (cores * 100_000.0) as u64);
            ensure!(
                run["limits"]["cpu_max"] == want.as_str(),
                "asked for {cores} cores: {}",
                run["limits"]
            );
            let bytes = run["memory_mib"].as_u64().unwrap_or_default() << 20;
            ensure!(
                run["limits"]["memory_max"] == bytes.to_string().as_str(),
                "{}",
                run["limits"]
            );
        }
        vms.check_nothing_left()?;
    }
    Ok(())
}

/// Upstream's first tutorial config: one endpoint alone, at half a core. Emulated photos come ten seconds apart: fifteen
/// seconds for each were seen on a slow host, and the last must be answered two minutes after the end.
fn endpoint_alone(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let (dir, text) = vms.results("endpoint");
    let (frequency, duration, photos) = match (vms.is_slow(), skip::long().is_none()) {
        (true, true) => ("0.1", "100", 10),
        (true, false) => ("0.1", "50", 5),
        (false, _) => ("1", "10", 10),
    };
    let frequency = format!("benchmark.frequency={frequency}");
    let duration = format!("benchmark.duration_s={duration}");
    let ctl = vms.ctl();
    let out = ctl.expect(
        0,
        &[
            "run",
            &example("endpoint.cfg"),
            "--results",
            &text,
            "--set",
            &frequency,
            "--set",
            &duration,
            "--set",
            "infrastructure.keep=false",
        ],
    )?;
    ensure!(
        out.contains("ENDPOINT OUTPUT") && out.contains("endpoint_id"),
        "{out}"
    );
    results::check(&results::only_result(&dir)?, photos)?;
    vms.check_nothing_left()
}
