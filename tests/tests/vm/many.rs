//! Many small machines on one host.

use crate::{
    cluster_long::with_memory,
    fixture::VmFixture,
    table::{Body, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::results;
use std::{sync::Arc, time::Instant};

const CONFIG: &str = r#"
name = "thirty"
[infrastructure]
provider = "auto"
[infrastructure.edge]
nodes = 15
cores = 1
memory_mib = 192
[infrastructure.endpoint]
nodes = 15
cores = 1
memory_mib = 128
[network]
preset = "4g"
[software]
resource_manager = "mist"
[benchmark]
application = "empty"
sleep_time_s = 5
"#;

pub(crate) const TESTS: [Test; 2] = [
    Test::new(
        "many::thirty_guests_are_refused_with_the_sums_where_they_do_not_fit",
        &[],
        Body::Alone(refused),
    )
    .on(When::Always, When::Never),
    Test::new(
        "many::thirty_guests_come_up_and_run",
        &[],
        Body::Alone(thirty),
    )
    .on(When::Long, When::Never),
];

fn refused(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("thirty.toml", CONFIG)?;
    let ctl = with_memory(vms, 4)?;
    let said = ctl.refused(5, &["up", &config])?;
    for part in ["the nodes need", "guests 4800 MiB", "available 4096 MiB"] {
        ensure!(said.contains(part), "no `{part}` in {said}");
    }
    ensure!(
        !ctl.state().join("deployments/thirty").exists(),
        "a refused up left something"
    );
    Ok(())
}

fn available_mib() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"));
    let kib = line
        .and_then(|l| l.trim().strip_suffix(" kB"))
        .context("MemAvailable")?;
    Ok(kib.trim().parse::<u64>()? / 1024)
}

fn thirty(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("thirty.toml", CONFIG)?;
    let ctl = vms.ctl();
    let before = available_mib()?;
    let begun = Instant::now();
    let up = ctl.json(0, &["up", &config])?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = available_mib()?;
    eprintln!(
        "thirty guests: up in {seconds:.1} s, {} MiB of the host's memory taken; stages {}",
        before.saturating_sub(after),
        up["stage_times"]
    );
    let (dir, text) = vms.results("thirty");
    ctl.expect(0, &["bench", &config, "--results", &text])?;
    let result = results::json(&results::only_result(&dir)?)?;
    let runs = result["runs"].as_array().context("runs")?;
    let done = runs.iter().filter(|r| r["exit"]["code"] == 0).count();
    ensure!(done == 15, "{done} of 15 runs: {result}");
    let begun = Instant::now();
    ctl.expect(0, &["down", "thirty"])?;
    eprintln!(
        "thirty guests: down in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    vms.check_nothing_left()
}
