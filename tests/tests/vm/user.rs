//! Provider `uml` for an ordinary user: no root anywhere, once everything is in the user's store.

use crate::{
    fixture::{BOOT, DIR, VmFixture, kill, of_uml, wait},
    table::{Body, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, example},
    process::{start_time, workspace_program},
    results, skip,
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Nobody's.
const UID: u32 = 61_234;
/// Of root's store, what guests are made of.
const STORED: [&str; 3] = ["bundles", "components", "images"];

const fn alone(name: &'static str, run: fn(&Arc<VmFixture>) -> anyhow::Result<()>) -> Test {
    Test::new(name, &[], Body::Alone(run)).on(When::Always, When::Never)
}

pub(crate) const TESTS: [Test; 5] = [
    alone("user::the_demo_runs_without_root_and_leaves_nothing", demo),
    alone(
        "user::a_quota_that_nobody_enforces_is_refused_unless_allowed",
        quota,
    ),
    alone(
        "user::a_deployment_outlives_the_holder_of_its_network",
        killed_holder,
    ),
    alone(
        "user::a_deployment_of_root_and_one_of_a_user_are_separate",
        beside_root,
    ),
    alone(
        "user::up_that_was_killed_leaves_nothing_after_down",
        killed_up,
    ),
];

/// Somebody with a home, the programs, and a store.
struct User {
    ctl: Ctl,
    home: PathBuf,
    config: String,
}

impl User {
    fn new(vms: &VmFixture) -> anyhow::Result<Self> {
        let home = Path::new(DIR).join("user");
        fs::create_dir_all(home.join("bin"))?;
        for program in ["continuum-ctl", "continuum-agent"] {
            let to = home.join("bin").join(program);
            // Another one may be running from it.
            fs::remove_file(&to).ok();
            fs::copy(workspace_program(program), &to).with_context(|| format!("copy {program}"))?;
        }
        let cache = skip::cache()?;
        // What an earlier run linked would keep images that are pruned.
        fs::remove_dir_all(home.join("cache")).ok();
        for kind in STORED {
            if let Some(dir) = cache.find(kind) {
                link(&dir, &home.join("cache").join(kind))?;
            }
        }
        let config = home.join("mist-edge.toml");
        fs::copy(example("mist-edge.toml"), &config)?;
        for path in [&home, &home.join("cache"), &config] {
            chown(path, Some(UID), Some(UID))?;
        }
        let id = UID.to_string();
        let (here, cached) = (home.display(), home.join("cache"));
        let mut become_user = vms.enter("setpriv");
        become_user
            .args([
                "--reuid",
                &id,
                "--regid",
                &id,
                "--clear-groups",
                "--no-new-privs",
            ])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"])
            .arg(format!("HOME={here}"))
            .arg(format!("CONTINUUM_CACHE={}", cached.display()));
        let ctl = Ctl::new(home.join("state"))
            .through(&become_user)
            .installed(home.join("bin/continuum-ctl"), &home);
        // Left by a run that was killed.
        ctl.run(&["down", "--all"])?;
        let results = home.join("results");
        fs::remove_dir_all(&results).ok();
        Ok(Self {
            ctl,
            config: config.display().to_string(),
            home,
        })
    }

    fn check_nothing_left(&self) -> anyhow::Result<()> {
        let mut left = of_uml(&self.home.join("state"));
        for entry in fs::read_dir("/proc")?.flatten() {
            let pid = entry.file_name().to_string_lossy().parse().ok();
            // Whom only its parent has not heard of has ended.
            let lives = pid.and_then(start_time).is_some();
            if lives && entry.metadata().is_ok_and(|m| m.uid() == UID) {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                left.push(String::from_utf8_lossy(&line).replace('\0', " "));
            }
        }
        let deployments = fs::read_dir(self.home.join("state/deployments"));
        let deployments = deployments.into_iter().flatten().flatten();
        left.extend(deployments.map(|e| e.file_name().to_string_lossy().into_owned()));
        ensure!(left.is_empty(), "left: {left:#?}");
        Ok(())
    }
}

/// The same files, which the user may read; a copy where that cannot be.
fn link(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("create {}", to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        // Locks, and what somebody is about to make.
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        let (from, to) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            link(&from, &to)?;
            continue;
        }
        fs::remove_file(&to).ok();
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
        }
    }
    Ok(())
}

fn demo(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let user = User::new(vms)?;
    let results = user.home.join("results");
    let text = results.display().to_string();
    let out = user
        .ctl
        .expect(0, &["run", &user.config, "--results", &text])?;
    ensure!(
        out.contains("EDGE OUTPUT") && out.contains("ENDPOINT OUTPUT"),
        "{out}"
    );
    eprintln!("{}", out.split("EDGE OUTPUT").nth(1).unwrap_or_default());
    let dir = results::only_result(&results)?;
    results::check(&dir, 20)?;
    let result = results::json(&dir)?;
    eprintln!("as an ordinary user: stages {}", result["stage_times"]);
    ensure!(
        result["facts"]["accelerator"]
            .as_str()
            .is_some_and(|a| a.starts_with("uml")),
        "{}",
        result["facts"]
    );
    ensure!(
        fs::metadata(&dir)?.uid() == UID,
        "the result is not the user's"
    );
    user.check_nothing_left()
}

fn quota(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let user = User::new(vms)?;
    let up = [
        "up",
        &user.config,
        "--set",
        "infrastructure.endpoint.quota=0.5",
    ];
    let said = user.ctl.refused(5, &up)?;
    ensure!(
        said.contains("--allow-unlimited") && said.contains("systemd-run --user"),
        "{said}"
    );
    user.check_nothing_left()?;
    let results = user.home.join("results");
    let text = results.display().to_string();
    let run = [
        &["run"],
        &up[1..],
        &[
            "--allow-unlimited",
            "--results",
            &text,
            "--set",
            "benchmark.duration_s=3",
        ],
    ];
    user.ctl.expect(0, &run.concat())?;
    let result = results::json(&results::only_result(&results)?)?;
    ensure!(result.to_string().contains("NOT enforced"), "{result}");
    user.check_nothing_left()
}

/// Commands find their way in through a guest.
fn killed_holder(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let user = User::new(vms)?;
    user.ctl.expect(0, &["up", &user.config])?;
    let record = user.home.join("state/namespaces/mist-edge.json");
    let holder: Value = serde_json::from_slice(&fs::read(&record)?)?;
    let number = |field: &str| holder[field].as_u64().with_context(|| format!("{holder}"));
    kill((u32::try_from(number("pid")?)?, number("started")?))?;
    user.ctl
        .expect(0, &["agent", "mist-edge", "edge0", "health"])?;
    let again = user.ctl.expect(0, &["up", &user.config])?;
    ensure!(again.contains("nothing was changed"), "{again}");
    user.ctl.expect(0, &["down", "mist-edge"])?;
    user.check_nothing_left()
}

fn beside_root(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let user = User::new(vms)?;
    let root = vms.ctl();
    let mut ups = [
        root.start("root", &["up", &example("mist-edge.toml")])?,
        user.ctl.start("user", &["up", &user.config])?,
    ];
    for up in &mut ups {
        let code = up.wait(BOOT)?;
        ensure!(code == 0, "exit {code}: {}", up.said());
    }
    for ctl in [&root, &user.ctl] {
        let list = ctl.json(0, &["list"])?;
        ensure!(
            list["deployments"].as_array().is_some_and(|l| l.len() == 1),
            "{list}"
        );
        for node in ["edge0", "endpoint0"] {
            ctl.expect(0, &["agent", "mist-edge", node, "health"])?;
        }
    }
    // Of the same name, and each takes away its own.
    root.expect(0, &["down", "mist-edge"])?;
    vms.check_nothing_left()?;
    user.ctl
        .expect(0, &["agent", "mist-edge", "edge0", "health"])?;
    user.ctl.expect(0, &["down", "mist-edge"])?;
    user.check_nothing_left()
}

/// While the namespace, the bridge and the guests are made.
fn killed_up(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let user = User::new(vms)?;
    for after_ms in [30, 100, 200, 400, 800, 1600] {
        let mut up = user.ctl.start("killed", &["up", &user.config])?;
        wait(Duration::from_millis(after_ms));
        up.signal(rustix::process::Signal::KILL)?;
        up.wait(BOOT).ok();
        user.ctl.expect(0, &["down", "mist-edge"])?;
        user.check_nothing_left()
            .with_context(|| format!("killed after {after_ms} ms"))?;
    }
    Ok(())
}
