//! Disks of the host and of guests of provider `uml`, when they are not as they should be.

use crate::{
    fixture::{VmFixture, address, of_uml},
    guest_faults::{TWO, alone},
    table::Test,
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::Ctl, process::command};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

pub(crate) const TESTS: [Test; 4] = [
    alone(
        "guests::a_full_disk_is_told_and_down_works_on_it",
        full_disk,
    ),
    alone("guests::a_flood_of_packets_lets_the_disk_be_written", flood),
    alone("guests::a_base_disk_with_another_time_is_noticed", |vms| {
        changed_base(vms, touch)
    }),
    alone("guests::a_base_disk_with_other_bytes_is_noticed", |vms| {
        changed_base(vms, flip_a_byte)
    }),
];

/// A file system in memory, of so many megabytes.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(vms: &VmFixture, megabytes: u64) -> anyhow::Result<Self> {
        let dir = vms.dir.join("small");
        std::fs::create_dir_all(&dir)?;
        let size = format!("size={megabytes}M,mode=755");
        let mounted = command("mount")
            .args(["-t", "tmpfs", "-o", &size, "small"])
            .arg(&dir)
            .status()?;
        ensure!(mounted.success(), "mount {}", dir.display());
        Ok(Self(dir))
    }

    /// All that is left of it.
    fn fill(&self) -> anyhow::Result<()> {
        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler)?;
        let block = vec![1; 1 << 20];
        while std::io::Write::write_all(&mut file, &block).is_ok() {}
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        command("umount").arg(&self.0).status().ok();
    }
}

/// Megabytes that a file takes, holes left out.
fn blocks_mb(path: &Path) -> anyhow::Result<u64> {
    Ok(std::os::unix::fs::MetadataExt::blocks(&std::fs::metadata(path)?) * 512 / 1_000_000)
}

/// The largest disk that guests read.
fn base_of(state: &Path) -> anyhow::Result<PathBuf> {
    let bases = state.join("uml/raw");
    let entries = std::fs::read_dir(&bases)
        .with_context(|| format!("list {}", bases.display()))?
        .flatten();
    let disks = entries.map(|e| e.path().join("disk.raw"));
    let disk = disks
        .filter(|disk| disk.exists())
        .max_by_key(|disk| blocks_mb(disk).unwrap_or_default());
    disk.with_context(|| format!("no disk below {}", bases.display()))
}

/// Two floods of pings, and 100 MB to the disk: images/uml/lost-events.patch says what happened to such a guest.
fn flood(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let ctl = vms.ctl();
    ctl.expect(0, &["up", &vms.file("two.toml", TWO)?])?;
    let edge = address(&ctl, "two", "edge0")?;
    let ping = || {
        let mut ping = vms.enter("ping");
        ping.args(["-f", "-q", "-s", "1200", "-w", "30", &edge]);
        ping.stdout(Stdio::null()).spawn()
    };
    let mut floods = [ping()?, ping()?];
    for file in 0..4 {
        let file = format!("of=/var/tmp/{file}");
        let dd = [
            "dd",
            "if=/dev/zero",
            &file,
            "bs=64k",
            "count=400",
            "conv=fsync",
        ];
        let exec = ["agent", "two", "edge0", "exec", "--timeout-s", "60", "--"];
        ctl.expect(0, &[&exec[..], &dd].concat())?;
    }
    for ping in &mut floods {
        ping.kill()?;
        ping.wait()?;
    }
    ctl.expect(0, &["down", "two"])?;
    vms.check_nothing_left()
}

/// Too small for a base disk; then large enough for that, and full while guests run.
fn full_disk(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    {
        let small = SmallDisk::mount(vms, 500)?;
        let state = small.0.join("state");
        let ctl = vms.ctl_at(&state);
        let output = ctl.run(&["up", &config])?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            !output.status.success() && said.contains("of free disk"),
            "{}: {said}",
            output.status
        );
        eprintln!("too small a disk: {}", last_line(&said));
        ctl.expect(0, &["down", "two"])?;
        let left = of_uml(&state);
        ensure!(left.is_empty(), "{left:?}");
    }
    let small = SmallDisk::mount(vms, 4000)?;
    let state = small.0.join("state");
    let ctl = vms.ctl_at(&state);
    ctl.expect(0, &["up", &config])?;
    small.fill()?;
    // What guests write has no place; what they are asked for they answer or not, but the command ends.
    ctl.run(&[
        "agent",
        "two",
        "edge0",
        "exec",
        "--timeout-s",
        "20",
        "--",
        "dd",
        "if=/dev/zero",
        "of=/var/x",
        "bs=1M",
        "count=50",
    ])?;
    let another = ["up", &config, "--set", "name=another"];
    let output = ctl.run(&another)?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        !output.status.success() && said.contains("No space left on device"),
        "{}: {said}",
        output.status
    );
    eprintln!("a full disk: {}", last_line(&said));
    ctl.expect(0, &["down", "two"])?;
    let left = of_uml(&state);
    ensure!(left.is_empty(), "{left:?}");
    vms.check_nothing_left()
}

/// With what is to be typed behind it.
fn last_line(said: &str) -> &str {
    said.lines()
        .rfind(|line| line.contains("error:"))
        .unwrap_or_default()
}

fn touch(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::options().write(true).open(path)?;
    file.set_modified(std::time::SystemTime::now() + Duration::from_mins(1))?;
    Ok(())
}

/// In the middle of the file system's own data.
fn flip_a_byte(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, 4096)?;
    byte[0] ^= 1;
    file.write_all_at(&byte, 4096)?;
    Ok(())
}

/// Overlays of a disk that is another one by now would give wrong data: the guest is not started, and it says why.
fn changed_base(
    vms: &Arc<VmFixture>,
    change: fn(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let config = vms.file("two.toml", TWO)?;
    let state = vms.dir.join("changed-base");
    let ctl = vms.ctl_at(&state);
    ctl.expect(0, &["up", &config])?;
    vms.kill(&ctl, "two", "edge0")?;
    let base = base_of(&state)?;
    change(&base)?;
    let output = ctl.run(&["up", &config])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let removed = ctl.expect(0, &["down", "two"]);
    // A new deployment gets a disk that is what it should be, or is told as well.
    let again = ctl.run(&["up", &config])?;
    let again_said = String::from_utf8_lossy(&again.stderr).into_owned();
    ctl.expect(0, &["down", "two"])?;
    removed?;
    let left = of_uml(&state);
    remove_state(ctl, &state)?;
    ensure!(left.is_empty(), "{left:?}");
    ensure!(
        !output.status.success() && said.contains("disk.raw"),
        "up went on with another base disk: {}: {said}",
        output.status
    );
    eprintln!("a base disk that changed: {}", last_line(&said));
    ensure!(
        again.status.success() || again_said.contains("disk.raw"),
        "{}: {again_said}",
        again.status
    );
    Ok(())
}

/// With its copies of disks.
fn remove_state(ctl: Ctl, state: &Path) -> anyhow::Result<()> {
    drop(ctl);
    std::fs::remove_dir_all(state).with_context(|| format!("remove {}", state.display()))
}
