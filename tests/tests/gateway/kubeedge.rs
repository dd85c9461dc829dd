//! What `KubeEdge` needs of the API server: rights, Jobs on edges, and, where the store has it, its definitions.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_agent::kubeedge_rights;
use continuum_agents::RunStart;
use continuum_cluster::{Image, job};
use continuum_tests::{process::command, skip};
use std::{path::Path, process::Command, time::Duration};

/// The server itself checks and takes them, with every field known to it.
pub(crate) fn taken(fixture: &Fixture) -> anyhow::Result<()> {
    let rights = fixture.dir.path().join("rights.json");
    std::fs::write(&rights, kubeedge_rights())?;
    let said = apply(fixture, &rights)?;
    for object in [
        "namespace/kubeedge",
        "clusterrole.rbac.authorization.k8s.io/continuum-cloudcore",
        "clusterrolebinding.rbac.authorization.k8s.io/continuum-cloudcore",
    ] {
        ensure!(said.contains(object), "no {object} in {said}");
    }
    let may = |verb: &str, resource: &str| {
        let asked = ["auth", "can-i", verb, resource, "--as=cloudcore"];
        // "no" is exit 1.
        let output = kubectl(fixture, &asked)?.output()?;
        Ok::<_, anyhow::Error>(output.status.success())
    };
    ensure!(may("update", "nodes")? && may("create", "leases")?);
    ensure!(!may("delete", "namespaces")? && !may("update", "clusterroles")?);
    let run = RunStart {
        id: "b1-edge0".into(),
        bench: "b1".into(),
        spec_json: r#"{"node":"edge0"}"#.into(),
        cpu_cores: 0.5,
        memory_bytes: 256 << 20,
        lease: Duration::from_secs(30),
        container: None,
    };
    let image = Image {
        reference: "continuum.local/workload:0.1.0".into(),
        is_brought: true,
    };
    let deadline = Duration::from_mins(10);
    let job = job(
        "image_classification",
        &run,
        "edge0",
        &image,
        None,
        deadline,
    )?;
    let file = fixture.dir.path().join("job.json");
    std::fs::write(&file, serde_json::to_vec(&job)?)?;
    let said = apply(fixture, &file)?;
    ensure!(
        said.contains("job.batch/image-classification-b1-edge0"),
        "{said}"
    );
    match skip::stored_program("kubeedge", "crds.yaml") {
        Ok(definitions) => {
            let said = apply(fixture, &definitions)?;
            ensure!(said.contains("devices.devices.kubeedge.io"), "{said}");
        }
        Err(why) => eprintln!("skipped: definitions of KubeEdge: {why}"),
    }
    Ok(())
}

fn kubectl(fixture: &Fixture, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut kubectl = command(skip::stored_program("kubernetes", "kubectl")?);
    kubectl
        .arg("--kubeconfig")
        .arg(fixture.admin_kubeconfig()?)
        .args(arguments);
    Ok(kubectl)
}

/// Makes the objects of a file; fields that the server does not know are faults.
fn apply(fixture: &Fixture, file: &Path) -> anyhow::Result<String> {
    let file = file.display().to_string();
    let arguments = [
        "create",
        "--validate=strict",
        "--output=name",
        "--filename",
        &file,
    ];
    let output = kubectl(fixture, &arguments)?
        .output()
        .context("start kubectl")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{file}: {said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(said)
}
