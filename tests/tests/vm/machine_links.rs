//! Links of guests of provider `uml`: delays and rates as asked, cut, and there after a restart.

use crate::{
    cluster::Cluster,
    fixture::{BOOT, address, machine_name, median, ping_times, wait},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::Running, process::pause};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn set_link(machines: &Cluster, values: &[&str]) -> anyhow::Result<()> {
    let set = ["network", "machines", "set", "edge0", "endpoint0"];
    machines
        .ctl
        .expect(0, &[&set[..], values].concat())
        .map(|_| ())
}

/// Two hundred probes for each of three latencies.
pub(crate) fn round_trip(machines: &Cluster) -> anyhow::Result<()> {
    let edge = address(&machines.ctl, "machines", "edge0")?;
    for latency_ms in [5.0, 20.0, 75.0] {
        let latency = format!("latency_ms={latency_ms}");
        set_link(machines, &[&latency, "jitter_ms=0"])?;
        let ping = ["ping", "-n", "-q", "-c", "3", &edge];
        machines.on("endpoint0", &ping)?;
        let asked = 2.0 * latency_ms;
        let is_right = |mean: &f64| (mean - asked).abs() <= (0.01 * asked).max(0.3);
        let mut tries: Vec<f64> = Vec::new();
        // Whatever else this host does delays probes: one of three tries must be left alone.
        while !tries.iter().any(is_right) {
            ensure!(tries.len() < 3, "asked {asked} ms, means {tries:.3?}");
            let ping = ["ping", "-n", "-c", "200", "-i", "0.03", &edge];
            let times = ping_times(&machines.on("endpoint0", &ping)?);
            ensure!(times.len() == 200, "{} answers", times.len());
            let mean = times.iter().sum::<f64>() / 200.0;
            let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / 200.0;
            let most = times.iter().copied().fold(0.0, f64::max);
            eprintln!(
                "asked {asked} ms: mean {mean:.3} ms, sd {:.3}, most {most:.2}",
                variance.sqrt()
            );
            tries.push(mean);
        }
    }
    Ok(())
}

/// Bytes that the host has handed to a node.
fn bytes_to(machines: &Cluster, interface: &str) -> anyhow::Result<u64> {
    let show = ["-json", "-statistics", "link", "show", "dev", interface];
    let text = machines.vms.inside("ip", &show)?;
    let links: Value = serde_json::from_str(&text)?;
    let bytes = links[0]["stats64"]["tx"]["bytes"].as_u64();
    bytes.with_context(|| text.clone())
}

/// Until somebody listens on a node: what a program there prints is heard when it has ended.
pub(crate) fn wait_for_listener(
    machines: &Cluster,
    node: &str,
    protocol: &str,
    port: u16,
    program: &Running,
) -> anyhow::Result<()> {
    let port = format!(":{port}");
    let listens = [
        "ss",
        "--no-header",
        "--listening",
        protocol,
        "sport",
        "=",
        &port,
    ];
    let deadline = Instant::now() + Duration::from_secs(20);
    while machines.on(node, &listens)?.trim().is_empty() {
        ensure!(
            Instant::now() < deadline,
            "nobody listens at {port} of {node}: {}",
            program.said()
        );
    }
    Ok(())
}

/// Megabits per second on the wire, as the host counts them over ten seconds, and of payload.
pub(crate) fn throughput(machines: &Cluster, rate_mbit: f64) -> anyhow::Result<(f64, f64)> {
    let rate = format!("rate_mbit={rate_mbit}");
    set_link(machines, &["latency_ms=0", "jitter_ms=0", &rate])?;
    let [at_edge, at_endpoint] = machines.script(
        ["edge0", "endpoint0"],
        "throughput.py",
        include_str!("throughput.py"),
    )?;
    let machine = machine_name(&machines.ctl, "machines", "endpoint0")?;
    let spec = machines.ctl.state().join("guests").join(&machine);
    let spec: Value = serde_json::from_slice(&std::fs::read(spec.join("spec.json"))?)?;
    let interface = spec["interface"].as_str().context("an interface")?;
    let serve = ["python3", &at_endpoint, "serve", "12"];
    let mut server = machines.start("serve", "endpoint0", "60", &serve)?;
    wait_for_listener(machines, "endpoint0", "--tcp", 5201, &server)?;
    let endpoint = address(&machines.ctl, "machines", "endpoint0")?;
    let send = ["python3", &at_edge, "send", &endpoint, "16"];
    let mut sender = machines.start("send", "edge0", "60", &send)?;
    // From when it flows, and has done so for a while.
    let idle = bytes_to(machines, interface)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    while bytes_to(machines, interface)? < idle + 200_000 {
        ensure!(
            Instant::now() < deadline,
            "nothing comes: {}",
            sender.said()
        );
        pause();
    }
    wait(Duration::from_secs(2));
    let (begun, before) = (Instant::now(), bytes_to(machines, interface)?);
    wait(Duration::from_secs(10));
    let (after, seconds) = (
        bytes_to(machines, interface)?,
        begun.elapsed().as_secs_f64(),
    );
    for run in [&mut server, &mut sender] {
        ensure!(run.wait(Duration::from_mins(1))? == 0, "{}", run.said());
    }
    let said = server.said();
    let payload = said.lines().find_map(|line| line.trim().parse().ok());
    let wire = after.saturating_sub(before) as f64 * 8.0 / seconds / 1e6;
    Ok((wire, payload.with_context(|| said.clone())?))
}

pub(crate) fn carries(machines: &Cluster, rate_mbit: f64) -> anyhow::Result<()> {
    let (wire, payload) = throughput(machines, rate_mbit)?;
    let off = 100.0 * (wire / rate_mbit - 1.0);
    eprintln!(
        "asked {rate_mbit} Mbit/s: {wire:.3} on the wire ({off:+.2} %), {payload:.3} of payload"
    );
    ensure!(off.abs() <= 3.0, "{wire:.3} Mbit/s, {off:+.2} %");
    Ok(())
}

pub(crate) fn cut(machines: &Cluster) -> anyhow::Result<()> {
    let (ctl, name) = (&machines.ctl, &*machines.name);
    let edge = address(ctl, name, "edge0")?;
    let reaches = |node: &str| {
        let ping = machines.try_on(node, &["ping", "-c", "2", "-W", "1", &edge]);
        ping.map(|output| output.status.success())
    };
    ctl.expect(0, &["network", name, "cut", "endpoint", "edge"])?;
    ensure!(!reaches("endpoint0")?, "the cut link answers");
    ensure!(reaches("cloud0")?, "another link is cut");
    let slow = ["network", name, "set", "edge", "endpoint", "rate_mbit=5"];
    ctl.expect(0, &slow)?;
    ensure!(!reaches("endpoint0")?, "other numbers let packets through");
    let shown = ctl.expect(0, &["network", name, "show"])?;
    for request in [
        "in force: cut endpoint edge",
        "in force: set edge endpoint rate_mbit=5",
    ] {
        ensure!(shown.contains(request), "no {request} in\n{shown}");
    }
    // In other words than it was cut.
    ctl.expect(0, &["network", name, "restore", "edge0", "endpoint0"])?;
    ensure!(reaches("endpoint0")?, "it is still cut");
    let said = ctl.refused(1, &["network", name, "cut", "edge", "moon"])?;
    ensure!(said.contains("moon"), "{said}");
    Ok(())
}

pub(crate) fn rebooted(machines: &Cluster) -> anyhow::Result<()> {
    let (ctl, name) = (&machines.ctl, &*machines.name);
    set_link(machines, &["latency_ms=20", "jitter_ms=0"])?;
    let boot = || machines.try_on("edge0", &["cat", "/proc/sys/kernel/random/boot_id"]);
    let before = boot()?.stdout;
    let soon = [
        "systemd-run",
        "--on-active=1",
        "--timer-property=AccuracySec=100ms",
    ];
    let reboot = [&soon[..], &["systemctl", "reboot"]].concat();
    machines.on("edge0", &reboot)?;
    let begun = Instant::now();
    loop {
        let now = boot()?;
        if now.status.success() && now.stdout != before {
            break;
        }
        ensure!(begun.elapsed() < BOOT, "it does not answer again");
        wait(Duration::from_secs(1));
    }
    let shown = ctl.json(0, &["network", name, "show"])?;
    ensure!(shown["links"]["edge0"] != json!([]), "{shown}");
    let endpoint = address(ctl, name, "endpoint0")?;
    let times = ping_times(&machines.on("edge0", &["ping", "-n", "-c", "5", &endpoint])?);
    let rtt_ms = median(times)?;
    ensure!((39.0..60.0).contains(&rtt_ms), "{rtt_ms} ms of 40");
    Ok(())
}
