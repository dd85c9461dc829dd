//! Runs on this machine with the real workload bundle: provider `local`, real network, real photos.
//! Skipped where no bundle was built.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

use continuum_tests::process::{command, workspace_program};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn ctl(state: &Path, arguments: &[&str]) -> Result<Output, Failed> {
    let output = command(workspace_program("continuum-ctl"))
        .args(arguments)
        .env("CONTINUUM_STATE", state)
        .current_dir(source())
        .output()
        .map_err(|e| format!("start continuum-ctl: {e}"))?;
    Ok(output)
}

fn expect(output: &Output, code: i32) -> Result<(), Failed> {
    if output.status.code() == Some(code) {
        return Ok(());
    }
    Err(format!(
        "exit {:?} instead of {code}\n{}\n{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// Why there is no bundle; `None` = there is one.
fn missing() -> Option<String> {
    let programs = ["continuum-ctl", "continuum-agent"];
    if let Some(name) = programs.iter().find(|p| !workspace_program(p).exists()) {
        return Some(format!("{name} is not built"));
    }
    let home = std::env::var_os("CONTINUUM_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache/continuum")))?;
    let bundle = std::fs::read_to_string(home.join("bundles/current")).ok();
    bundle
        .is_none()
        .then(|| "no workload bundle; continuum-ctl image build --bundle-only".into())
}

#[derive(serde::Deserialize)]
struct Label {
    classes: Vec<i32>,
    certain: bool,
}

/// Every photo was answered with a class that counts as right.
fn check_labels(results: &Path, photos: usize) -> Result<(), Failed> {
    let text = std::fs::read_to_string(source().join("images/photos/labels.toml"))?;
    let labels: BTreeMap<String, Label> = toml::from_str(&text).map_err(|e| e.to_string())?;
    assert!(labels.values().filter(|l| l.certain).count() >= 4);
    let dir = std::fs::read_dir(results)?
        .next()
        .ok_or("no result directory")??
        .path();
    let csv = std::fs::read_to_string(dir.join("samples.csv"))?;
    let rows: Vec<Vec<&str>> = csv
        .lines()
        .skip(1)
        .map(|l| l.split(',').collect())
        .collect();
    if rows.len() != photos {
        return Err(format!("{} samples instead of {photos}", rows.len()).into());
    }
    for row in rows {
        let name = row[2].trim_end_matches(".jpg");
        let class: i32 = row[13].parse().map_err(|_| "class")?;
        let label = labels
            .get(name)
            .ok_or_else(|| format!("photo {name} has no label"))?;
        if !label.classes.contains(&class) {
            return Err(format!("{name} was taken for class {class}").into());
        }
    }
    let result: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.join("result.json"))?)
            .map_err(|e| e.to_string())?;
    if result["validity"] != "unverified" || result["counts"]["lost"] != 0 {
        return Err(format!("{}", result["counts"]).into());
    }
    for file in ["workers.csv", "endpoints.csv", "metrics.csv", "events.csv"] {
        if !dir.join(file).exists() {
            return Err(format!("{file} is missing").into());
        }
    }
    Ok(())
}

fn local_run() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results");
    let output = ctl(
        &dir.path().join("state"),
        &[
            "run",
            "examples/local.toml",
            "--results",
            &results.display().to_string(),
        ],
    )?;
    expect(&output, 0)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "EDGE OUTPUT",
        "ENDPOINT OUTPUT",
        "proc_time/data (ms)",
        "validity: unverified",
    ] {
        if !text.contains(part) {
            return Err(format!("no {part:?} in\n{text}").into());
        }
    }
    check_labels(&results, 200)
}

fn empty_run() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let results = dir.path().join("results").display().to_string();
    let output = ctl(
        &dir.path().join("state"),
        &["run", "examples/empty.toml", "--results", &results],
    )?;
    expect(&output, 0)
}

/// up twice, a second deployment beside it, debugging, down twice, and down without state.
fn lifecycle() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let state = dir.path().join("state");
    let up = |name: &str| {
        ctl(
            &state,
            &[
                "up",
                "examples/local.toml",
                "--set",
                &format!("name={name}"),
            ],
        )
    };
    expect(&up("one")?, 0)?;
    let again = up("one")?;
    expect(&again, 0)?;
    if !String::from_utf8_lossy(&again.stdout).contains("nothing was changed") {
        return Err("the second up changed something".into());
    }
    expect(&up("two")?, 0)?;
    let other = ctl(
        &state,
        &[
            "up",
            "examples/local.toml",
            "--set",
            "name=one",
            "--set",
            "infrastructure.endpoint.nodes=2",
        ],
    )?;
    expect(&other, 5)?;
    let exec = ctl(
        &state,
        &["agent", "one", "edge0", "exec", "--", "echo", "$(id)"],
    )?;
    expect(&exec, 0)?;
    assert_eq!(exec.stdout, b"$(id)\n");
    for action in ["info", "health", "metrics", "logs"] {
        expect(&ctl(&state, &["agent", "one", "endpoint0", action])?, 0)?;
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "content")?;
    let path = file.display().to_string();
    expect(
        &ctl(&state, &["agent", "one", "edge0", "put", &path, "a/b"])?,
        0,
    )?;
    expect(
        &ctl(
            &state,
            &[
                "agent",
                "one",
                "edge0",
                "get",
                "a/b",
                &format!("{path}.back"),
            ],
        )?,
        0,
    )?;
    assert_eq!(std::fs::read(format!("{path}.back"))?, b"content");
    expect(
        &ctl(&state, &["agent", "one", "edge0", "put", &path, "../x"])?,
        1,
    )?;
    expect(&ctl(&state, &["agent", "one", "nobody", "info"])?, 1)?;
    std::fs::remove_file(state.join("deployments/two/state.json"))?;
    let swept = ctl(&state, &["down", "two"])?;
    expect(&swept, 0)?;
    if !String::from_utf8_lossy(&swept.stdout).contains("agent process") {
        return Err("down without state found nothing".into());
    }
    for _ in 0..2 {
        expect(&ctl(&state, &["down", "one"])?, 0)?;
    }
    expect(&ctl(&state, &["status", "one"])?, 1)?;
    Ok(())
}

/// What cannot be installed yet is planned, and refused by name.
fn refused_by_name() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    for name in [
        "kubernetes-cloud",
        "kubeedge-edge",
        "openfaas-cloud",
        "openfaas-edge",
    ] {
        for ending in ["cfg", "toml"] {
            let file = format!("examples/{name}.{ending}");
            let plan = ctl(dir.path(), &["up", "--dry-run", &file])?;
            expect(&plan, 0)?;
            let text = String::from_utf8_lossy(&plan.stdout).into_owned();
            if !(text.contains("cloud_controller") && text.contains("192.168.")) {
                return Err(text.into());
            }
            let refused = ctl(dir.path(), &["up", &file])?;
            expect(&refused, 5)?;
            if !String::from_utf8_lossy(&refused.stderr).contains("cannot install Kube") {
                return Err("refused without the reason".into());
            }
        }
    }
    let left = std::fs::read_dir(dir.path().join("deployments"))?.count();
    if left == 0 {
        Ok(())
    } else {
        Err("a refusal left something".into())
    }
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's cores, and addresses are claimed per state directory.
    arguments.test_threads = Some(1);
    let missing = missing();
    if let Some(why) = &missing {
        eprintln!("skipped: {why}");
    }
    let trial = |name: &'static str, test: fn() -> Result<(), Failed>| {
        Trial::test(name, test).with_ignored_flag(missing.is_some())
    };
    let trials = vec![
        trial("local_run_is_complete_and_right", local_run),
        trial("empty_run", empty_run),
        trial("lifecycle", lifecycle),
        trial("refused_by_name", refused_by_name),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}
