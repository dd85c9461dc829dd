//! What may happen to guests of provider `uml`, which are processes: killed, interrupted half made, without a disk.

use crate::{
    cluster::Cluster,
    fixture::{VmFixture, delays_of_4g, guest_processes, kill, machine_name},
    table::{Body, Fixture, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::example,
    process::{command, end, pause, start_time},
    results,
};
use rustix::process::Signal;
use serde_json::json;
use std::{
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};

/// Two small machines without software.
pub(crate) const TWO: &str = r#"
name = "two"
[infrastructure]
provider = "auto"
infra_only = true
[infrastructure.edge]
nodes = 1
cores = 1
memory_mib = 256
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 256
"#;
/// For a machine that is gone to be missed.
const SOON: Duration = Duration::from_mins(2);

/// The example, up.
static MIST: Fixture = Fixture {
    name: "mist",
    make: |vms| {
        let cluster = Cluster::new(vms, "mist-edge");
        cluster.ctl.expect(0, &["up", &example("mist-edge.toml")])?;
        Ok(cluster)
    },
};

const fn on_mist(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, &[], Body::With(&MIST, run)).on(When::Always, When::Never)
}

pub(crate) const fn alone(
    name: &'static str,
    run: fn(&Arc<VmFixture>) -> anyhow::Result<()>,
) -> Test {
    Test::new(name, &[], Body::Alone(run)).on(When::Always, When::Never)
}

pub(crate) const TESTS: [Test; 9] = [
    on_mist(
        "guests::one_that_is_killed_makes_a_run_invalid_and_up_brings_it_back",
        killed_guest,
    ),
    on_mist(
        "guests::one_whose_supervisor_is_killed_is_gone_and_up_brings_it_back",
        killed_supervisor,
    ),
    on_mist("guests::a_second_up_while_one_is_at_it_is_refused", locked),
    Test::new("mist::down_leaves_nothing", &[], Body::End(&MIST)).on(When::Always, When::Never),
    alone("guests::up_that_was_killed_at_any_moment_goes_on", |vms| {
        killed_up(vms, true)
    }),
    alone(
        "guests::up_that_was_killed_at_any_moment_leaves_nothing_after_down",
        |vms| killed_up(vms, false),
    ),
    alone("guests::down_twice_says_that_nothing_was_there", down_twice),
    alone(
        "guests::down_without_any_state_finds_them_all",
        down_without_state,
    ),
    alone(
        "guests::a_number_that_is_anothers_process_by_now_is_left_alone",
        reused_number,
    ),
];

/// The result says so by name.
fn killed_guest(mist: &Cluster) -> anyhow::Result<()> {
    let (vms, ctl) = (&mist.vms, &mist.ctl);
    let (dir, text) = vms.results("killed-guest");
    let example = example("mist-edge.toml");
    let long = [
        "bench",
        &example,
        "--results",
        &text,
        "--set",
        "benchmark.duration_s=300",
    ];
    let mut bench = ctl.start("killed-guest", &long)?;
    bench.wait_for_answers(2, SOON)?;
    vms.kill(ctl, "mist-edge", "edge0")?;
    let code = bench.wait(SOON)?;
    ensure!(
        code == 6 && bench.said().contains("edge0"),
        "exit {code}: {}",
        bench.said()
    );
    let dir = results::only_result(&dir)?;
    let result = results::json(&dir)?;
    ensure!(
        result["validity"] == "invalid" && result["invalid_reasons"].to_string().contains("edge0"),
        "{} {}",
        result["validity"],
        result["invalid_reasons"]
    );
    ensure!(
        results::rows(&dir, "samples.csv")?.len() >= 2,
        "samples are missing"
    );
    // Started again it has lost its broker, which comes back, and has its links.
    let back = ctl.expect(0, &["up", &example])?;
    ensure!(!back.contains("nothing was changed"), "{back}");
    let raw = ctl.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    ensure!(delays_of_4g(&raw) >= 2, "{raw}");
    let (dir, text) = vms.results("killed-guest-back");
    let few = [
        "bench",
        &example,
        "--results",
        &text,
        "--set",
        "benchmark.duration_s=5",
    ];
    ctl.expect(0, &few)?;
    results::check(&results::only_result(&dir)?, 10)
}

/// The guest ends with it, so that nobody runs whom nobody knows.
fn killed_supervisor(mist: &Cluster) -> anyhow::Result<()> {
    let ctl = &mist.ctl;
    let machine = machine_name(ctl, "mist-edge", "endpoint0")?;
    let (supervisor, (guest, started)) = guest_processes(ctl, &machine)?;
    kill(supervisor)?;
    let deadline = Instant::now() + SOON;
    while start_time(guest) == Some(started) {
        ensure!(Instant::now() < deadline, "the guest lives on");
        pause();
    }
    let status = ctl.json(0, &["status", "mist-edge"])?;
    let nodes = status["nodes"].as_array().context("nodes")?;
    let state = |node: &str| {
        nodes
            .iter()
            .find(|n| n["node"] == node)
            .map(|n| &n["machine"])
    };
    ensure!(
        state("endpoint0").is_some_and(|s| s != "running")
            && state("edge0").is_some_and(|s| s == "running"),
        "{status}"
    );
    ctl.expect(0, &["up", &example("mist-edge.toml")])?;
    ctl.expect(0, &["agent", "mist-edge", "endpoint0", "health"])
        .map(|_| ())
}

fn locked(mist: &Cluster) -> anyhow::Result<()> {
    let (_, text) = mist.vms.results("locked");
    let example = example("mist-edge.toml");
    let mut bench = mist
        .ctl
        .start("locked", &["bench", &example, "--results", &text])?;
    bench.wait_for_answers(1, SOON)?;
    let said = mist.ctl.refused(4, &["up", &example])?;
    ensure!(
        said.contains(&format!("process {} holds it", bench.pid())),
        "{said}"
    );
    bench.signal(Signal::INT)?;
    let code = bench.wait(SOON)?;
    ensure!(code == 130, "exit {code}: {}", bench.said());
    Ok(())
}

/// Killed at moments spread over the whole of `up`.
fn killed_up(vms: &Arc<VmFixture>, goes_on: bool) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    let ctl = vms.ctl();
    let mut whole = Duration::ZERO;
    // The first may have a disk to unpack.
    for _ in 0..2 {
        let begun = Instant::now();
        ctl.expect(0, &["up", &config])?;
        whole = begun.elapsed();
        ctl.expect(0, &["down", "two"])?;
    }
    vms.check_nothing_left()?;
    for tenths in 1..=9 {
        let after = whole * tenths / 10;
        let mut up = ctl.start("killed-up", &["up", &config])?;
        let until = Instant::now() + after;
        while Instant::now() < until {
            std::thread::yield_now();
        }
        up.signal(Signal::KILL)?;
        up.wait(SOON).ok();
        let round = || format!("killed {:.2} s after its start", after.as_secs_f64());
        if goes_on {
            ctl.expect(0, &["up", &config]).with_context(round)?;
            let status = ctl.json(0, &["status", "two"])?;
            let nodes = status["nodes"].as_array().context("nodes")?;
            ensure!(
                nodes
                    .iter()
                    .all(|n| n["machine"] == "running" && n["agent"] == "answers"),
                "{}: {status}",
                round()
            );
        }
        ctl.expect(0, &["down", "two"]).with_context(round)?;
        vms.check_nothing_left().with_context(round)?;
    }
    eprintln!(
        "up takes {:.2} s; killed at nine moments of it",
        whole.as_secs_f64()
    );
    Ok(())
}

fn down_twice(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    let ctl = vms.ctl();
    ctl.expect(0, &["up", &config])?;
    let removed = ctl.expect(0, &["down", &config])?;
    ensure!(removed.contains("guest ct-"), "{removed}");
    for _ in 0..2 {
        let nothing = ctl.expect(0, &["down", &config])?;
        ensure!(nothing.contains("nothing was there to remove"), "{nothing}");
    }
    vms.check_nothing_left()
}

fn down_without_state(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    let ctl = vms.ctl();
    ctl.expect(0, &["up", &config])?;
    std::fs::remove_file(ctl.state().join("deployments/two/state.json"))?;
    let removed = ctl.expect(0, &["down", &config])?;
    ensure!(removed.matches("guest ct-").count() == 2, "{removed}");
    vms.check_nothing_left()
}

/// After a restart of the host: the numbers that were written down are those of others.
fn reused_number(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    let ctl = vms.ctl();
    ctl.expect(0, &["up", &config])?;
    let machine = machine_name(&ctl, "two", "edge0")?;
    let (supervisor, _) = guest_processes(&ctl, &machine)?;
    kill(supervisor)?;
    let mut stranger = command("sleep")
        .arg("infinity")
        .stdin(Stdio::null())
        .spawn()?;
    let since = start_time(stranger.id()).context("a process")?;
    let written = json!({ "pid": stranger.id(), "started": since - 1 });
    let status = json!({ "running": { "supervisor": written, "guest": written } });
    let path = ctl
        .state()
        .join("guests")
        .join(&machine)
        .join("status.json");
    std::fs::write(path, status.to_string())?;
    let gone = ctl.json(0, &["status", "two"])?;
    let done = ctl.expect(0, &["down", "two"]);
    let lives = start_time(stranger.id()) == Some(since);
    end(stranger.id(), since, Duration::ZERO);
    stranger.wait()?;
    done?;
    ensure!(lives, "it ended a process that is not a guest");
    ensure!(
        gone["nodes"].as_array().is_some_and(|all| {
            all.iter()
                .any(|n| n["node"] == "edge0" && n["machine"] != "running")
        }),
        "{gone}"
    );
    vms.check_nothing_left()
}
