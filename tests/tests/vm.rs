//! Real virtual machines. Skipped with the reason where this machine cannot run them.
#![expect(clippy::print_stderr, reason = "reasons for skipping, and figures")]

use anyhow::{Context, ensure};
use continuum_tests::{
    ctl::{Ctl, example},
    results, skip,
    testbed::Testbed,
};
use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

type Case = fn(&Bed) -> anyhow::Result<()>;

const BOOT: Duration = Duration::from_mins(6);

struct Bed {
    testbed: Testbed,
    dir: PathBuf,
}

impl Bed {
    fn start() -> anyhow::Result<Self> {
        // QEMU's user must reach it.
        let dir = PathBuf::from("/var/lib/continuum-vm-tests");
        std::fs::remove_dir_all(&dir).ok();
        std::fs::create_dir_all(&dir).context("create the tests' directory")?;
        let testbed = Testbed::start()?;
        Ok(Self { testbed, dir })
    }

    fn ctl(&self) -> Ctl {
        Ctl::new(self.dir.join("state")).through(&self.testbed.enter("env"))
    }

    fn results(&self, name: &str) -> (PathBuf, String) {
        let path = self.dir.join(name);
        let text = path.display().to_string();
        (path, text)
    }

    fn inside(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.testbed.enter(program).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "{program} {arguments:?}: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    }

    fn virsh(&self, arguments: &[&str]) -> anyhow::Result<String> {
        self.inside(
            "virsh",
            &[&["--quiet", "--connect", "qemu:///system"], arguments].concat(),
        )
    }

    /// No domain, network, bridge, tap, volume or QEMU of any deployment is left.
    fn check_nothing_left(&self) -> anyhow::Result<()> {
        let domains = self.virsh(&["list", "--all", "--name"])?;
        let networks = self.virsh(&["net-list", "--all", "--name"])?;
        let links = self.inside("ip", &["-brief", "link"])?;
        let links: Vec<&str> = links.lines().filter(|l| l.starts_with("ct")).collect();
        let volumes: Vec<String> = std::fs::read_dir(self.dir.join("state/pool"))?
            .filter_map(|e| Some(e.ok()?.file_name().to_string_lossy().into_owned()))
            .filter(|n| n.starts_with("ct-"))
            .collect();
        let deployments = std::fs::read_dir(self.dir.join("state/deployments"))?.count();
        let guests = processes_with("ct-");
        ensure!(
            domains.trim().is_empty()
                && networks.trim().is_empty()
                && links.is_empty()
                && volumes.is_empty()
                && deployments == 0
                && guests.is_empty(),
            "left: {domains} {networks} {links:?} {volumes:?} {deployments} {guests:?}"
        );
        Ok(())
    }
}

/// Guests with such a name that run.
fn processes_with(name: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| std::fs::read(e.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains("qemu-system") && line.contains(&format!("guest={name}")))
        .collect()
}

fn median(mut values: Vec<f64>) -> anyhow::Result<f64> {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .context("nothing measured")
}

/// Milliseconds in ping's output.
fn ping_times(text: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|l| l.split_once("time=")?.1.split(' ').next()?.parse().ok())
        .collect()
}

/// `make demo`, twice in a row: complete, right, nothing left.
fn demo(bed: &Bed) -> anyhow::Result<()> {
    for round in ["first", "second"] {
        let (dir, text) = bed.results(round);
        let ctl = bed.ctl();
        let out = ctl.expect(0, &["run", &example("mist-edge.toml"), "--results", &text])?;
        ensure!(
            out.contains("EDGE OUTPUT") && out.contains("ENDPOINT OUTPUT"),
            "{out}"
        );
        let dir = results::only_result(&dir)?;
        results::check(&dir, 20)?;
        let result = results::json(&dir)?;
        eprintln!("{round} demo: stages {}", result["stage_times"]);
        for run in result["runs"].as_array().context("runs")? {
            let cores = run["cpu_cores"].as_f64().unwrap_or_default();
            let want = format!("{} 100000", (cores * 100_000.0) as u64);
            ensure!(
                run["limits"]["cpu_max"] == want.as_str(),
                "asked for {cores} cores: {}",
                run["limits"]
            );
            let bytes = run["memory_mib"].as_u64().unwrap_or_default() << 20;
            ensure!(
                run["limits"]["memory_max"] == bytes.to_string().as_str(),
                "{}",
                run["limits"]
            );
        }
        bed.check_nothing_left()?;
    }
    Ok(())
}

/// Upstream's first tutorial config: one endpoint alone, at half a core.
fn endpoint_alone(bed: &Bed) -> anyhow::Result<()> {
    let (dir, text) = bed.results("endpoint");
    let ctl = bed.ctl();
    let out = ctl.expect(
        0,
        &[
            "run",
            &example("endpoint.cfg"),
            "--results",
            &text,
            "--set",
            "benchmark.frequency=0.5",
            "--set",
            "benchmark.duration_s=20",
            "--set",
            "infrastructure.keep=false",
        ],
    )?;
    ensure!(
        out.contains("ENDPOINT OUTPUT") && out.contains("endpoint_id"),
        "{out}"
    );
    results::check(&results::only_result(&dir)?, 10)?;
    bed.check_nothing_left()
}

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

/// Two deployments side by side, through interruptions, losses and hands from outside.
fn side_by_side(bed: &Bed) -> anyhow::Result<()> {
    let ctl = bed.ctl();
    let other = bed.dir.join("other.toml");
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

    second_software_and_limits(bed, &ctl)?;
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
        bed.virsh(&["list", "--all", "--name"])?
            .trim()
            .lines()
            .count()
            == 2,
        "more or less than two are left"
    );

    debugging(&ctl)?;
    links(bed, &ctl, &status)?;
    lost_machine(bed, &ctl, &mist)
}

fn second_software_and_limits(bed: &Bed, ctl: &Ctl) -> anyhow::Result<()> {
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
    let domains = bed.virsh(&["list", "--name"])?;
    let id = list_id(ctl, "other")?;
    let domain = format!("ct-{id}-edge0");
    ensure!(domains.contains(&domain), "no {domain} in {domains}");
    let schedule = bed.virsh(&["schedinfo", &domain, "--live"])?;
    ensure!(
        schedule
            .lines()
            .any(|l| l.starts_with("vcpu_quota") && l.ends_with("50000")),
        "{schedule}"
    );
    let disk = bed.virsh(&["blkdeviotune", &domain, "vda", "--live"])?;
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
    let accepted = bed.inside(&probe, &[CONNECT, &address, "9"])?;
    ensure!(
        accepted.trim() == "5",
        "{accepted} of 9 connections were admitted instead of 5"
    );
    Ok(())
}

fn list_id(ctl: &Ctl, name: &str) -> anyhow::Result<String> {
    let list = ctl.json(0, &["list"])?;
    let all = list["deployments"].as_array().context("deployments")?;
    let found = all
        .iter()
        .find(|d| d["name"] == name)
        .with_context(|| format!("no {name} in {list}"))?;
    Ok(found["id"].as_str().unwrap_or_default().to_owned())
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
fn links(bed: &Bed, ctl: &Ctl, status: &Value) -> anyhow::Result<()> {
    let raw = ctl.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    for part in ["7.21", "netem", "7.5ms"] {
        ensure!(raw.contains(part), "no {part} in\n{raw}");
    }
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
        &bed.inside("ping", &["-n", "-c", "20", "-i", "0.1", &edge])?,
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
fn lost_machine(bed: &Bed, ctl: &Ctl, mist: &str) -> anyhow::Result<()> {
    let (dir, text) = bed.results("lost");
    let id = list_id(ctl, "mist-edge")?;
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
    bed.virsh(&["destroy", &format!("ct-{id}-edge0")])?;
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

    // Started again it has lost links and broker; they come back.
    let back = ctl.expect(0, &["up", mist])?;
    ensure!(!back.contains("nothing was changed"), "{back}");
    let raw = ctl.expect(0, &["network", "mist-edge", "show", "--raw"])?;
    ensure!(raw.matches("7.5ms").count() >= 2, "{raw}");
    let status = ctl.json(0, &["status", "mist-edge"])?;
    ensure!(
        status["nodes"][0]["broker"].to_string().contains("running"),
        "{status}"
    );

    // By hand, and without its state.
    let domain = format!("ct-{id}-endpoint0");
    bed.virsh(&["destroy", &domain])?;
    bed.virsh(&["undefine", &domain])?;
    std::fs::remove_file(bed.dir.join("state/deployments/mist-edge/state.json"))?;
    let removed = ctl.expect(0, &["down", mist])?;
    for part in ["domain ct-", "network ct-", "endpoint0-seed.img"] {
        ensure!(removed.contains(part), "no {part} in {removed}");
    }
    let nothing = ctl.expect(0, &["down", mist])?;
    ensure!(nothing.contains("nothing was there to remove"), "{nothing}");
    bed.check_nothing_left()
}

/// A real cluster of two machines, without anything to run in it yet.
const CLUSTER: &str = r#"
name = "cluster"
[infrastructure]
provider = "qemu"
[infrastructure.cloud]
nodes = 2
cores = 1
memory_mib = 1536
[infrastructure.cloud.controller]
cores = 2
memory_mib = 2560
[network]
preset = "4g"
[software]
resource_manager = "kubernetes"
resource_manager_only = true
"#;

/// kubeadm's Kubernetes from the store: two nodes ready, a pod runs on the worker, `up` again changes nothing.
fn kubernetes(bed: &Bed) -> anyhow::Result<()> {
    let ctl = bed.ctl();
    let config = bed.dir.join("cluster.toml");
    std::fs::write(&config, CLUSTER)?;
    let config = config.display().to_string();
    let up = ctl.json(0, &["up", &config])?;
    eprintln!("stages {}", up["stage_times"]);
    let kubeconfig = bed
        .dir
        .join("state/deployments/cluster/kubeconfig")
        .display()
        .to_string();
    let program = skip::stored_program("kubernetes", "kubectl")?
        .display()
        .to_string();
    let kubectl = |arguments: &[&str]| {
        let common = ["--kubeconfig", &*kubeconfig, "--request-timeout=60s"];
        bed.inside(&program, &[&common[..], arguments].concat())
    };
    let nodes = kubectl(&["get", "nodes", "--no-headers"])?;
    let ready = nodes
        .lines()
        .filter(|l| l.contains(" Ready ") && l.contains("v1.35.4"))
        .count();
    ensure!(ready == 2, "{nodes}");
    let again = ctl.expect(0, &["up", &config])?;
    ensure!(
        again.contains("nothing was changed") && again.contains("kubectl --kubeconfig"),
        "{again}"
    );
    kubectl(&[
        "run",
        "sleeper",
        "--image=continuum.local/pause:1.0.0",
        "--image-pull-policy=Never",
        "--restart=Never",
    ])?;
    kubectl(&[
        "wait",
        "--for=condition=Ready",
        "--timeout=240s",
        "pod/sleeper",
    ])?;
    let node = kubectl(&[
        "get",
        "pod",
        "sleeper",
        "-o",
        "jsonpath={.spec.nodeName} {.status.podIP}",
    ])?;
    ensure!(node.starts_with("cloud0 10.244.1."), "{node}");
    // The cluster's own pods, kube-proxy by nftables and CoreDNS among them.
    kubectl(&[
        "wait",
        "--namespace=kube-system",
        "--for=condition=Ready",
        "--timeout=300s",
        "pod",
        "--all",
    ])?;
    ctl.expect(0, &["down", &config])?;
    bed.check_nothing_left()
}

/// First argument of this program when it is to count how many MQTT connections are admitted at the same time.
const CONNECT: &str = "--count-connections";

/// Opens connections one after the other, says hello on each, and counts those that are answered.
fn count_connections(address: &str, wanted: usize) -> anyhow::Result<usize> {
    let mut open = Vec::new();
    for number in 0..wanted {
        let socket = format!("{address}:1883").parse()?;
        let Ok(mut stream) = TcpStream::connect_timeout(&socket, Duration::from_secs(3)) else {
            continue;
        };
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        // CONNECT, MQTT 3.1.1, clean session, keep-alive 60 s, client id of two characters.
        let hello = [
            0x10,
            14,
            0,
            4,
            b'M',
            b'Q',
            b'T',
            b'T',
            4,
            2,
            0,
            60,
            0,
            2,
            b'c',
            b'0' + number as u8,
        ];
        let mut answer = [0; 4];
        if stream.write_all(&hello).is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer == [0x20, 2, 0, 0]
        {
            open.push(stream);
        }
    }
    Ok(open.len())
}

#[expect(clippy::print_stdout, reason = "the count is this program's data")]
fn main() -> anyhow::Result<()> {
    let own: Vec<String> = std::env::args().skip(1).collect();
    if let [first, address, wanted] = own.as_slice()
        && first == CONNECT
    {
        println!("{}", count_connections(address, wanted.parse()?)?);
        return Ok(());
    }
    let mut arguments = Arguments::from_args();
    // One at a time: they share the machine's two cores.
    arguments.test_threads = Some(1);
    let missing = skip::machines();
    let bed = match &missing {
        Some(why) => {
            eprintln!("skipped: {why}");
            None
        }
        None if arguments.list => None,
        None => match Bed::start() {
            Ok(bed) => Some(Arc::new(bed)),
            Err(error) => {
                eprintln!("the testbed did not start: {error:#}");
                None
            }
        },
    };
    let no_cluster = missing.clone().or_else(skip::long).or_else(skip::cluster);
    if let (None, Some(why)) = (&missing, &no_cluster) {
        eprintln!("skipped: a_kubernetes_cluster: {why}");
    }
    let tests: [(&str, Case, &Option<String>); 4] = [
        ("the_demo_twice_in_a_row", demo, &missing),
        ("an_endpoint_alone", endpoint_alone, &missing),
        ("two_deployments_side_by_side", side_by_side, &missing),
        ("a_kubernetes_cluster", kubernetes, &no_cluster),
    ];
    let trials = tests
        .into_iter()
        .map(|(name, test, why)| {
            let own = bed.clone();
            let run = move || {
                let bed = own.as_ref().ok_or_else(|| Failed::from("no testbed"))?;
                test(bed).map_err(|e| Failed::from(format!("{e:#}")))
            };
            Trial::test(name, run).with_ignored_flag(why.is_some())
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Before the process ends, so that nothing is left.
    drop(bed);
    ensure!(
        Path::new("/proc/self").exists() && !conclusion.has_failed(),
        "tests failed"
    );
    Ok(())
}
