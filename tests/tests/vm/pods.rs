//! Traffic of pods: to each other, to services, by name, and to endpoints.

use crate::{
    cluster::{Cluster, TOOLS},
    fixture::{address, median, ping_times},
};
use anyhow::{Context, ensure};
use serde_json::{Value, json};

fn pod(name: &str, node: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "nodeName": node,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "tolerations": [{ "operator": "Exists" }],
            "containers": [{
                "name": name, "image": TOOLS, "imagePullPolicy": "Never", "args": command,
            }],
        },
    })
}

/// A web server on the control plane's node, a client on the worker, a service; the server's address.
fn server_and_client(cluster: &Cluster) -> anyhow::Result<String> {
    cluster.bring_tools(&["cloud_controller", "cloud0"])?;
    let serve = ["httpd", "-f", "-p", "8080", "-h", "/etc"];
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": { "name": "web" },
        "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": 8080 }] },
    });
    let items = [
        pod("web", "cloud-controller", &serve),
        pod("client", "cloud0", &["sleep", "3600"]),
        service,
    ];
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": items });
    let manifest = cluster.vms.file("traffic.json", &list.to_string())?;
    // A check for unknown fields would first fetch the definitions of everything, for which an emulated API server has
    // taken longer than a minute.
    cluster.kubectl(&["apply", "--validate=ignore", "-f", &manifest])?;
    let ready = ["wait", "--for=condition=Ready", "--timeout=240s"];
    cluster.kubectl(&[&ready[..], &["pod/web", "pod/client"]].concat())?;
    let ip = ["get", "pod", "web", "-o", "jsonpath={.status.podIP}"];
    let web = cluster.kubectl(&ip)?.trim().to_owned();
    ensure!(web.starts_with("10.244.0."), "pod web has address {web}");
    Ok(web)
}

/// From node to node, through a service, by its name.
pub(crate) fn reach_each_other(cluster: &Cluster) -> anyhow::Result<()> {
    let web = server_and_client(cluster)?;
    let ready = [
        "wait",
        "--for=condition=Ready",
        "--timeout=240s",
        "--namespace=kube-system",
        "pod",
        "--selector=k8s-app=kube-dns",
    ];
    cluster.kubectl(&ready)?;
    let get = |url: &str| cluster.tool("client", &["wget", "-T", "30", "-q", "-O", "-", url]);
    for url in [
        format!("http://{web}:8080/hostname"),
        "http://web/hostname".to_owned(),
        "http://web.default.svc/hostname".to_owned(),
    ] {
        let answer = get(&url).with_context(|| format!("get {url}"))?;
        ensure!(answer.trim() == "web", "{url} answers {answer}");
    }
    let name = "kubernetes.default.svc.cluster.local";
    let found = cluster.tool("client", &["nslookup", "-type=a", name])?;
    ensure!(found.contains("10.96.0.1"), "{found}");
    // The API server by the name that programs in pods use: it wants TLS, and says so.
    let plain = "/bin/busybox wget -T 30 -O - http://kubernetes.default.svc:443/ 2>&1; true";
    let said = cluster.tool("client", &["sh", "-c", plain])?;
    ensure!(said.contains("400 Bad Request"), "{said}");
    Ok(())
}

/// What pods send to an endpoint is as slow as what their node sends; what they send within the cloud is not.
pub(crate) fn cross_the_link(cluster: &Cluster) -> anyhow::Result<()> {
    let web = server_and_client(cluster)?;
    let endpoint = address(&cluster.ctl, &cluster.name, "endpoint0")?;
    let ping = |to: &str| -> anyhow::Result<f64> {
        let argv = ["ping", "-c", "30", "-i", "0.2", to];
        median(ping_times(&cluster.tool("client", &argv)?))
    };
    let (far, near) = (ping(&endpoint)?, ping(&web)?);
    let links = cluster.ctl.json(0, &["network", &cluster.name, "show"])?;
    let one_way = |from: &str, to: &str| {
        let classes = links["links"][from].as_array();
        let class = classes.and_then(|all| all.iter().find(|c| c["name"] == to));
        class
            .and_then(|c| c["latency_ms"].as_f64())
            .with_context(|| format!("no link from {from} to {to} in {links}"))
    };
    let asked = one_way("cloud0", "endpoint")? + one_way("endpoint0", "cloud")?;
    let added = far - near;
    eprintln!(
        "pods: {near:.2} ms to a pod on the other node, {far:.2} ms to the endpoint, {asked:.1} ms asked"
    );
    ensure!(
        (0.9 * asked..=1.25 * asked + 5.0).contains(&added),
        "the link adds {added:.2} ms to the round trip of a pod instead of {asked:.2} ms"
    );
    Ok(())
}
