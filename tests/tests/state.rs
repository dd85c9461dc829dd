//! Files of the state directory.

use anyhow::{Context, ensure};
use continuum_tests::{ctl::Ctl, lab::Lab};
use std::{os::unix::fs::PermissionsExt, path::Path};

#[test]
fn secrets_are_for_their_owner_only() {
    let lab = Lab::up().unwrap();
    let dir = lab.ctl.state().join("deployments/lab");
    let mut files = 0;
    check_modes(&dir, &mut files).unwrap();
    assert!(files > 8, "{files}");
}

#[test]
fn who_only_looks_makes_no_state_directory_and_needs_none() {
    let lab = Lab::new().unwrap();
    let nowhere = Ctl::new("/proc/nowhere");
    let dry_run = ["up", "--dry-run", &lab.config];
    for argv in [&["list"][..], &["status"], &dry_run] {
        lab.ctl.expect(0, argv).unwrap();
        assert!(!lab.ctl.state().exists(), "{argv:?}");
        nowhere.expect(0, argv).unwrap();
    }
    let errors = nowhere.refused(1, &["up", &lab.config]).unwrap();
    assert!(errors.contains("create `/proc/nowhere`"), "{errors}");
}

/// No file of others' to read; no directory of others' to enter.
fn check_modes(dir: &Path, files: &mut usize) -> anyhow::Result<()> {
    let mode = |path: &Path| anyhow::Ok(std::fs::metadata(path)?.permissions().mode() & 0o777);
    for entry in std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            check_modes(&path, files)?;
        } else {
            *files += 1;
            let is_secret = path.extension().is_some_and(|e| e == "key" || e == "json")
                || path.ends_with("ssh");
            ensure!(
                !is_secret || mode(&path)? == 0o600,
                "{} has mode {:o}",
                path.display(),
                mode(&path)?
            );
        }
    }
    ensure!(
        !dir.ends_with("lab") || mode(dir)? == 0o700,
        "{} has mode {:o}",
        dir.display(),
        mode(dir)?
    );
    Ok(())
}
