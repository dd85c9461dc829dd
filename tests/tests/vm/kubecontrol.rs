//! A cluster of upstream's resource manager `kubecontrol`: applications whose workers all do the same.

use crate::{
    cluster::Cluster,
    table::{Body, Fixture, Need, Test, When},
};
use anyhow::{Context, ensure};
use continuum_tests::results::{self, Row};
use std::collections::BTreeSet;

/// Worker applications of each bench.
const COPIES: usize = 4;
const CORES: f64 = 0.2;
const STRESS_S: f64 = 5.0;

static KUBECONTROL: Fixture = Fixture {
    name: "kubecontrol",
    make: |vms| {
        let cluster = Cluster::new(vms, "kubecontrol");
        let config = config(&cluster, "empty", "sleep_time_s = 2")?;
        cluster.ctl.expect(0, &["up", &config])?;
        Ok(cluster)
    },
};

const fn on_the_cluster(name: &'static str, run: fn(&Cluster) -> anyhow::Result<()>) -> Test {
    Test::new(name, NEEDS, Body::With(&KUBECONTROL, run)).on(When::Long, When::Never)
}

const NEEDS: &[Need] = &[Need::Kubernetes];

pub(crate) const TESTS: [Test; 4] = [
    on_the_cluster(
        "kubecontrol::each_way_of_deploying_starts_all_applications",
        ways,
    ),
    on_the_cluster(
        "kubecontrol::applications_that_compute_get_the_cores_they_ask_for",
        stress,
    ),
    on_the_cluster(
        "kubecontrol::memory_of_applications_that_do_nothing_is_measured",
        memory,
    ),
    Test::new(
        "kubecontrol::down_leaves_nothing",
        NEEDS,
        Body::End(&KUBECONTROL),
    )
    .on(When::Long, When::Never),
];

fn config(cluster: &Cluster, application: &str, options: &str) -> anyhow::Result<String> {
    let text = format!(
        r#"
name = "kubecontrol"
[infrastructure]
provider = "auto"
[infrastructure.cloud]
nodes = 2
cores = 1
memory_mib = 3072
[software]
resource_manager = "kubecontrol"
[benchmark]
application = "{application}"
worker_cores = {CORES}
worker_memory_mib = 96
applications_per_worker = {COPIES}
{options}
"#
    );
    let file = format!("kubecontrol-{application}.toml");
    cluster.vms.file(&file, &text)
}

/// Rows of a file of a bench's result.
fn bench(
    cluster: &Cluster,
    config: &str,
    more: &[&str],
    (name, file): (&str, &str),
) -> anyhow::Result<Vec<Row>> {
    let (dir, text) = cluster.vms.results(name);
    let bench = [&["bench", config, "--results", &text], more].concat();
    cluster.ctl.expect(0, &bench)?;
    let rows = results::rows(&results::only_result(&dir)?, file)?;
    for row in &rows {
        eprintln!("{name}: {row:?}");
    }
    Ok(rows)
}

/// As pods, as containers of one pod, and as Jobs of their own.
fn ways(cluster: &Cluster) -> anyhow::Result<()> {
    let config = config(cluster, "empty", "sleep_time_s = 2")?;
    for (way, pods) in [
        ("pod", COPIES),
        ("container", 1),
        ("file", COPIES),
        ("call", COPIES),
    ] {
        let set = format!("benchmark.kube_deployment={way}");
        let result = (&*format!("kubecontrol-{way}"), "pods.csv");
        let rows = bench(cluster, &config, &["--set", &set], result)?;
        ensure!(rows.len() == COPIES, "{way}: {} rows", rows.len());
        let names = rows.iter().map(|row| row.text("pod"));
        let names = names.collect::<anyhow::Result<BTreeSet<_>>>()?;
        ensure!(names.len() == pods, "{way}: {names:?}");
    }
    Ok(())
}

fn stress(cluster: &Cluster) -> anyhow::Result<()> {
    let config = config(cluster, "stress", &format!("stress_timeout_s = {STRESS_S}"))?;
    let result = ("kubecontrol-stress", "workers.csv");
    let rows = bench(cluster, &config, &[], result)?;
    ensure!(rows.len() == COPIES, "{rows:?}");
    for row in rows {
        let used_s = row.number::<f64>("cpu_time (s)")?;
        let asked_s = CORES * STRESS_S;
        ensure!(
            (used_s - asked_s).abs() <= 0.2 * asked_s,
            "{used_s} s: {row:?}"
        );
    }
    Ok(())
}

fn memory(cluster: &Cluster) -> anyhow::Result<()> {
    let config = config(cluster, "mem_usage", "")?;
    let rows = bench(cluster, &config, &[], ("kubecontrol-memory", "memory.csv"))?;
    let row = rows.first().context("no row")?;
    let each_mb = row.number::<f64>("per_application (MB)")?;
    // The sandbox and the shim of a pod, and a program that waits.
    ensure!((0.5..100.0).contains(&each_mb), "{each_mb} MB: {row:?}");
    Ok(())
}
