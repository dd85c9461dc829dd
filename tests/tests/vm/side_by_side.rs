//! Two deployments at once, through interruptions, losses and hands from outside.

use crate::{
    CONNECT,
    fixture::{BOOT, VmFixture, delays_of_4g, machine_name, median, ping_times},
    table::{Body, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, example},
    results,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{sync::Arc, time::Duration};

/// A second deployment with everything that the first has not: another broker, a service, limits.
const OTHER: &str = r#"
name = "other"
[infrastructure]
provider = "qemu"
[infrastructure.edge]
nodes = 1
cores = 1
memory_mib = 768
quota = 0.5
disk_read_mb_s = 20
disk_write_mb_s = 10
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 512
[software]
resource_manager = "mist"
broker = "mosquitto"
max_connections = 5
services = ["containerd"]
[benchmark]
application = "empty"
sleep_time_s = 1
"#;

/// One test: each part begins where the one before ended, and machines that are emulated take a minute to start.
pub(crate) const TESTS: [Test; 1] = [Test::new(
    "libvirt::two_deployments_side_by_side_through_interruptions_and_losses",
    &[],
    Body::Alone(side_by_side),
)
.on(When::Never, When::Always)];

fn side_by_side(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let ctl = vms.ctl();
    let other = vms.dir.join("other.toml");
    std::fs::write(&other, OTHER)?;
    let other = other.display().to_string();
    let mist = example("mist-edge.toml");

    // Interrupted while its machines boot, and locked meanwhile.
    let mut up = ctl.start("interrupted", &["up", &other])?;
    up.wait_for("machines: done", BOOT)?;
    let errors = ctl.refused(4, &["up", &other])?;
    ensure!(
        errors.contains(&format!("process {} holds it", up.pid())),
        "{errors}"
    );
    up.signal(Signal::INT)?;
    ensure!(up.wait(Duration::from_mins(1))? == 130, "{}", up.said());
    let list = ctl.json(0, &["list"])?;
    ensure!(
        list["deployments"][0]["state"] == "2 of 2 nodes running",
        "{list}"
    );

    // The same `up` again goes on, while another one begins.
    let mut ups = [
        ctl.start("mist", &["up", &mist])?,
        ctl.start("other", &["up", &other])?,
    ];
    for up in &mut ups {
        ensure!(up.wait(BOOT)? == 0, "{}", up.said());
    }
    drop(ups);
    let list = ctl.json(0, &["list"])?;
    ensure!(
        list["deployments"][0]["prefix"] != list["deployments"][1]["prefix"],
        "{list}"
    );
    let again = ctl.expect(0, &["up", &mist])?;
    ensure!(
        again.contains("nothing was changed"),
        "the second up changed something: {again}"
    );

    second_software_and_limits(vms, &ctl)?;
    // The first one is as it was.
    ctl.expect(0, &["down", &other])?;
    let status = ctl.json(0, &["status", "mist-edge"])?;
    for node in status["nodes"].as_array().context("nodes")? {
        ensure!(
            node["machine"] == "running" && node["agent"] == "answers",
            "{status}"
        );
    }
    ensure!(
        vms.virsh(&["list", "--all", "--name"])?
            .trim()
            .lines()
            .count()
            == 2,
        "more or less than two are left"
    );

    debugging(&ctl)?;
    links(vms, &ctl, &status)?;
    lost_machine(vms, &ctl, &mist)
}

fn second_software_and_limits(vms: &VmFixture, ctl: &Ctl) -> anyhow::Result<()> {
    let status = ctl.json(0, &["status", "other"])?;
    let broker = status["nodes"][0]["broker"].as_str().unwrap_or_default();
    ensure!(broker.starts_with("mosquitto running"), "{status}");
    // mosquitto and containerd came by way of the agent, and run.
    let ctr = ctl.expect(
        0,
        &["agent", "other", "edge0", "exec", "--", "ctr", "version"],
    )?;
    ensure!(ctr.contains("Server:"), "{ctr}");
    let version = ctl.expect(
        0,
        &[
            "agent",
            "other",
            "edge0",
            "exec",
            "--",
            "dpkg-query",
            "-W",
            "mosquitto",
        ],
    )?;
    ensure!(version.starts_with("mosquitto\t2"), "{version}");
    let log = ctl.expect(0, &["logs", "other", "edge0", "--source", "broker"])?;
    ensure!(log.contains("New connection"), "{log}");
    // Limits as libvirt has them, live.
    let domains = vms.virsh(&["list", "--name"])?;
    let domain = machine_name(ctl, "other", "edge0")?;
    ensure!(domains.contains(&domain), "no {domain} in {domains}");
    let schedule = vms.virsh(&["schedinfo", &domain, "--live"])?;
    ensure!(
        schedule
            .lines()
            .any(|l| l.starts_with("vcpu_quota") && l.ends_with("50000")),
        "{schedule}"
    );
    let disk = vms.virsh(&["blkdeviotune", &domain, "vda", "--live"])?;
    for (key, value) in [
        ("read_bytes_sec", "20000000"),
        ("write_bytes_sec", "10000000"),
    ] {
        let has = disk.lines().any(|l| {
            l.split_once(':')
                .is_some_and(|(k, v)| k.trim() == key && v.trim() == value)
        });
        ensure!(has, "no {key} {value} in {disk}");
    }
    // No more connections than asked for, whatever the broker itself would take.
    let address = status["nodes"][0]["address"]
        .as_str()
        .context("an address")?
        .to_owned();
    let probe = std::env::current_exe()?.display().to_string();
    let accepted = vms.inside(&probe, &[CONNECT, &address, "9"])?;
    ensure!(
        accepted.trim() == "5",
        "{accepted} of 9 connections were admitted instead of 5"
    );
    Ok(())
}

fn debugging(ctl: &Ctl) -> anyhow::Result<()> {
    let info = ctl.expect(0, &["agent", "mist-edge", "edge0", "info"])?;
    for part in ["Debian GNU/Linux 13", "network", "cgroup"] {
        ensure!(info.contains(part), "no {part} in\n{info}");
    }
    for action in ["health", "logs", "metrics"] {
        ctl.expect(0, &["agent", "mist-edge", "endpoint0", action])?;
    }
    ctl.expect(0, &["ssh", "mist-edge", "endpoint0", "--", "true"])?;
    // Children of the agent go before the agent when memory runs out.
    let score = ctl.expect(
        0,
        &[
            "agent",
            "mist-edge",
            "edge0",
            "exec",
            "--",
            "cat",
            "/proc/self/oom_score_adj",
        ],
    )?;
    ensure!(score.trim() == "500", "{score}");
    Ok(())
}

/// What was asked for is there, and only between the nodes.
fn links(vms: &VmFixture, ctl: &Ctl, status: &Value) -> anyhow::Result<()> {
    let raw = ctl.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    for part in ["7.21", "netem"] {
        ensure!(raw.contains(part), "no {part} in\n{raw}");
    }
    ensure!(delays_of_4g(&raw) >= 2, "{raw}");
    let edge = status["nodes"][0]["address"]
        .as_str()
        .context("an address")?
        .to_owned();
    let ping = || -> anyhow::Result<f64> {
        let ping = [
            "agent",
            "mist-edge",
            "endpoint0",
            "exec",
            "--",
            "ping",
            "-n",
            "-c",
            "50",
            "-i",
            "0.1",
        ];
        median(ping_times(&ctl.expect(0, &[&ping[..], &[&edge]].concat())?))
    };
    let shaped = ping()?;
    let management = median(ping_times(
        &vms.inside("ping", &["-n", "-c", "20", "-i", "0.1", &edge])?,
    ))?;
    // The same path without its links says what emulated machines cost by themselves.
    for node in ["edge0", "endpoint0"] {
        let delete = ["tc", "qdisc", "del", "dev", "eth0", "root"];
        ctl.expect(
            0,
            &[&["agent", "mist-edge", node, "exec", "--"], &delete[..]].concat(),
        )?;
    }
    let bare = ping()?;
    let added = shaped - bare;
    eprintln!(
        "the link adds {added:.2} ms to the round trip, asked 15 ms; from the controller {management:.2} ms"
    );
    ensure!(
        (12.0..=18.0).contains(&added),
        "the link adds {added:.2} ms instead of 15 ms ± 20 %"
    );
    ensure!(
        management < bare + 5.0,
        "management traffic takes {management:.2} ms, between nodes {bare:.2} ms"
    );
    Ok(())
}

/// A machine that goes away ends the run, and `up` brings it back; one undefined by hand is no obstacle to `down`.
fn lost_machine(vms: &VmFixture, ctl: &Ctl, mist: &str) -> anyhow::Result<()> {
    let (dir, text) = vms.results("lost");
    let mut bench = ctl.start(
        "lost",
        &[
            "bench",
            mist,
            "--results",
            &text,
            "--set",
            "benchmark.duration_s=300",
            "--set",
            "benchmark.frequency=0.5",
        ],
    )?;
    bench.wait_for_answers(2, Duration::from_mins(4))?;
    vms.kill(ctl, "mist-edge", "edge0")?;
    ensure!(bench.wait(Duration::from_mins(2))? == 6, "{}", bench.said());
    ensure!(bench.said().contains("edge0"), "{}", bench.said());
    let result_dir = results::only_result(&dir)?;
    let result = results::json(&result_dir)?;
    ensure!(result["validity"] == "invalid", "{}", result["validity"]);
    ensure!(
        result["invalid_reasons"].to_string().contains("edge0"),
        "{}",
        result["invalid_reasons"]
    );
    let samples = std::fs::read_to_string(result_dir.join("samples.csv"))?;
    ensure!(
        samples.lines().count() >= 3,
        "the endpoint's samples are missing: {samples}"
    );

    // Started again it has lost its broker, which comes back, and has its links.
    let back = ctl.expect(0, &["up", mist])?;
    ensure!(!back.contains("nothing was changed"), "{back}");
    let raw = ctl.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    ensure!(delays_of_4g(&raw) >= 2, "{raw}");
    let status = ctl.json(0, &["status", "mist-edge"])?;
    ensure!(
        status["nodes"][0]["broker"].to_string().contains("running"),
        "{status}"
    );

    // By hand, and without its state.
    let domain = machine_name(ctl, "mist-edge", "endpoint0")?;
    vms.virsh(&["destroy", &domain])?;
    vms.virsh(&["undefine", &domain])?;
    std::fs::remove_file(vms.dir.join("state/deployments/mist-edge/state.json"))?;
    let removed = ctl.expect(0, &["down", mist])?;
    for part in ["domain ct-", "network ct-", "endpoint0-seed.img"] {
        ensure!(removed.contains(part), "no {part} in {removed}");
    }
    let nothing = ctl.expect(0, &["down", mist])?;
    ensure!(nothing.contains("nothing was there to remove"), "{nothing}");
    vms.check_nothing_left()
}
