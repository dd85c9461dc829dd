//! The store of components between programs: two at once, and one that is killed.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_tests::{ctl::Ctl, process::pause};
use rustix::process::Signal;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const SOON: Duration = Duration::from_mins(1);
/// So much that a copy takes a moment.
const PROGRAM_BYTES: usize = 200 << 20;

/// What a build of `KubeEdge` looks like, made up.
fn release(dir: &Path) -> String {
    let folder = dir.join("made-up");
    std::fs::create_dir_all(folder.join("crds")).unwrap();
    for (name, byte) in [("cloudcore", 1), ("edgecore", 2)] {
        std::fs::write(folder.join(name), vec![byte; PROGRAM_BYTES]).unwrap();
    }
    std::fs::write(folder.join("crds/one.yaml"), "kind: One\n").unwrap();
    folder.display().to_string()
}

/// Entries of the store: those that are whole, and those that are being made.
fn entries(components: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let all = std::fs::read_dir(components)
        .into_iter()
        .flatten()
        .flatten();
    let (hidden, whole) = all
        .map(|e| e.path())
        .partition(|p| p.file_name().unwrap().to_string_lossy().starts_with('.'));
    (whole, hidden)
}

#[test]
fn two_programs_that_add_the_same_agree_and_one_that_is_killed_leaves_nothing_whole() {
    let dir = tempfile::tempdir().unwrap();
    let release = release(dir.path());
    let cache = dir.path().join("cache");
    let components = cache.join("components");
    let ctl = Ctl::new(dir.path().join("state")).env("CONTINUUM_CACHE", cache.to_str().unwrap());
    let add = ["artifact", "add", "kubeedge", &release];

    let killed = ctl.start("killed", &add).unwrap();
    let begun = Instant::now();
    let is_at_work = || {
        let (_, hidden) = entries(&components);
        let mut partial = hidden
            .iter()
            .filter(|p| p.extension().is_some_and(|e| e == "partial"));
        partial.any(|p| p.join("cloudcore").exists() || p.join("edgecore").exists())
    };
    while !is_at_work() {
        assert!(begun.elapsed() < SOON, "{}", killed.said());
        pause();
    }
    killed.signal(Signal::KILL).unwrap();
    drop(killed);
    assert!(
        entries(&components).0.is_empty(),
        "half a component stands in the store"
    );
    let list = ctl.expect(0, &["artifact", "list"]).unwrap();
    let line = list.lines().find(|l| l.contains("kubeedge")).unwrap();
    assert!(!line.contains("MB"), "{line}");

    let mut both = ["one", "other"].map(|name| ctl.start(name, &add).unwrap());
    for one in &mut both {
        assert_eq!(one.wait(SOON).unwrap(), 0, "{}", one.said());
    }
    assert_eq!(entries(&components).0.len(), 1);
    ctl.expect(0, &["artifact", "verify"]).unwrap();
    let (_, hidden) = entries(&components);
    let partial = hidden
        .iter()
        .find(|p| p.extension().is_some_and(|e| e == "partial"));
    assert!(partial.is_none(), "{hidden:?}");
}
