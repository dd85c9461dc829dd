//! Why a test cannot run on this machine. Each reason is printed, and the test is counted as ignored.

use crate::{
    process::{command, workspace_program},
    testbed,
};
use anyhow::Context;
use continuum_images::{cache::Cache, components};
use std::path::PathBuf;

/// As the program has it: the user's own, and what is there for all.
pub fn cache() -> anyhow::Result<Cache> {
    Cache::of_user().context("a cache")
}

/// Whether there is something in it.
fn has(relative: &str) -> bool {
    cache().is_ok_and(|cache| cache.find(relative).is_some())
}

fn programs() -> Option<String> {
    let names = ["continuum-ctl", "continuum-agent"];
    let missing = names.iter().find(|p| !workspace_program(p).exists())?;
    Some(format!("{missing} is not built; cargo build --workspace"))
}

pub fn bundle() -> Option<String> {
    let has = has("bundles/current");
    programs().or_else(|| {
        (!has).then(|| "no workload bundle; continuum-ctl image build --bundle-only".into())
    })
}

/// No image, or no machine that can run one.
pub fn machines() -> Option<String> {
    let has = has("images/current");
    programs()
        .or_else(testbed::missing)
        .or_else(|| (!has).then(|| "no guest image; continuum-ctl image build".into()))
}

/// No image or kernel, or no machine on which a guest of provider `uml` can be started by root.
pub fn uml() -> Option<String> {
    let has = has("images/current");
    let kernel = || stored_program("uml-kernel", "linux").is_err();
    programs()
        .or_else(|| testbed::missing_programs(&["bwrap", "setpriv", "ip", "nsenter", "unshare"]))
        .or_else(|| (!has).then(|| "no guest image; continuum-ctl image build".into()))
        .or_else(|| {
            kernel().then(|| "no uml-kernel in the store; continuum-ctl artifact build".into())
        })
}

/// Takes minutes: only in `make test-long`.
pub fn long() -> Option<String> {
    let is_long = std::env::var_os("CONTINUUM_LONG").is_some();
    (!is_long).then(|| "takes minutes; make test-long runs it".into())
}

/// A program of a component in the store.
pub fn stored_program(component: &str, program: &str) -> anyhow::Result<PathBuf> {
    for stored in components::all(&cache()?)? {
        let path = stored.dir.join(program);
        if stored.name == component && path.exists() {
            return Ok(path);
        }
    }
    anyhow::bail!("no {program} of {component} in the store")
}

/// What a cluster is made of is not in the store.
pub fn cluster() -> Option<String> {
    let has = |component, program| stored_program(component, program).is_ok();
    let complete = has("kubernetes", "kubeadm") && has("kubernetes-images", "etcd.tar");
    (!complete).then(|| "Kubernetes is not in the store; continuum-ctl artifact build".into())
}

/// What the gateway's tests need: an API server, and the gateway.
pub fn gateway() -> Option<String> {
    let has = |component, program| stored_program(component, program).is_ok();
    let built = workspace_program("continuum-gateway").exists();
    let complete = has("kubernetes", "kube-apiserver") && has("etcd", "etcd");
    if !built {
        return Some("continuum-gateway is not built; cargo build --workspace".into());
    }
    (!complete).then(|| "Kubernetes is not in the store; continuum-ctl artifact build".into())
}

/// The gateway's image is not in the store.
pub fn functions() -> Option<String> {
    let has = stored_program("faas-images", "gateway.tar").is_ok();
    (!has).then(|| "no faas-images in the store; continuum-ctl artifact build".into())
}

/// `KubeEdge`, which nobody can build from modules, was not brought.
pub fn kubeedge() -> Option<String> {
    let has = stored_program("kubeedge", "edgecore").is_ok();
    (!has).then(|| "KubeEdge is not in the store; continuum-ctl artifact add kubeedge PATH".into())
}

/// The applications' container image is not in the store.
pub fn workload_image() -> Option<String> {
    let has = stored_program("workload-image", "workload.tar").is_ok();
    (!has).then(|| "no workload-image in the store; continuum-ctl artifact build".into())
}

/// Names a directory with `certifier.test` (the tests of github.com/openfaas/certifier, compiled) and `faas-cli`.
pub const OPENFAAS_PROGRAMS: &str = "CONTINUUM_OPENFAAS_PROGRAMS";

/// `OpenFaaS`'s own tests and command line, which are not ours to bring.
pub fn openfaas_programs() -> Option<String> {
    let has = std::env::var_os(OPENFAAS_PROGRAMS).is_some();
    (!has)
        .then(|| format!("{OPENFAAS_PROGRAMS} names no directory with certifier.test and faas-cli"))
}

/// Types that `OpenFaaS` publishes for Go are checked with Go.
pub fn go() -> Option<String> {
    let version = command("go").arg("version").output();
    let has = version.is_ok_and(|o| o.status.success());
    (!has).then(|| "Go is not installed".into())
}

/// Debian's browser and its driver, by which pages are looked at.
pub fn chromium() -> Option<String> {
    let version = command("chromedriver").arg("--version").output();
    let has = version.is_ok_and(|o| o.status.success());
    (!has).then(|| "chromium-driver is not installed; make browser".into())
}

/// Debian's Prometheus and promtool, by which metrics and dashboards are checked.
pub fn prometheus() -> Option<String> {
    let answers = |program: &str| {
        let version = command(program).arg("--version").output();
        version.is_ok_and(|o| o.status.success())
    };
    let has = answers("prometheus") && answers("promtool");
    (!has).then(|| "prometheus is not installed; make browser".into())
}

/// No test: a measurement.
pub fn benchmark() -> Option<String> {
    let is_asked_for = std::env::var_os("CONTINUUM_BENCH").is_some();
    (!is_asked_for).then(|| "a measurement; make bench-cluster runs it".into())
}
