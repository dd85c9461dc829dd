//! What guests of provider `uml` are held to, as asked: rights, processors, disks, memory, and their links.

use crate::{
    cluster::Cluster,
    fixture::{guest_processes, machine_name, wait},
    machine_links::{carries, cut, rebooted, round_trip, throughput},
    table::{Body, Fixture, Test, When},
};
use anyhow::{Context, ensure};
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const CONFIG: &str = r#"
name = "machines"
[infrastructure]
provider = "auto"
infra_only = true
[infrastructure.cloud]
nodes = 1
cores = 1
memory_mib = 512
quota = 0.5
[infrastructure.edge]
nodes = 1
cores = 1
memory_mib = 512
disk_read_mb_s = 20
disk_write_mb_s = 10
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 512
[network]
preset = "4g"
"#;
const MEMORY_MIB: f64 = 512.0;
/// In which /proc counts, whatever the kernel's own clock.
const TICKS_PER_S: f64 = 100.0;

static MACHINES: Fixture = Fixture {
    name: "machines",
    make: |vms| {
        let config = vms.file("machines.toml", CONFIG)?;
        let cluster = Cluster::new(vms, "machines");
        let up = cluster.ctl.json(0, &["up", &config])?;
        eprintln!("machines: stages {}", up["stage_times"]);
        Ok(cluster)
    },
};

const fn on_the_machines(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, &[], Body::With(&MACHINES, run)).on(When::Always, When::Never)
}

pub(crate) const TESTS: [Test; 14] = [
    on_the_machines("machines::a_guest_has_few_rights_on_its_host", few_rights),
    on_the_machines("machines::agent_and_ssh_reach_them", reached),
    on_the_machines("machines::up_sets_a_clock_that_is_wrong", clock),
    on_the_machines("machines::the_round_trip_is_what_was_asked", round_trip),
    on_the_machines("machines::a_link_of_7_21_mbit_carries_that", |m| {
        carries(m, 7.21)
    }),
    on_the_machines("machines::a_link_of_29_66_mbit_carries_that", |m| {
        carries(m, 29.66)
    }),
    on_the_machines(
        "machines::a_link_of_1000_mbit_carries_what_the_host_can",
        |m| {
            let (wire, payload) = throughput(m, 1000.0)?;
            eprintln!("asked 1000 Mbit/s: {wire:.1} on the wire, {payload:.1} of payload");
            ensure!((50.0..1030.0).contains(&wire), "{wire} Mbit/s");
            Ok(())
        },
    ),
    on_the_machines("machines::a_cut_link_lets_nothing_through", cut),
    on_the_machines(
        "machines::half_a_quota_is_half_a_processor",
        half_a_processor,
    ),
    on_the_machines("machines::a_disk_writes_as_fast_as_it_may", |m| {
        disk(
            m,
            &["if=/dev/zero", "of=/var/tmp/written", "oflag=direct"],
            10.0,
        )
    }),
    on_the_machines("machines::a_disk_reads_as_fast_as_it_may", |m| {
        m.on(
            "edge0",
            &[
                "dd",
                "if=/dev/urandom",
                "of=/var/tmp/read",
                "bs=1M",
                "count=60",
            ],
        )?;
        // Nothing may be on its way to the disk any more.
        m.on("edge0", &["sync"])?;
        disk(
            m,
            &["if=/var/tmp/read", "of=/dev/null", "iflag=direct"],
            20.0,
        )
    }),
    on_the_machines(
        "machines::who_takes_more_memory_than_there_is_dies_alone",
        memory,
    ),
    on_the_machines(
        "machines::one_that_starts_again_has_its_links_before_up",
        rebooted,
    ),
    Test::new("machines::down_leaves_nothing", &[], Body::End(&MACHINES))
        .on(When::Always, When::Never),
];

fn clock(machines: &Cluster) -> anyhow::Result<()> {
    let config = machines.vms.file("machines.toml", CONFIG)?;
    machines.on("edge0", &["date", "--set", "-1 hour"])?;
    machines.ctl.expect(0, &["up", &config])?;
    let health = machines
        .ctl
        .json(0, &["agent", &machines.name, "edge0", "health"])?;
    let offset_ns = health["clock"]["offset_ns"].as_i64();
    let offset_ns = offset_ns.with_context(|| health.to_string())?;
    ensure!(offset_ns.abs() < 20_000_000, "{offset_ns} ns off");
    Ok(())
}

/// Of the host's control groups, in hierarchies of either version.
pub(crate) fn group_of(machine: &str, file: &str) -> anyhow::Result<PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let entries = std::fs::read_dir(top)?.flatten().map(|e| e.path());
    let mut hierarchies = std::iter::once(top.to_owned()).chain(entries);
    hierarchies
        .find_map(|dir| {
            let path = dir.join("continuum").join(machine).join(file);
            path.exists().then_some(path)
        })
        .with_context(|| format!("no {file} of {machine} below {}", top.display()))
}

fn status_field(pid: u32, field: &str) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let value = text.lines().find_map(|l| l.strip_prefix(field));
    Ok(value
        .with_context(|| format!("no {field}"))?
        .trim()
        .to_owned())
}

/// Root in a guest can reach the rights of the process that it is: that has none worth having.
fn few_rights(machines: &Cluster) -> anyhow::Result<()> {
    let mut users = Vec::new();
    for node in ["edge0", "endpoint0"] {
        let machine = machine_name(&machines.ctl, &machines.name, node)?;
        let (_, (guest, _)) = guest_processes(&machines.ctl, &machine)?;
        let user = status_field(guest, "Uid:")?;
        ensure!(
            user.split_whitespace()
                .all(|id| id.parse().is_ok_and(|id: u32| id > 65_535)),
            "{node} is user {user}"
        );
        ensure!(status_field(guest, "Groups:")?.is_empty(), "it has groups");
        ensure!(
            status_field(guest, "NoNewPrivs:")? == "1",
            "it may get rights"
        );
        // What it sees of the host's files.
        let seen = std::fs::read_dir(format!("/proc/{guest}/root"))?;
        let mut seen: Vec<String> = seen
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        seen.sort();
        eprintln!("{node}: user {user}, sees {seen:?}");
        for hidden in ["etc", "home", "root", "usr", "sys", "var", "run"] {
            ensure!(
                !seen.iter().any(|name| name == hidden),
                "{node} sees {seen:?}"
            );
        }
        users.push(user);
    }
    users.dedup();
    ensure!(users.len() == 2, "both are one user: {users:?}");
    Ok(())
}

fn reached(machines: &Cluster) -> anyhow::Result<()> {
    let info = machines
        .ctl
        .expect(0, &["agent", "machines", "edge0", "info"])?;
    ensure!(info.contains("Debian GNU/Linux 13"), "{info}");
    for action in ["health", "logs", "metrics"] {
        let agent = ["agent", "machines", "endpoint0", action];
        machines.ctl.expect(0, &agent)?;
    }
    let ssh = ["ssh", "machines", "endpoint0", "--", "uname", "-r"];
    let release = machines.ctl.expect(0, &ssh)?;
    eprintln!("kernel of a guest: {}", release.trim());
    let failed = ["systemctl", "--failed", "--plain", "--no-legend"];
    let failed = machines.on("endpoint0", &failed)?;
    ensure!(failed.trim().is_empty(), "units that failed: {failed}");
    Ok(())
}

/// Seconds of processor that the processes of a guest have had.
fn processor_s(machine: &str) -> anyhow::Result<f64> {
    let processes = std::fs::read_to_string(group_of(machine, "cgroup.procs")?)?;
    let mut ticks = 0;
    for pid in processes.lines() {
        // One may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        let (_, fields) = stat.rsplit_once(')').context("a process' line")?;
        let fields = fields.split_whitespace().skip(11).take(2);
        ticks += fields.filter_map(|f| f.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(ticks as f64 / TICKS_PER_S)
}

/// What a loop without end gets over five seconds, as the host counts it.
fn half_a_processor(machines: &Cluster) -> anyhow::Result<()> {
    let machine = machine_name(&machines.ctl, "machines", "cloud0")?;
    let busy = ["timeout", "25", "python3", "-c", "while True: pass"];
    let mut loops = machines.start("busy", "cloud0", "60", &busy)?;
    wait(Duration::from_secs(3));
    let mut tries: Vec<f64> = Vec::new();
    // What else this host does takes from it too: one of three tries must be left alone.
    while !tries.iter().any(|share| (0.48..=0.52).contains(share)) && tries.len() < 3 {
        let (begun, before) = (Instant::now(), processor_s(&machine)?);
        wait(Duration::from_secs(5));
        let (after, seconds) = (processor_s(&machine)?, begun.elapsed().as_secs_f64());
        tries.push((after - before) / seconds);
    }
    // `timeout` has ended it.
    loops.wait(Duration::from_mins(1)).ok();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    eprintln!(
        "quota 0.5: {tries:.4?} of a processor over 5 s; load of the host {}",
        load.trim()
    );
    ensure!(
        tries.iter().all(|share| *share <= 0.52) && tries.last().is_some_and(|s| *s >= 0.48),
        "{tries:.4?}"
    );
    Ok(())
}

/// Fifty megabytes.
fn disk(machines: &Cluster, files: &[&str], asked_mb_s: f64) -> anyhow::Result<()> {
    let dd = [&["dd", "bs=1M", "count=48"], files].concat();
    let output = machines.ctl.run(&machines.exec("edge0", "120", &dd))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    // "50331648 bytes (50 MB, 48 MiB) copied, 5.01234 s, 10.0 MB/s"
    let seconds = said
        .split_once("copied, ")
        .and_then(|(_, rest)| rest.split_once(" s"));
    let seconds: f64 = seconds.with_context(|| said.clone())?.0.parse()?;
    let rate = f64::from(48 << 20) / 1e6 / seconds;
    eprintln!("disk {files:?}: {rate:.2} MB/s, asked {asked_mb_s}");
    ensure!(
        (0.9..=1.1).contains(&(rate / asked_mb_s)),
        "{rate:.2} MB/s instead of {asked_mb_s}"
    );
    Ok(())
}

/// Within the guest, whose agent goes on; the host's own bound is never reached.
fn memory(machines: &Cluster) -> anyhow::Result<()> {
    let total = machines.on(
        "endpoint0",
        &["awk", "/MemTotal/ { print $2 / 1024 }", "/proc/meminfo"],
    )?;
    let total: f64 = total.trim().parse()?;
    ensure!(
        (0.8 * MEMORY_MIB..=MEMORY_MIB).contains(&total),
        "{total} MiB"
    );
    let greedy = [
        "python3",
        "-c",
        "x = []\nwhile True: x.append(b'x' * (1 << 20))",
    ];
    let output = machines.try_on("endpoint0", &greedy)?;
    ensure!(
        !output.status.success(),
        "it got all of {total} MiB, and more"
    );
    let machine = machine_name(&machines.ctl, "machines", "endpoint0")?;
    let limit = ["memory.max", "memory.limit_in_bytes"];
    let limit = limit.iter().find_map(|file| group_of(&machine, file).ok());
    let limit = limit.context("a memory controller")?;
    let bytes: f64 = std::fs::read_to_string(&limit)?.trim().parse()?;
    eprintln!(
        "the guest has {total:.0} MiB, its processes may take {:.0} MiB",
        bytes / 1_048_576.0
    );
    ensure!(bytes / 1_048_576.0 >= MEMORY_MIB, "{bytes}");
    // It is the machine that it was.
    let uptime = machines.on("endpoint0", &["cat", "/proc/uptime"])?;
    let up_s: f64 = uptime.split(' ').next().context("a time")?.parse()?;
    ensure!(up_s > 2.0, "it started again {up_s} s ago");
    machines
        .ctl
        .expect(0, &["agent", "machines", "endpoint0", "health"])
        .map(|_| ())
}
