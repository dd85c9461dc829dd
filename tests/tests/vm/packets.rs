//! What links do to packets of every kind, on guests of provider `uml`.

use crate::{
    cluster::Cluster,
    fixture::{address, median, ping_times},
    machine_links::wait_for_listener,
    table::{Body, Fixture, Test, When},
};
use anyhow::{Context, ensure};
use serde_json::Value;
use std::{fmt::Write, time::Duration};

const CONFIG: &str = r#"
name = "packets"
[infrastructure]
provider = "auto"
infra_only = true
[infrastructure.edge]
nodes = 1
cores = 1
memory_mib = 512
[infrastructure.endpoint]
nodes = 1
cores = 1
memory_mib = 512
[network.edge_endpoint]
latency_ms = 10
rate_mbit = 20
[network.edge_to_endpoint]
trace = "twenty-seconds.csv"
"#;
/// Of each second of the trace.
const MBIT: [f64; 20] = [
    4.0, 8.0, 2.0, 6.0, 1.5, 5.0, 5.0, 3.0, 9.0, 1.0, 4.0, 7.0, 2.5, 6.0, 3.0, 8.0, 1.2, 4.0, 6.0,
    2.0,
];

static PACKETS: Fixture = Fixture {
    name: "packets",
    make: |vms| {
        let mut trace = "time_s,rate_mbit\n".to_owned();
        for (second, mbit) in MBIT.iter().enumerate() {
            writeln!(trace, "{second},{mbit}")?;
        }
        vms.file("twenty-seconds.csv", &trace)?;
        let config = vms.file("packets.toml", CONFIG)?;
        let cluster = Cluster::new(vms, "packets");
        cluster.ctl.json(0, &["up", &config])?;
        Ok(cluster)
    },
};

const fn on_them(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, &[], Body::With(&PACKETS, run)).on(When::Always, When::Never)
}

pub(crate) const TESTS: [Test; 9] = [
    on_them("packets::ipv6_is_as_slow_as_ipv4", ipv6),
    on_them("packets::nothing_of_any_protocol_passes_a_cut", cut),
    on_them("packets::jitter_keeps_them_in_order_unless_asked", order),
    on_them("packets::losses_hit_one_at_a_time", losses),
    on_them("packets::a_slow_link_queues_a_second_of_them", queue),
    on_them("packets::every_setting_reaches_the_kernel", settings),
    on_them("packets::duplicates_and_corruption_are_as_asked", shares),
    on_them("packets::a_recorded_link_is_followed", trace),
    Test::new("packets::down_leaves_nothing", &[], Body::End(&PACKETS))
        .on(When::Always, When::Never),
];

fn network(machines: &Cluster, words: &[&str]) -> anyhow::Result<String> {
    let command = ["network", &*machines.name];
    machines.ctl.expect(0, &[&command[..], words].concat())
}

/// The link as the test wants it, and nothing of before.
fn set(machines: &Cluster, settings: &[&str]) -> anyhow::Result<()> {
    network(machines, &["restore", "edge", "endpoint"])?;
    let both = ["set", "edge", "endpoint", "rate_mbit=20"];
    network(machines, &[&both[..], settings].concat()).map(|_| ())
}

/// An address of the link itself, with the device that leads there.
fn link_local(machines: &Cluster, of: &str, from: &str) -> anyhow::Result<String> {
    let show = |node: &str| -> anyhow::Result<(String, String)> {
        let argv = ["ip", "-6", "-oneline", "address", "show", "scope", "link"];
        let text = machines.on(node, &argv)?;
        let mut words = text.split_whitespace().skip(1);
        let device = words.next().context("a device")?.to_owned();
        let address = words.nth(1).and_then(|w| w.split('/').next());
        Ok((device, address.context("an address")?.to_owned()))
    };
    let ((_, address), (device, _)) = (show(of)?, show(from)?);
    Ok(format!("{address}%{device}"))
}

fn pings(machines: &Cluster, from: &str, to: &str) -> anyhow::Result<Vec<f64>> {
    let ping = ["ping", "-n", "-c", "10", "-i", "0.2", "-W", "2", to];
    let output = machines.try_on(from, &ping)?;
    Ok(ping_times(&String::from_utf8_lossy(&output.stdout)))
}

fn ipv6(machines: &Cluster) -> anyhow::Result<()> {
    set(machines, &["latency_ms=30"])?;
    let edge = link_local(machines, "edge0", "endpoint0")?;
    // Guests that have just come up find their neighbour with the second question, a second after the first.
    pings(machines, "endpoint0", &edge)?;
    let rtt_ms = median(pings(machines, "endpoint0", &edge)?)?;
    ensure!((59.0..75.0).contains(&rtt_ms), "{rtt_ms} ms of 60");
    Ok(())
}

fn cut(machines: &Cluster) -> anyhow::Result<()> {
    set(machines, &["latency_ms=5"])?;
    let edge = link_local(machines, "edge0", "endpoint0")?;
    let device = edge.split('%').next_back().context("a device")?;
    let everybody = format!("ff02::1%{device}");
    let address = address(&machines.ctl, &machines.name, "edge0")?;
    let own = edge.split('%').next().context("an address")?;
    // Whoever asks everybody answers itself, too.
    let answers = |to: &str| -> anyhow::Result<usize> {
        let ping = ["ping", "-n", "-c", "5", "-i", "0.2", "-W", "2", to];
        let output = machines.try_on("endpoint0", &ping)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let from_edge = |line: &&str| line.contains(own) || line.contains(&address);
        Ok(text
            .lines()
            .filter(|l| l.contains("time="))
            .filter(from_edge)
            .count())
    };
    for to in [&edge, &everybody, &address] {
        ensure!(answers(to)? > 0, "{to} does not answer before");
    }
    network(machines, &["cut", "edge", "endpoint"])?;
    // What is known of it must be asked for again, by broadcast and multicast.
    for node in ["edge0", "endpoint0"] {
        machines.on(node, &["ip", "neighbour", "flush", "all"])?;
    }
    for to in [&edge, &everybody, &address] {
        let came = answers(to)?;
        ensure!(came == 0, "{came} answers of {to} through a cut");
    }
    network(machines, &["restore", "edge", "endpoint"])?;
    for to in [&edge, &everybody, &address] {
        ensure!(answers(to)? > 0, "{to} does not answer afterwards");
    }
    Ok(())
}

/// Sends numbered datagrams from the edge to the endpoint; what came of them.
fn datagrams(machines: &Cluster, count: u32, rate: f64, bytes: u32) -> anyhow::Result<Value> {
    let [at_edge, at_endpoint] = machines.script(
        ["edge0", "endpoint0"],
        "packets.py",
        include_str!("packets.py"),
    )?;
    let receive = ["python3", &at_endpoint, "receive", "4"];
    let mut receiver = machines.start("receive", "endpoint0", "120", &receive)?;
    wait_for_listener(machines, "endpoint0", "--udp", 5202, &receiver)?;
    let endpoint = address(&machines.ctl, &machines.name, "endpoint0")?;
    let [count, rate, bytes] = [count.to_string(), rate.to_string(), bytes.to_string()];
    let send = [
        "python3", &at_edge, "send", &endpoint, &count, &rate, &bytes,
    ];
    machines
        .ctl
        .expect(0, &machines.exec("edge0", "120", &send))?;
    ensure!(
        receiver.wait(Duration::from_mins(1))? == 0,
        "{}",
        receiver.said()
    );
    let said = receiver.said();
    let line = said.lines().rfind(|line| line.starts_with('{'));
    let came = serde_json::from_str(line.with_context(|| said.clone())?)?;
    eprintln!("{count} datagrams, {rate} per second: {came}");
    Ok(came)
}

fn number(came: &Value, name: &str) -> anyhow::Result<u64> {
    came[name].as_u64().with_context(|| came.to_string())
}

fn order(machines: &Cluster) -> anyhow::Result<()> {
    let jitter = ["latency_ms=20", "jitter_ms=2.5"];
    set(machines, &jitter)?;
    let came = datagrams(machines, 3000, 500.0, 200)?;
    let out_of_order = number(&came, "out_of_order")?;
    ensure!(out_of_order == 0, "{out_of_order} overtook others");
    set(machines, &[&jitter[..], &["jitter_reorders=true"]].concat())?;
    let came = datagrams(machines, 3000, 500.0, 200)?;
    let out_of_order = number(&came, "out_of_order")?;
    ensure!(out_of_order > 100, "only {out_of_order} overtook others");
    Ok(())
}

/// Segments of TCP that a node sent, and those that it sent again.
fn segments(machines: &Cluster, node: &str) -> anyhow::Result<(f64, f64)> {
    let text = machines.on(node, &["cat", "/proc/net/snmp"])?;
    let mut rows = text.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (rows.next(), rows.next());
    let of = |name: &str| {
        let at = names?.split(' ').position(|own| own == name)?;
        values?.split(' ').nth(at)?.parse().ok()
    };
    of("OutSegs")
        .zip(of("RetransSegs"))
        .with_context(|| text.clone())
}

fn losses(machines: &Cluster) -> anyhow::Result<()> {
    set(machines, &["latency_ms=5", "loss_percent=1"])?;
    let before = segments(machines, "edge0")?;
    let endpoint = address(&machines.ctl, &machines.name, "endpoint0")?;
    let source = machines.vms.file("five-megabytes", &"x".repeat(5 << 20))?;
    let path = machines.put("edge0", &source, "payload")?;
    let script = "import socket,sys\nl=socket.create_server(('',5203))\nc,_=l.accept()\nwhile c.recv(1<<16): pass";
    let receive = ["python3", "-c", script];
    let mut receiver = machines.start("receive", "endpoint0", "120", &receive)?;
    wait_for_listener(machines, "endpoint0", "--tcp", 5203, &receiver)?;
    let send = "import socket,sys\nc=socket.create_connection((sys.argv[1],5203))\nc.sendall(open(sys.argv[2],'rb').read())\nc.close()";
    machines.on("edge0", &["python3", "-c", send, &endpoint, &path])?;
    receiver.wait(Duration::from_mins(1))?;
    let after = segments(machines, "edge0")?;
    let again = 100.0 * (after.1 - before.1) / (after.0 - before.0);
    eprintln!("1 % of loss: {again:.2} % of segments were sent again");
    // Bundles of segments would be lost whole, and several per cent sent again.
    ensure!((0.3..2.5).contains(&again), "{again} % sent again");
    Ok(())
}

fn queue(machines: &Cluster) -> anyhow::Result<()> {
    set(machines, &["latency_ms=5", "rate_mbit=0.25"])?;
    let endpoint = address(&machines.ctl, &machines.name, "endpoint0")?;
    let flood = "import socket,sys,time\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\nuntil=time.monotonic()+12\nwhile time.monotonic()<until:\n s.sendto(bytes(1400),(sys.argv[1],9));time.sleep(0.0105)";
    let flood = ["python3", "-c", flood, &endpoint];
    let mut flooding = machines.start("flood", "edge0", "60", &flood)?;
    // Until the queue is full.
    machines.on("edge0", &["sleep", "4"])?;
    let ping = ["ping", "-n", "-c", "10", "-i", "0.3", "-W", "10", &endpoint];
    let output = machines.try_on("edge0", &ping)?;
    let times = ping_times(&String::from_utf8_lossy(&output.stdout));
    flooding.wait(Duration::from_mins(1))?;
    let most = times.iter().copied().fold(0.0, f64::max);
    eprintln!("pings beside 1.1 Mbit/s at 0.25: {times:.0?} ms");
    ensure!(
        !times.is_empty() && (500.0..1700.0).contains(&most),
        "{times:?}"
    );
    Ok(())
}

fn settings(machines: &Cluster) -> anyhow::Result<()> {
    network(machines, &["restore", "edge", "endpoint"])?;
    let one_way = [
        "set",
        "endpoint",
        "to",
        "edge",
        "latency_ms=20",
        "jitter_ms=2",
        "jitter_distribution=pareto",
        "loss_percent=2",
        "loss_correlation_percent=25",
        "corruption_percent=0.5",
        "duplication_percent=3",
        "reordering_percent=4",
        "queue_ms=100",
    ];
    network(machines, &one_way)?;
    let shown = machines.ctl.json(0, &["network", &machines.name, "show"])?;
    let link = |node: &str| shown["links"][node][0].clone();
    ensure!(link("endpoint0")["queue_ms"] == 100.0, "{shown}");
    ensure!(link("edge0")["loss_percent"] == 0.0, "{shown}");
    let show = ["tc", "qdisc", "show"];
    let tc = machines.on("endpoint0", &show)?;
    for part in [
        "gemodel p 1.5% r 73.5%",
        "corrupt 0.5%",
        "duplicate 3%",
        "reorder 4%",
    ] {
        ensure!(tc.contains(part), "no {part} in\n{tc}");
    }
    let other = machines.on("edge0", &show)?;
    ensure!(!other.contains("loss"), "{other}");
    // None of it stays behind.
    network(machines, &["restore", "edge", "endpoint"])?;
    let tc = machines.on("endpoint0", &show)?;
    for part in ["loss", "corrupt", "duplicate", "reorder"] {
        ensure!(!tc.contains(part), "{part} is still in\n{tc}");
    }
    Ok(())
}

fn shares(machines: &Cluster) -> anyhow::Result<()> {
    set(machines, &["latency_ms=5", "duplication_percent=10"])?;
    let came = datagrams(machines, 3000, 500.0, 200)?;
    let twice = number(&came, "got")? - number(&came, "unique")?;
    // Of 3000: 300, within four standard deviations.
    ensure!((234..366).contains(&twice), "{twice} came twice");
    set(machines, &["latency_ms=5", "corruption_percent=10"])?;
    let came = datagrams(machines, 3000, 500.0, 200)?;
    // A wrong checksum is dropped by who receives it; a bit of the frame's own header may hit nothing.
    let lost = 3000 - number(&came, "unique")?;
    ensure!((200..370).contains(&lost), "{lost} were dropped");
    Ok(())
}

/// Megabits of the trace, which begins again, between two times.
fn recorded(from_s: f64, to_s: f64) -> f64 {
    let seconds = (from_s as usize..).zip(MBIT.iter().cycle().skip(from_s as usize % MBIT.len()));
    let within = seconds.map(|(second, mbit)| {
        let begin = (second as f64).max(from_s);
        let end = (second as f64 + 1.0).min(to_s);
        (mbit * (end - begin), second as f64 + 1.0 < to_s)
    });
    let mut sum = 0.0;
    for (mbit, goes_on) in within {
        sum += mbit;
        if !goes_on {
            break;
        }
    }
    sum
}

fn trace(machines: &Cluster) -> anyhow::Result<()> {
    network(machines, &["restore", "edge", "endpoint"])?;
    let came = datagrams(machines, 18_000, 1000.0, 1514)?;
    let mbit = came["mbit"].as_array().context("seconds")?;
    let mbit: Vec<f64> = mbit.iter().filter_map(Value::as_f64).collect();
    // While it was sent, of which the first second may find the link idle.
    let seconds = || mbit.iter().copied().enumerate().skip(1).take(15);
    ensure!(seconds().count() == 15, "{mbit:?}");
    // Nobody knows where in the trace the first datagram came: somewhere, all seconds fit.
    let off = |begin_s: f64| {
        let far = seconds().map(|(second, got)| {
            let from = begin_s + second as f64;
            (got / recorded(from, from + 1.0) - 1.0).abs()
        });
        far.fold(0.0, f64::max)
    };
    let begins = (0..2000).map(|hundredth| off(f64::from(hundredth) / 100.0));
    let best = begins.fold(f64::INFINITY, f64::min);
    let shown = machines.ctl.json(0, &["network", &machines.name, "show"])?;
    let followed = &shown["links"]["edge0"][0]["trace"];
    eprintln!(
        "trace: {mbit:.2?}, within {:.1} %; {followed}",
        100.0 * best
    );
    ensure!(best <= 0.05, "a second is off by {:.1} %", 100.0 * best);
    ensure!(followed["missed"] == 0, "{followed}");
    Ok(())
}
