//! Asked and measured on real guests: what was made as asked is valid, and what somebody takes away is caught.

use crate::{
    cluster::Cluster,
    fixture::{VmFixture, machine_name},
    machines::group_of,
    table::{Body, Fixture, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::{ctl::example, results};
use serde_json::Value;
use std::{path::PathBuf, sync::Arc};

const CONFIG: &str = r#"
name = "verified"
[infrastructure]
provider = "auto"
infra_only = true
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
quota = 0.5
[network]
preset = "4g"
"#;

static VERIFIED: Fixture = Fixture {
    name: "verified",
    make: |vms| {
        let config = vms.file("verified.toml", CONFIG)?;
        let cluster = Cluster::new(vms, "verified");
        let up = cluster.ctl.json(0, &["up", &config, "--verify", "quick"])?;
        eprintln!("verified: stages {}", up["stage_times"]);
        eprint_rows("after up", &up["verification"])?;
        Ok(cluster)
    },
};

const fn on_verified(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, &[], Body::With(&VERIFIED, run)).on(When::Always, When::Never)
}

pub(crate) const TESTS: [Test; 7] = [
    Test::new("verify::mist_edge_is_valid", &[], Body::Alone(mist_edge))
        .on(When::Always, When::Never),
    on_verified("verify::what_was_asked_for_is_measured", as_asked),
    on_verified("verify::all_ways_and_nodes_are_measured_in_full", full)
        .on(When::Long, When::Never),
    on_verified("verify::a_quota_that_was_lifted_is_caught", lifted_quota),
    on_verified(
        "verify::a_disk_limit_that_was_lifted_is_caught",
        lifted_disk,
    ),
    on_verified(
        "verify::a_qdisc_that_was_removed_is_caught_and_made_anew_by_up",
        removed_qdisc,
    ),
    Test::new("verify::down_leaves_nothing", &[], Body::End(&VERIFIED))
        .on(When::Always, When::Never),
];

fn rows(verification: &Value) -> anyhow::Result<&Vec<Value>> {
    let rows = verification["rows"].as_array();
    rows.with_context(|| format!("no rows in {verification}"))
}

fn eprint_rows(when: &str, verification: &Value) -> anyhow::Result<()> {
    eprintln!(
        "{when}: {} s, {} bytes over links, {} of disks, host {}",
        verification["seconds"],
        verification["network_bytes"],
        verification["disk_bytes"],
        verification["host"]
    );
    for row in rows(verification)? {
        eprintln!(
            "  {} {} {}: asked {}, measured {} ({} to {}), {} tries: {}",
            row["node"],
            row["to"],
            row["quantity"],
            row["asked"],
            row["measured"],
            row["least"],
            row["most"],
            row["tries"],
            row["verdict"]
        );
    }
    Ok(())
}

/// The result of the demo's config says that links and machines were what was asked for.
fn mist_edge(vms: &Arc<VmFixture>) -> anyhow::Result<()> {
    let (dir, text) = vms.results("mist-edge");
    let config = example("mist-edge.toml");
    let run = ["run", &config, "--results", &text, "--verify", "quick"];
    let said = vms.ctl().expect(0, &run)?;
    ensure!(said.contains("validity: valid"), "{said}");
    let result = results::json(&results::only_result(&dir)?)?;
    for when in ["before", "after"] {
        eprint_rows(when, &result["verification"][when])?;
    }
    ensure!(result["validity"] == "valid", "{}", result["notes"]);
    vms.check_nothing_left()
}

fn verify(machines: &Cluster, code: i32) -> anyhow::Result<Value> {
    let said = machines
        .ctl
        .json(code, &["network", &machines.name, "verify"])?;
    let verification = said["verification"].clone();
    eprint_rows("now", &verification)?;
    Ok(verification)
}

/// Rows of a quantity, as (node, measured).
fn measured(verification: &Value, quantity: &str) -> anyhow::Result<Vec<(String, f64)>> {
    let own = rows(verification)?
        .iter()
        .filter(|row| row["quantity"] == quantity);
    own.map(|row| {
        let node = row["node"].as_str().context("a node")?;
        let value = row["measured"].as_f64();
        let value = value.with_context(|| format!("not measured: {row}"))?;
        Ok((node.to_owned(), value))
    })
    .collect()
}

/// 4G within 2 % of its rate, and 1 % or 0.3 ms of its round trip beyond what 200 values of its jitter leave open.
fn as_asked(machines: &Cluster) -> anyhow::Result<()> {
    let verification = verify(machines, 0)?;
    for (node, rate) in measured(&verification, "rate")? {
        let off = 100.0 * (rate / 7.21 - 1.0);
        eprintln!("rate from {node}: {rate:.3} Mbit/s ({off:+.2} %)");
        ensure!(off.abs() <= 2.0, "{rate} Mbit/s from {node}");
    }
    let set = ["network", &machines.name, "set", "edge", "endpoint"];
    let steady = machines.ctl.json(
        0,
        &[&set[..], &["jitter_ms=0", "--verify", "quick"]].concat(),
    )?;
    eprint_rows("without jitter", &steady["verification"])?;
    let trips = measured(&steady["verification"], "round_trip")?;
    ensure!(trips.len() == 1, "{trips:?}");
    for (_, trip) in trips {
        ensure!((trip - 15.0).abs() <= 0.3, "{trip} ms instead of 15");
    }
    let restore = ["network", &machines.name, "restore", "edge", "endpoint"];
    machines.ctl.expect(0, &restore).map(|_| ())
}

fn full(machines: &Cluster) -> anyhow::Result<()> {
    let full = ["network", &machines.name, "verify", "--full"];
    let said = machines.ctl.json(0, &full)?;
    eprint_rows("full", &said["verification"])?;
    let ways = measured(&said["verification"], "reordering")?;
    ensure!(ways.len() == 2, "{ways:?}");
    Ok(())
}

/// Out of tolerance by that number of that node, and by no other; why it says that is.
fn caught(machines: &Cluster, node: &str, quantity: &str, cause: &str) -> anyhow::Result<()> {
    let verification = verify(machines, 6)?;
    let mut out = rows(&verification)?
        .iter()
        .filter(|row| row["verdict"] == "out_of_tolerance");
    let is_it = |row: &&Value| row["node"] == node && row["quantity"] == quantity;
    let row = out
        .clone()
        .find(is_it)
        .with_context(|| format!("{quantity} of {node} is as asked"))?;
    let says = row["cause"].as_str().unwrap_or_default();
    ensure!(says.contains(cause), "{row}");
    let of_others = out.find(|row| row["node"] != node && row["to"] != node);
    ensure!(of_others.is_none(), "{of_others:?}");
    Ok(())
}

/// Of a host's control group of either version: the file, and what lifts a quota there.
fn quota_of(machine: &str) -> anyhow::Result<(PathBuf, &'static str)> {
    let two = group_of(machine, "cpu.max").map(|path| (path, "max 100000"));
    two.or_else(|_| group_of(machine, "cpu.cfs_quota_us").map(|path| (path, "-1")))
}

fn lifted_quota(machines: &Cluster) -> anyhow::Result<()> {
    let machine = machine_name(&machines.ctl, &machines.name, "endpoint0")?;
    let (path, lifted) = quota_of(&machine)?;
    let before = std::fs::read_to_string(&path)?;
    std::fs::write(&path, lifted)?;
    let done = caught(machines, "endpoint0", "processor", "quota is not enforced");
    std::fs::write(&path, before.trim())?;
    done
}

fn lifted_disk(machines: &Cluster) -> anyhow::Result<()> {
    let limit = |read: &str, write: &str| {
        let (read, write) = (
            format!("IOReadBandwidthMax={read}"),
            format!("IOWriteBandwidthMax={write}"),
        );
        let set = ["systemctl", "set-property", "system.slice", &read, &write];
        machines.on("edge0", &set)
    };
    limit("", "")?;
    let done = caught(machines, "edge0", "disk_write", "limit is not enforced");
    limit("/dev/ubda 20M", "/dev/ubda 10M")?;
    done
}

fn removed_qdisc(machines: &Cluster) -> anyhow::Result<()> {
    let all = machines.on("edge0", &["ip", "-json", "link", "show"])?;
    let links: Vec<Value> = serde_json::from_str(&all)?;
    let shaped = links
        .iter()
        .find(|link| link["qdisc"] == "htb")
        .and_then(|link| link["ifname"].as_str());
    let device = shaped.with_context(|| format!("no shaped device in {all}"))?;
    machines.on("edge0", &["tc", "qdisc", "del", "dev", device, "root"])?;
    caught(machines, "edge0", "rate", "rate is not applied")?;
    let config = machines.vms.file("verified.toml", CONFIG)?;
    machines.ctl.expect(0, &["up", &config])?;
    verify(machines, 0).map(|_| ())
}
