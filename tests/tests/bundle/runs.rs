//! Runs that go well, and what is refused before any.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, source},
    results,
};

pub(crate) fn local_run() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let results = fixture.results("results").display().to_string();
    let text = fixture
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
    let dir = results::only_result(&fixture.results("results"))?;
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

pub(crate) fn empty_run() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let results = fixture.results("results").display().to_string();
    let object = fixture
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
pub(crate) fn debugging() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let ctl = &fixture.ctl;
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
    let file = fixture.dir.path().join("file");
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

/// What has terms of its own is planned, and refused until they are accepted.
pub(crate) fn refused_by_name() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let images =
        "software.openfaas_images=[\"gateway=a\",\"faas-netes=b\",\"queue-worker=c\",\"nats=d\"]";
    let upstream = ["--set", "software.openfaas=upstream", "--set", images];
    let why = "OpenFaaS's Community Edition has terms of its own";
    for ending in ["cfg", "toml"] {
        let file = format!("examples/openfaas-edge.{ending}");
        let dry_run = [&["up", "--dry-run", &*file][..], &upstream].concat();
        let plan = fixture.ctl.expect(5, &dry_run)?;
        for part in ["cloud_controller", "192.168.", "latency (one way)", why] {
            ensure!(plan.contains(part), "no {part:?} in {plan}");
        }
        let up = [&["up", &*file][..], &upstream].concat();
        let errors = fixture.ctl.refused(5, &up)?;
        ensure!(errors.contains(why), "refused without the reason: {errors}");
    }
    ensure!(
        fixture.ctl.json(0, &["list"])?["deployments"] == serde_json::json!([]),
        "a refusal left something"
    );
    without_kubeedge(&fixture)
}

/// What cannot be built is refused with both ways to get it, before anything is made.
fn without_kubeedge(fixture: &Fixture) -> anyhow::Result<()> {
    let path = |name: &str| fixture.dir.path().join(name);
    let cache = path("empty-cache").display().to_string();
    let ctl = Ctl::new(path("empty-state")).env("CONTINUUM_CACHE", cache);
    let errors = ctl.refused(5, &["up", "examples/kubeedge-edge.cfg"])?;
    for part in [
        "kubeedge 1.23.1 is not in the store",
        "artifact build kubeedge",
        "artifact add kubeedge PATH",
    ] {
        ensure!(errors.contains(part), "no {part:?} in {errors}");
    }
    let made_up = path("made-up");
    std::fs::create_dir_all(made_up.join("crds"))?;
    std::fs::write(made_up.join("edgecore"), "no program")?;
    std::fs::write(made_up.join("crds/device.yaml"), "kind: Device\n")?;
    let from = made_up.display().to_string();
    let add = ["artifact", "add", "kubeedge", &from];
    let errors = ctl.refused(1, &add)?;
    ensure!(errors.contains("cloudcore in"), "{errors}");
    std::fs::write(made_up.join("cloudcore"), "no program")?;
    let added = ctl.json(0, &add)?;
    let files = added["components"][0]["files"]
        .as_object()
        .context("files")?;
    let names: Vec<&String> = files.keys().collect();
    ensure!(names == ["cloudcore", "crds.yaml", "edgecore"], "{names:?}");
    let errors = ctl.refused(5, &["up", "examples/kubeedge-edge.cfg"])?;
    ensure!(!errors.contains("kubeedge 1.23.1"), "{errors}");
    let dir = added["components"][0]["dir"]
        .as_str()
        .context("a directory")?;
    std::fs::write(std::path::Path::new(dir).join("edgecore"), "another")?;
    let errors = ctl.refused(5, &["up", "examples/kubeedge-edge.cfg"])?;
    ensure!(errors.contains("is not as it came"), "{errors}");
    Ok(())
}

/// The user's own photos, and after them others: never a mixture.
pub(crate) fn own_photos() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    fixture.ctl.expect(0, &["up", "examples/local.toml"])?;
    for names in [["cat.jpg", "coffee.jpg"], ["rocket.jpg", "flower.jpg"]] {
        let photos = fixture.dir.path().join(names[0]);
        std::fs::create_dir(&photos)?;
        for name in names {
            std::fs::copy(source().join("images/photos").join(name), photos.join(name))?;
        }
        let results = fixture.results(&format!("results-{}", names[0]));
        let text = results.display().to_string();
        let dataset = format!("benchmark.dataset={}", photos.display());
        fixture.ctl.expect(
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
    let errors = fixture.ctl.refused(
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

/// Metrics of more than a minute are all there.
pub(crate) fn metrics_of_a_long_run() -> anyhow::Result<()> {
    let fixture = Fixture::new()?;
    let results = fixture.results("results").display().to_string();
    fixture.ctl.expect(
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
    let dir = results::only_result(&fixture.results("results"))?;
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
