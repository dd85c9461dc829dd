//! Real virtual machines. Skipped with the reason where this machine cannot run them.
#![expect(clippy::print_stderr, reason = "reasons for skipping")]

use continuum_tests::{
    process::workspace_program,
    testbed::{self, Testbed},
};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

type Case = fn(&Bed) -> Result<(), Failed>;

struct Bed {
    testbed: Testbed,
    state: PathBuf,
    results: PathBuf,
}

impl Bed {
    fn ctl(&self, arguments: &[&str]) -> Result<Output, Failed> {
        self.testbed
            .enter("env")
            .arg(format!("CONTINUUM_STATE={}", self.state.display()))
            .arg(workspace_program("continuum-ctl"))
            .args(arguments)
            .output()
            .map_err(|e| format!("start continuum-ctl: {e}").into())
    }

    fn expect(&self, code: i32, arguments: &[&str]) -> Result<String, Failed> {
        let output = self.ctl(arguments)?;
        if output.status.code() == Some(code) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(format!(
            "{arguments:?}: exit {:?} instead of {code}\n{}\n{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
        .into())
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String, Failed> {
        let output = self
            .testbed
            .enter("virsh")
            .args(["--quiet", "--connect", "qemu:///system"])
            .args(arguments)
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// No domain, network, bridge, tap or volume of any deployment is left.
    fn check_nothing_left(&self) -> Result<(), Failed> {
        let domains = self.virsh(&["list", "--all", "--name"])?;
        let networks = self.virsh(&["net-list", "--all", "--name"])?;
        let links = self.testbed.enter("ip").args(["-brief", "link"]).output()?;
        let links = String::from_utf8_lossy(&links.stdout).into_owned();
        let volumes: Vec<String> = std::fs::read_dir(self.state.join("pool"))?
            .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
            .filter(|n| n.starts_with("ct-"))
            .collect();
        let left_links: Vec<&str> = links.lines().filter(|l| l.starts_with("ct")).collect();
        if domains.trim().is_empty()
            && !networks.contains("ct-")
            && left_links.is_empty()
            && volumes.is_empty()
        {
            return Ok(());
        }
        Err(format!("left: {domains} {networks} {left_links:?} {volumes:?}").into())
    }
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
        .display()
        .to_string()
}

/// One deployment through its whole life: links measured, limits and reflection looked at, a photo run, a lost node.
fn life(bed: &Bed) -> Result<(), Failed> {
    let config = example("mist-edge.toml");
    bed.expect(0, &["up", &config])?;
    let text = bed.expect(0, &["up", &config])?;
    if !text.contains("nothing was changed") {
        return Err("the second up changed something".into());
    }
    let info = bed.expect(0, &["agent", "mist-edge", "edge0", "info"])?;
    for part in ["Debian GNU/Linux 13", "network", "cgroup"] {
        if !info.contains(part) {
            return Err(format!("no {part} in\n{info}").into());
        }
    }
    let links = bed.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    for part in ["7.21", "netem", "7.5ms"] {
        if !links.contains(part) {
            return Err(format!("no {part} in\n{links}").into());
        }
    }
    let ping = |to: &str| -> Result<f64, Failed> {
        let out = bed.expect(
            0,
            &[
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
                to,
            ],
        )?;
        let mut times: Vec<f64> = out
            .lines()
            .filter_map(|l| l.split_once("time=")?.1.split(' ').next()?.parse().ok())
            .collect();
        times.sort_by(f64::total_cmp);
        times
            .get(times.len() / 2)
            .copied()
            .ok_or_else(|| format!("no answer in\n{out}").into())
    };
    let status = bed.expect(0, &["--format", "json", "status", "mist-edge"])?;
    let status: serde_json::Value = serde_json::from_str(&status).map_err(|e| e.to_string())?;
    let edge = status["nodes"][0]["address"]
        .as_str()
        .ok_or("no address")?
        .to_owned();
    let shaped = ping(&edge)?;
    bed.expect(0, &["ssh", "mist-edge", "endpoint0", "--", "true"])?;
    let results = bed.results.display().to_string();
    let out = bed.expect(
        0,
        &[
            "bench",
            &config,
            "--results",
            &results,
            "--set",
            "benchmark.frequency=0.3",
            "--set",
            "benchmark.duration_s=20",
        ],
    )?;
    if !(out.contains("EDGE OUTPUT") && out.contains("answered 6, asked 6")) {
        return Err(out.into());
    }
    // The same path without its links says what emulated machines cost by themselves.
    for node in ["edge0", "endpoint0"] {
        let delete = ["tc", "qdisc", "del", "dev", "eth0", "root"];
        bed.expect(
            0,
            &[&["agent", "mist-edge", node, "exec", "--"], &delete[..]].concat(),
        )?;
    }
    let added = shaped - ping(&edge)?;
    eprintln!("the link adds {added:.2} ms to the round trip, asked 15 ms");
    if !(12.0..=18.0).contains(&added) {
        return Err(format!("the link adds {added:.2} ms instead of 15 ms ± 20 %").into());
    }
    bed.expect(0, &["down", "mist-edge"])?;
    bed.expect(0, &["down", "mist-edge"])?;
    bed.check_nothing_left()
}

/// Why this machine runs no test of this file; `None` = it can.
fn missing() -> Option<String> {
    if let Some(why) = testbed::missing() {
        return Some(why);
    }
    let cache = std::env::var_os("CONTINUUM_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache/continuum")))?;
    if !cache.join("images/current").exists() {
        return Some("no guest image; continuum-ctl image build".into());
    }
    (!workspace_program("continuum-ctl").exists()).then(|| "continuum-ctl is not built".into())
}

fn main() {
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's two cores.
    arguments.test_threads = Some(1);
    let missing = missing();
    let mut trials = Vec::new();
    let bed = if let Some(why) = &missing {
        eprintln!("skipped: {why}");
        None
    } else if arguments.list {
        None
    } else {
        let dir = PathBuf::from("/var/lib/continuum-vm-tests");
        std::fs::remove_dir_all(&dir).ok();
        match Testbed::start() {
            Ok(testbed) => Some(Arc::new(Bed {
                testbed,
                state: dir.join("state"),
                results: dir.join("results"),
            })),
            Err(error) => {
                eprintln!("the testbed did not start: {error:#}");
                None
            }
        }
    };
    let tests: [(&str, Case); 1] = [("life_of_a_deployment", life)];
    for (name, test) in tests {
        let own = bed.clone();
        let run = move || {
            own.as_ref()
                .map_or_else(|| Err("no testbed".into()), |bed| test(bed))
        };
        trials.push(Trial::test(name, run).with_ignored_flag(missing.is_some()));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(bed);
    conclusion.exit();
}
