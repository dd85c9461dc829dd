//! The two configs that a user begins with.

use crate::bed::Bed;
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};

/// `make demo`, twice in a row, the second time with fewer photos: complete, right, nothing left.
pub(crate) fn demo(bed: &Bed) -> anyhow::Result<()> {
    let fewer = ["--set", "benchmark.duration_s=5"];
    for (round, set, photos) in [("first", &[][..], 20), ("second", &fewer[..], 5)] {
        let (dir, text) = bed.results(round);
        let ctl = bed.ctl();
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
        bed.check_nothing_left()?;
    }
    Ok(())
}

/// Upstream's first tutorial config: one endpoint alone, at half a core. Photos come ten seconds apart: fifteen seconds for
/// each were seen on a slow host, and the last must be answered two minutes after the end.
pub(crate) fn endpoint_alone(bed: &Bed) -> anyhow::Result<()> {
    let (dir, text) = bed.results("endpoint");
    let ctl = bed.ctl();
    let out = ctl.expect(
        0,
        &[
            "run",
            &example("endpoint.cfg"),
            "--results",
            &text,
            "--set",
            "benchmark.frequency=0.1",
            "--set",
            "benchmark.duration_s=100",
            "--set",
            "infrastructure.keep=false",
        ],
    )?;
    ensure!(
        out.contains("ENDPOINT OUTPUT") && out.contains("endpoint_id"),
        "{out}"
    );
    results::check(&results::only_result(&dir)?, 10)?;
    bed.check_nothing_left()
}
