//! Commands about results that are refused or interrupted: nothing of them stays.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_tests::{
    ctl::Ctl,
    lab::{CONFIG, Lab},
    process::{wait_for, workspace_program},
};
use rustix::process::Signal;
use std::{path::Path, time::Duration};

const SOON: Duration = Duration::from_secs(30);

/// Of a run in which nothing was sent.
const RESULT: &str = r#"{
    "schema": 2, "name": "lab", "begun_unix_ns": 1, "interrupted": false, "controller_version": "0", "validity": "unverified",
    "invalid_reasons": [], "notes": [], "config": {}, "plan": { "prefix": "127.77.100", "nodes": [], "links": [] }, "host": {},
    "facts": {}, "clocks": {}, "timeline": [], "stage_times": [], "counts": {}, "stages_ms": {}, "tables": [], "metrics": [],
    "runs": []
}"#;

/// A directory of a result with that file, and with a config.
fn result(lab: &Lab, text: &str) -> String {
    let dir = lab.path("lab result");
    std::fs::create_dir(&dir).unwrap();
    std::fs::write(dir.join("result.json"), text).unwrap();
    std::fs::write(dir.join("config.toml"), CONFIG).unwrap();
    dir.display().to_string()
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name();
    entries
        .map(|entry| name(entry).into_string().unwrap())
        .collect()
}

#[test]
fn the_archive_of_the_directory_one_is_in_has_its_name_and_is_not_in_it() {
    let lab = Lab::new().unwrap();
    let dir = result(&lab, RESULT);
    let here =
        |dir: &Path| Ctl::new(lab.ctl.state()).installed(workspace_program("continuum-ctl"), dir);
    let errors = here(dir.as_ref()).refused(3, &["bundle", "."]).unwrap();
    for part in ["lab result.tar.gz", "outside of that directory"] {
        assert!(errors.contains(part), "no `{part}` in {errors}");
    }
    let text = here(&lab.path("")).expect(0, &["bundle", &dir]).unwrap();
    assert_eq!(text, "lab result.tar.gz\n");
    assert!(lab.path("lab result.tar.gz").is_file());
    let text = here(dir.as_ref())
        .expect(0, &["bundle", ".", "../other.tar.gz"])
        .unwrap();
    assert_eq!(text, "../other.tar.gz\n");
}

#[test]
fn an_archive_that_is_none_leaves_no_directory() {
    let lab = Lab::new().unwrap();
    let results = lab.path("results");
    let to = results.display().to_string();
    let damaged = lab.path("damaged.tar.gz").display().to_string();
    lab.ctl
        .expect(0, &["bundle", &result(&lab, "{}"), &damaged])
        .unwrap();
    let nowhere = lab.path("nowhere").display().to_string();
    for bad in [&lab.config, &nowhere, &damaged] {
        lab.ctl
            .refused(1, &["repeat", bad, "--results", &to])
            .unwrap();
        assert_eq!(names(&results), [""; 0], "{bad}");
    }
}

#[test]
fn a_repetition_that_is_told_to_end_takes_its_machines_down_and_leaves_no_directory() {
    let lab = Lab::new().unwrap();
    let archive = lab.path("lab.tar.gz").display().to_string();
    lab.ctl
        .expect(0, &["bundle", &result(&lab, RESULT), &archive])
        .unwrap();
    let results = lab.path("results");
    let silent = Ctl::new(lab.ctl.state()).env("CONTINUUM_AGENT", lab.silent_agent().unwrap());
    let words = ["repeat", &archive, "--results", results.to_str().unwrap()];
    let mut repeat = silent.start("repeat", &words).unwrap();
    let deployments = lab.ctl.state().join("deployments");
    let is_begun = || {
        let states = names(&deployments).into_iter();
        let mut states = states.map(|name| deployments.join(name).join("state.json"));
        states.any(|state| std::fs::read_to_string(state).is_ok_and(|s| s.contains("\"pid\"")))
    };
    wait_for("an agent on record", is_begun).unwrap();
    // To this process alone: no terminal tells the other one.
    repeat.signal(Signal::TERM).unwrap();
    assert_eq!(repeat.wait(SOON).unwrap(), 130, "{}", repeat.said());
    let list = lab.ctl.json(0, &["list"]).unwrap();
    assert_eq!(
        list["deployments"],
        serde_json::json!([]),
        "{}",
        repeat.said()
    );
    assert_eq!(names(&results), [""; 0], "{}", repeat.said());
}

#[test]
fn a_sweep_of_nothing_to_run_or_of_one_key_twice_makes_nothing() {
    let lab = Lab::new().unwrap();
    let results = lab.path("sweep");
    let to = results.display().to_string();
    let by_cores = "infrastructure.edge.cores=1,2";
    let sweep = ["sweep", &lab.config, "--results", &to, "--vary", by_cores];
    let errors = lab.ctl.refused(5, &sweep).unwrap();
    assert!(errors.contains("runs no application"), "{errors}");
    let twice = [&sweep[..], &["--vary", "infrastructure.edge.cores=3"]].concat();
    let errors = lab.ctl.refused(3, &twice).unwrap();
    assert!(errors.contains("is varied already"), "{errors}");
    let list = lab.ctl.json(0, &["list"]).unwrap();
    assert_eq!(list["deployments"], serde_json::json!([]));
    assert!(!results.exists());
}

#[test]
fn what_is_up_is_not_removed_by_a_command_that_found_it_so() {
    let lab = Lab::up().unwrap();
    let errors = lab.ctl.refused(5, &["run", &lab.config]).unwrap();
    for part in ["is up already", "continuum-ctl bench lab"] {
        assert!(errors.contains(part), "no `{part}` in {errors}");
    }
    lab.ctl.expect(0, &["run", "--keep", &lab.config]).unwrap();
    let list = lab.ctl.json(0, &["list"]).unwrap();
    assert_eq!(list["deployments"][0]["state"], "1 of 1 nodes running");
}
