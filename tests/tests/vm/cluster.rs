//! A cluster that tests ask things of.

use crate::fixture::VmFixture;
use anyhow::{Context, ensure};
use continuum_images::{error::Silent, oci, package_tree, store};
use continuum_tests::{
    ctl::{Ctl, Running, source},
    skip,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

/// Image of the tools that tests use inside pods.
pub(crate) const TOOLS: &str = "continuum.test/busybox:1";
const BUSYBOX: &str = "/bin/busybox";

/// A deployment that tests ask things of, with a cluster on it or without.
pub(crate) struct Cluster {
    pub(crate) vms: Arc<VmFixture>,
    pub(crate) ctl: Ctl,
    pub(crate) name: String,
}

impl Cluster {
    pub(crate) fn new(vms: &Arc<VmFixture>, name: &str) -> Self {
        Self::with(vms, name, vms.ctl())
    }

    /// By a program with another cache.
    pub(crate) fn with(vms: &Arc<VmFixture>, name: &str, ctl: Ctl) -> Self {
        Self {
            vms: Arc::clone(vms),
            ctl,
            name: name.to_owned(),
        }
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let state = self.ctl.state().join("deployments").join(&self.name);
        let kubeconfig = state.join("kubeconfig").display().to_string();
        let common = ["--kubeconfig", &*kubeconfig, "--request-timeout=60s"];
        let argv = [&common[..], arguments].concat();
        self.vms.inside(&kubectl_program()?, &argv)
    }

    /// Words of the command that runs a program on a node.
    pub(crate) fn exec<'a>(
        &'a self,
        node: &'a str,
        timeout_s: &'a str,
        argv: &[&'a str],
    ) -> Vec<&'a str> {
        let exec = ["agent", &self.name, node, "exec"];
        [&exec[..], &["--timeout-s", timeout_s, "--"], argv].concat()
    }

    /// Starts a program on a node; what it says goes to a file of that label.
    pub(crate) fn start(
        &self,
        label: &str,
        node: &str,
        timeout_s: &str,
        argv: &[&str],
    ) -> anyhow::Result<Running> {
        self.ctl.start(label, &self.exec(node, timeout_s, argv))
    }

    /// Puts a file on a node; its path there.
    pub(crate) fn put(&self, node: &str, file: &str, name: &str) -> anyhow::Result<String> {
        let put = ["agent", &self.name, node, "put", file, name];
        let path = self.ctl.json(0, &put)?["path"].clone();
        path.as_str().map(str::to_owned).context("a path")
    }

    /// Puts a script on two nodes; its paths there.
    pub(crate) fn script(
        &self,
        nodes: [&str; 2],
        name: &str,
        text: &str,
    ) -> anyhow::Result<[String; 2]> {
        let file = self.vms.file(name, text)?;
        let put = |node| self.put(node, &file, name);
        Ok([put(nodes[0])?, put(nodes[1])?])
    }

    /// Runs a program on a node.
    pub(crate) fn on(&self, node: &str, argv: &[&str]) -> anyhow::Result<String> {
        self.ctl.expect(0, &self.exec(node, "300", argv))
    }

    /// Runs a busybox tool in a pod.
    pub(crate) fn tool(&self, pod: &str, argv: &[&str]) -> anyhow::Result<String> {
        self.kubectl(&[&["exec", pod, "--", BUSYBOX][..], argv].concat())
    }

    /// Puts the tools' image on nodes.
    pub(crate) fn bring_tools(&self, nodes: &[&str]) -> anyhow::Result<()> {
        let archive = tools_archive(&self.vms)?;
        for node in nodes {
            self.import(node, &archive)?;
        }
        Ok(())
    }

    /// Puts a container image into a node's store.
    pub(crate) fn import(&self, node: &str, archive: &Path) -> anyhow::Result<()> {
        let here = archive.display().to_string();
        let name = archive.file_name().context("a file")?.to_string_lossy();
        let there = self.put(node, &here, &name)?;
        let import = ["ctr", "--namespace=k8s.io", "images", "import", &there];
        self.on(node, &import).map(|_| ())
    }

    /// Runs a program on a node, which may fail.
    pub(crate) fn try_on(&self, node: &str, argv: &[&str]) -> anyhow::Result<Output> {
        self.ctl.run(&self.exec(node, "300", argv))
    }

    /// What a control plane said last: machines are gone by the time somebody reads why a test failed.
    pub(crate) fn last_words(&self, node: &str) {
        let kubeconfig = self.ctl.state().join("deployments").join(&self.name);
        if !kubeconfig.join("kubeconfig").exists() {
            return;
        }
        let pods = ["find", "/var/log/pods", "-path", "*kube-apiserver*"];
        let kubelet = ["journalctl", "--unit=kubelet", "--lines=40", "--no-pager"];
        let kernel = ["journalctl", "--dmesg", "--lines=10", "--no-pager"];
        for argv in [
            [
                &pods[..],
                &["-name", "*.log", "-exec", "tail", "-n", "25", "{}", "+"],
            ]
            .concat(),
            [&kubelet[..], &["--grep=apiserver"]].concat(),
            [&kernel[..], &["--grep=memory|oom|stall"]].concat(),
        ] {
            let said = self
                .on(node, &argv)
                .unwrap_or_else(|why| format!("{why:#}"));
            eprintln!("{node}, {}:", argv.join(" "));
            for line in said.lines() {
                eprintln!("  {}", line.chars().take(240).collect::<String>());
            }
        }
    }

    /// Every node is ready, with the version that was asked for.
    pub(crate) fn check_nodes(&self, count: usize) -> anyhow::Result<()> {
        let nodes = self.kubectl(&["get", "nodes", "--no-headers"])?;
        let ready = nodes
            .lines()
            .filter(|l| l.contains(" Ready ") && l.contains("v1.35.4"))
            .count();
        ensure!(ready == count, "{nodes}");
        Ok(())
    }
}

/// Of the store, for whichever cluster.
pub(crate) fn kubectl_program() -> anyhow::Result<String> {
    let kubectl = skip::stored_program("kubernetes", "kubectl")?;
    Ok(kubectl.display().to_string())
}

/// Debian's static busybox, from the guest's own packages, and the scripts of the example of a user's own application.
pub(crate) fn tools_archive(vms: &VmFixture) -> anyhow::Result<PathBuf> {
    let cache = skip::cache()?;
    let packages = store::current(&cache)?.manifest.packages;
    let tree = package_tree::tree(&cache, &packages, &Silent)?;
    let app = source().join("examples/own-app");
    let spec = oci::ImageSpec {
        arguments: Vec::new(),
        reference: TOOLS.to_owned(),
        entrypoint: vec![BUSYBOX.to_owned()],
        env: Vec::new(),
        files: BTreeMap::from([
            (BUSYBOX.to_owned(), tree.join("usr/bin/busybox")),
            ("/app/server.sh".to_owned(), app.join("server.sh")),
            ("/app/client.sh".to_owned(), app.join("client.sh")),
        ]),
    };
    let archive = vms.dir.join("busybox.tar");
    oci::write(&spec, &archive)?;
    Ok(archive)
}
