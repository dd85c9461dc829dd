//! Runs on this machine with the real workload bundle: provider `local`, real network, real photos.
//! Skipped where no bundle was built.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, source},
    process::{command, start_time},
    results, skip,
};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::Signal;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

type Case = fn() -> anyhow::Result<()>;

struct World {
    dir: tempfile::TempDir,
    ctl: Ctl,
}

impl World {
    fn new() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("make a directory")?;
        let ctl = Ctl::new(dir.path().join("state"));
        Ok(Self { dir, ctl })
    }

    fn results(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn local_run() -> anyhow::Result<()> {
    let world = World::new()?;
    let results = world.results("results").display().to_string();
    let text = world
        .ctl
        .expect(0, &["run", "examples/local.toml", "--results", &results])?;
    for part in [
        "EDGE OUTPUT",
        "ENDPOINT OUTPUT",
        "proc_time/data (ms)",
        "validity: unverified",
    ] {
        ensure!(text.contains(part), "no {part:?} in\n{text}");
    }
    let dir = results::only_result(&world.results("results"))?;
    results::check(&dir, 200)?;
    let result = results::json(&dir)?;
    let p50 = |stage: &str| {
        result["stages_ms"][stage]["p50_ms"]
            .as_f64()
            .unwrap_or(-1.0)
    };
    let sum: f64 = ["2_uplink", "3_queue", "4_decode", "5_infer", "6_downlink"]
        .iter()
        .map(|s| p50(s))
        .sum();
    eprintln!(
        "end to end {:.1} ms, its parts {sum:.1} ms (medians)",
        p50("end_to_end_from_due")
    );
    ensure!(
        sum > 0.5 * p50("end_to_end_from_due") && p50("2_uplink") >= 0.0,
        "{}",
        result["stages_ms"]
    );
    Ok(())
}

fn empty_run() -> anyhow::Result<()> {
    let world = World::new()?;
    let results = world.results("results").display().to_string();
    let object = world
        .ctl
        .json(0, &["run", "examples/empty.toml", "--results", &results])?;
    let table = &object["report"]["tables"][0];
    ensure!(
        table["banner"] == "EMPTY OUTPUT" && table["rows"][0][1].is_number(),
        "{table}"
    );
    Ok(())
}

/// up twice, and every way of debugging over gRPC.
fn debugging() -> anyhow::Result<()> {
    let world = World::new()?;
    let ctl = &world.ctl;
    ctl.expect(0, &["up", "examples/local.toml", "--set", "name=one"])?;
    let again = ctl.expect(0, &["up", "examples/local.toml", "--set", "name=one"])?;
    ensure!(
        again.contains("nothing was changed"),
        "the second up changed something"
    );
    let exec = ctl.expect(0, &["agent", "one", "edge0", "exec", "--", "echo", "$(id)"])?;
    ensure!(exec == "$(id)\n", "{exec}");
    for action in ["info", "health", "metrics", "logs"] {
        ctl.expect(0, &["agent", "one", "endpoint0", action])?;
        ctl.json(0, &["agent", "one", "endpoint0", action])?;
    }
    let file = world.dir.path().join("file");
    std::fs::write(&file, "content")?;
    let (path, back) = (file.display().to_string(), file.with_extension("back"));
    ctl.expect(0, &["agent", "one", "edge0", "put", &path, "a/b"])?;
    ctl.expect(
        0,
        &[
            "agent",
            "one",
            "edge0",
            "get",
            "a/b",
            &back.display().to_string(),
        ],
    )?;
    ensure!(
        std::fs::read(&back)? == b"content",
        "get gave something else than put took"
    );
    ctl.expect(1, &["agent", "one", "edge0", "put", &path, "../x"])?;
    ctl.expect(
        1,
        &[
            "agent",
            "one",
            "edge0",
            "get",
            "nothing",
            &back.display().to_string(),
        ],
    )?;
    ensure!(
        std::fs::read(&back)? == b"content",
        "a failed get touched the file"
    );
    ctl.expect(1, &["agent", "one", "nobody", "info"])?;
    for _ in 0..2 {
        ctl.expect(0, &["down", "one"])?;
    }
    ctl.expect(1, &["status", "one"])?;
    Ok(())
}

/// What cannot be installed yet is planned, and refused by name.
fn refused_by_name() -> anyhow::Result<()> {
    let world = World::new()?;
    for (name, why) in [
        ("kubernetes-cloud", "cannot run applications in it yet"),
        ("kubeedge-edge", "cannot install KubeEdge yet"),
        (
            "openfaas-cloud",
            "execution model openfaas: this version cannot install it yet",
        ),
        (
            "openfaas-edge",
            "execution model openfaas: this version cannot install it yet",
        ),
    ] {
        for ending in ["cfg", "toml"] {
            let file = format!("examples/{name}.{ending}");
            let plan = world.ctl.expect(0, &["up", "--dry-run", &file])?;
            for part in ["cloud_controller", "192.168.", "latency (one way)", why] {
                ensure!(plan.contains(part), "no {part:?} in {plan}");
            }
            let errors = world.ctl.refused(5, &["up", &file])?;
            ensure!(errors.contains(why), "refused without the reason: {errors}");
        }
    }
    ensure!(
        world.ctl.json(0, &["list"])?["deployments"] == serde_json::json!([]),
        "a refusal left something"
    );
    Ok(())
}

fn endpoint_pid(world: &World, node: &str) -> anyhow::Result<i32> {
    let info = world.ctl.json(0, &["agent", "local", node, "info"])?;
    Ok(info["pid"].as_i64().context("a pid")? as i32)
}

fn kill(pid: i32) -> anyhow::Result<()> {
    let pid = rustix::process::Pid::from_raw(pid).context("a pid")?;
    rustix::process::kill_process(pid, Signal::KILL).context("kill an agent")
}

/// A node that goes away ends the run: exit 6, named, what there was is kept.
fn lost_node() -> anyhow::Result<()> {
    let world = World::new()?;
    world.ctl.expect(0, &["up", "examples/local.toml"])?;
    let lost = endpoint_pid(&world, "endpoint1")?;
    let results = world.results("results").display().to_string();
    let mut bench = world.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=120",
            "--results",
            &results,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    kill(lost)?;
    let begun = Instant::now();
    ensure!(bench.wait(Duration::from_mins(1))? == 6, "{}", bench.said());
    eprintln!(
        "a lost node ended the run after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    ensure!(bench.said().contains("endpoint1"), "{}", bench.said());
    let dir = results::only_result(&world.results("results"))?;
    let result = results::json(&dir)?;
    ensure!(result["validity"] == "invalid", "{}", result["validity"]);
    let samples = std::fs::read_to_string(dir.join("samples.csv"))?;
    ensure!(
        samples.contains("endpoint0,") && samples.contains("endpoint3,"),
        "the others' samples are missing"
    );
    // The machine is as it was but for that node, and `up` brings it back.
    world
        .ctl
        .refused(5, &["bench", "local", "--results", &results])?;
    Ok(())
}

/// The first interrupt of a run keeps what there is, and says that it is no result.
fn interrupted_bench() -> anyhow::Result<()> {
    let world = World::new()?;
    world.ctl.expect(0, &["up", "examples/local.toml"])?;
    let results = world.results("results").display().to_string();
    let mut bench = world.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=120",
            "--results",
            &results,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    bench.signal(Signal::INT)?;
    ensure!(
        bench.wait(Duration::from_secs(40))? == 130,
        "{}",
        bench.said()
    );
    let dir = results::only_result(&world.results("results"))?;
    let result = results::json(&dir)?;
    ensure!(
        result["validity"] == "invalid" && result["interrupted"] == true,
        "{}",
        result["invalid_reasons"]
    );
    let samples = std::fs::read_to_string(dir.join("samples.csv"))?;
    ensure!(
        samples.lines().count() > 5,
        "the samples so far are missing: {samples}"
    );
    Ok(())
}

/// What a killed controller left running does not disturb the next run.
fn killed_bench() -> anyhow::Result<()> {
    let world = World::new()?;
    world.ctl.expect(0, &["up", "examples/local.toml"])?;
    let first = world.results("first").display().to_string();
    let mut bench = world.ctl.start(
        "bench",
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=300",
            "--results",
            &first,
        ],
    )?;
    bench.wait_for_answers(10, Duration::from_mins(1))?;
    bench.signal(Signal::KILL)?;
    bench.wait(Duration::from_secs(10)).ok();
    let second = world.results("second").display().to_string();
    world.ctl.expect(
        0,
        &[
            "bench",
            "local",
            "--set",
            "benchmark.duration_s=4",
            "--results",
            &second,
        ],
    )?;
    results::check(&results::only_result(&world.results("second"))?, 80)
}

/// Results that cannot be written are refused before anything runs.
fn unwritable_results() -> anyhow::Result<()> {
    let world = World::new()?;
    world.ctl.expect(0, &["up", "examples/local.toml"])?;
    let file = world.dir.path().join("file");
    std::fs::write(&file, "")?;
    let begun = Instant::now();
    let errors = world.ctl.refused(
        1,
        &["bench", "local", "--results", &file.display().to_string()],
    )?;
    ensure!(errors.contains("failed to create"), "{errors}");
    ensure!(begun.elapsed() < Duration::from_secs(10), "it ran first");
    Ok(())
}

/// The user's own photos, and after them others: never a mixture.
fn own_photos() -> anyhow::Result<()> {
    let world = World::new()?;
    world.ctl.expect(0, &["up", "examples/local.toml"])?;
    for names in [["cat.jpg", "coffee.jpg"], ["rocket.jpg", "flower.jpg"]] {
        let photos = world.dir.path().join(names[0]);
        std::fs::create_dir(&photos)?;
        for name in names {
            std::fs::copy(source().join("images/photos").join(name), photos.join(name))?;
        }
        let results = world.results(&format!("results-{}", names[0]));
        let text = results.display().to_string();
        let dataset = format!("benchmark.dataset={}", photos.display());
        world.ctl.expect(
            0,
            &[
                "bench",
                "local",
                "--set",
                "benchmark.duration_s=2",
                "--set",
                &dataset,
                "--results",
                &text,
            ],
        )?;
        let dir = results::only_result(&results)?;
        results::check(&dir, 40)?;
        let samples = std::fs::read_to_string(dir.join("samples.csv"))?;
        for line in samples.lines().skip(1) {
            ensure!(
                names.iter().any(|n| line.contains(n)),
                "another photo: {line}"
            );
        }
        ensure!(
            names.iter().all(|n| samples.contains(n)),
            "a photo was not sent"
        );
    }
    let errors = world.ctl.refused(
        5,
        &[
            "up",
            "examples/local.toml",
            "--set",
            "name=x",
            "--set",
            "benchmark.dataset=/nowhere",
        ],
    )?;
    ensure!(errors.contains("`/nowhere` is not a directory"), "{errors}");
    Ok(())
}

fn current_bundle() -> anyhow::Result<PathBuf> {
    let bundles = skip::cache().context("a cache")?.join("bundles");
    let key = std::fs::read_to_string(bundles.join("current")).context("read bundles/current")?;
    Ok(bundles.join(key.trim()))
}

/// The bundle brings everything that it loads, and its BLAS is OpenBLAS: the default one is five times slower.
fn own_libraries() -> anyhow::Result<()> {
    let bundle = current_bundle()?;
    let (loader, lib) = (bundle.join("lib/ld-linux-x86-64.so.2"), bundle.join("lib"));
    let program = bundle.join("bin/continuum-workload");
    let list = command(&loader)
        .args(["--list", "--library-path"])
        .arg(&lib)
        .arg(&program)
        .output()?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let paths: Vec<&str> = list
        .lines()
        .filter_map(|l| l.split_once("=> ")?.1.split(' ').next())
        .collect();
    ensure!(paths.len() > 5, "{list}");
    for path in paths {
        ensure!(
            path.starts_with(&lib.display().to_string()),
            "{path} is not of the bundle"
        );
    }
    let time = command(&loader)
        .arg("--library-path")
        .arg(&lib)
        .arg(&program)
        .args(["time", "--count", "20", "--bundle"])
        .arg(&bundle)
        .env("OPENBLAS_NUM_THREADS", "1")
        .output()?;
    let text = String::from_utf8_lossy(&time.stdout).into_owned();
    let report: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("read {text}"))?;
    eprintln!("{report}");
    ensure!(report["blas"].to_string().contains("openblas"), "{report}");
    ensure!(
        !report["blas"].to_string().contains("libblas.so"),
        "the slow BLAS is loaded too: {report}"
    );
    Ok(())
}

/// An image built again from the same packages and programs has the same bytes.
fn same_image_again() -> anyhow::Result<()> {
    let cache = skip::cache().context("a cache")?;
    let other = tempfile::tempdir_in(&cache).context("make a directory in the cache")?;
    // Everything but the guest's tree and the image itself.
    for kind in [
        "apt",
        "debs",
        "roots",
        "binaries",
        "build-root-target",
        "bundles",
        "weights",
    ] {
        std::os::unix::fs::symlink(cache.join(kind), other.path().join(kind))?;
    }
    let key = std::fs::read_to_string(cache.join("images/current"))?;
    let manifest = cache.join("images").join(key.trim()).join("manifest.json");
    let first: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest)?)?;
    let world = World::new()?;
    let ctl =
        Ctl::new(world.ctl.state()).env("CONTINUUM_CACHE", other.path().display().to_string());
    let source = source().display().to_string();
    let again = ctl.json(0, &["image", "build", "--source", &source])?;
    let again = &again["manifest"];
    // A mirror with newer packages, or another state of the sources, makes another image.
    ensure!(
        again["key"] == first["key"],
        "the inputs have changed; make image, and test again"
    );
    ensure!(
        again["files"] == first["files"],
        "{}\n{}",
        again["files"],
        first["files"]
    );
    Ok(())
}

/// Metrics of more than a minute are all there.
fn metrics_of_a_long_run() -> anyhow::Result<()> {
    let world = World::new()?;
    let results = world.results("results").display().to_string();
    world.ctl.expect(
        0,
        &[
            "run",
            "examples/empty.toml",
            "--set",
            "benchmark.sleep_time_s=100",
            "--results",
            &results,
        ],
    )?;
    let dir = results::only_result(&world.results("results"))?;
    let result = results::json(&dir)?;
    for node in result["metrics"].as_array().context("metrics")? {
        let samples = node["samples"].as_u64().unwrap_or_default();
        ensure!(
            samples >= 95 && node["dropped"] == 0 && node["broken"].is_null(),
            "{node}"
        );
    }
    Ok(())
}

fn main() {
    // Nobody else's agents are to be mistaken for ours.
    assert!(start_time(std::process::id()).is_some());
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's cores.
    arguments.test_threads = Some(1);
    let (missing, long) = (skip::bundle(), skip::long());
    let no_root = (!rustix::process::geteuid().is_root()).then(|| "it needs root".to_owned());
    let trial = |name: &'static str, case: Case, why: Option<&String>| {
        if let Some(why) = why {
            eprintln!("skipped: {name}: {why}");
        }
        let run = move || case().map_err(|e| Failed::from(format!("{e:#}")));
        Trial::test(name, run).with_ignored_flag(why.is_some())
    };
    let usual = missing.as_ref();
    let trials = vec![
        trial("a_local_run_is_complete_and_right", local_run, usual),
        trial("an_empty_run_is_timed", empty_run, usual),
        trial("agents_are_debugged_over_grpc", debugging, usual),
        trial(
            "what_is_not_there_yet_is_refused_by_name",
            refused_by_name,
            usual,
        ),
        trial("a_lost_node_ends_the_run_and_is_named", lost_node, usual),
        trial(
            "an_interrupted_run_keeps_what_there_is",
            interrupted_bench,
            usual,
        ),
        trial(
            "a_killed_run_does_not_disturb_the_next",
            killed_bench,
            usual,
        ),
        trial(
            "results_that_cannot_be_written_are_refused_first",
            unwritable_results,
            usual,
        ),
        trial("own_photos_are_used_and_never_mixed", own_photos, usual),
        trial(
            "the_bundle_loads_only_its_own_libraries",
            own_libraries,
            usual,
        ),
        trial(
            "an_image_built_again_is_the_same",
            same_image_again,
            usual.or(no_root.as_ref()),
        ),
        trial(
            "metrics_of_a_long_run_are_complete",
            metrics_of_a_long_run,
            usual.or(long.as_ref()),
        ),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
