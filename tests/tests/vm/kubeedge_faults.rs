//! What an edge must survive, or complain about clearly: tokens, certificates, a kubelet beside it, a restart.

use crate::{
    cluster::Cluster,
    fixture::address,
    kubeedge::{BENCH, bench, with_own, words},
};
use anyhow::{Context, ensure};
use continuum_host::keys::{self, Identity};
use std::time::Duration;

fn wait_ready(cluster: &Cluster) -> anyhow::Result<()> {
    let ready = [
        "wait",
        "--for=condition=Ready",
        "--timeout=300s",
        "node/edge0",
    ];
    cluster.kubectl(&ready).map(|_| ())
}

const CERTIFICATES: &str = "/etc/kubeedge/certs";
const CERTIFICATES_AWAY: &str = "/etc/kubeedge/certs.away";

/// What joining the edge again with this token says, which must not work.
fn refused_with(cluster: &Cluster, token: &str) -> anyhow::Result<String> {
    let token = format!("edge_token={token}");
    let of = |node: &str| address(&cluster.ctl, &cluster.name, node);
    let (edge, cloud) = (of("edge0")?, of("cloud_controller")?);
    let own = format!("address={edge}");
    let control_plane = format!("control_plane={cloud}");
    let routes = format!("routes=10.244.0.0/24={cloud}");
    let install = [
        "agent",
        &*cluster.name,
        "edge0",
        "install",
        "kubeedge-edgecore",
        "node=edge0",
        &own,
        &control_plane,
        "pod_prefix=10.244.1.0/24",
        &routes,
        "event_bus=internal",
        "broker_port=1883",
        "pause=continuum.local/pause:1.0.0",
        &token,
    ];
    cluster.ctl.refused(1, &install)
}

/// Without its certificate an edge joins with its token only.
fn without_certificate(
    cluster: &Cluster,
    act: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    cluster.on("edge0", &["mv", CERTIFICATES, CERTIFICATES_AWAY])?;
    let done = act();
    cluster.on("edge0", &["rm", "-rf", CERTIFICATES])?;
    cluster.on("edge0", &["mv", CERTIFICATES_AWAY, CERTIFICATES])?;
    cluster.on("edge0", &["systemctl", "restart", "edgecore"])?;
    done.and_then(|()| wait_ready(cluster))
}

/// And one that was right an hour ago.
pub(crate) fn wrong_token(cluster: &Cluster) -> anyhow::Result<()> {
    without_certificate(cluster, || {
        let said = refused_with(cluster, &format!("{}.a.b.c", "0".repeat(64)))?;
        ensure!(said.contains("failed to validate CA certificate"), "{said}");
        eprintln!("a wrong token: {}", said.lines().last().unwrap_or_default());
        let said = refused_with(cluster, &expired_token(cluster)?)?;
        ensure!(said.contains("token"), "{said}");
        eprintln!(
            "an expired token: {}",
            said.lines().last().unwrap_or_default()
        );
        Ok(())
    })
}

/// A unit that is active counts as one, whatever it does.
pub(crate) fn beside_a_kubelet(cluster: &Cluster) -> anyhow::Result<()> {
    let (routes, kubelet) = (
        "/etc/systemd/system/continuum-routes.service",
        "/etc/systemd/system/kubelet.service",
    );
    without_certificate(cluster, || {
        cluster.on("edge0", &["cp", routes, kubelet])?;
        cluster.on("edge0", &["systemctl", "start", "kubelet.service"])?;
        let said = refused_with(cluster, &expired_token(cluster)?);
        cluster.on("edge0", &["systemctl", "stop", "kubelet.service"])?;
        cluster.on("edge0", &["rm", kubelet])?;
        let said = said?;
        ensure!(said.contains("a kubelet runs on this node"), "{said}");
        Ok(())
    })
}

/// An edge whose certificate has expired is lost to its cloud; `up` gives it another.
pub(crate) fn expired(cluster: &Cluster) -> anyhow::Result<()> {
    let authority = edge_authority(cluster)?;
    let (certificate, key) = expired_certificate(&authority, "edge0")?;
    for (text, place) in [(&certificate, "server.crt"), (&key, "server.key")] {
        let file = cluster.vms.file(place, text)?;
        let from = cluster.put("edge0", &file, place)?;
        let to = format!("/etc/kubeedge/certs/{place}");
        cluster.on("edge0", &["install", "-m", "0600", &from, &to])?;
    }
    cluster.on("edge0", &["systemctl", "restart", "edgecore"])?;
    let lost = [
        "wait",
        "--for=condition=Ready=Unknown",
        "--timeout=300s",
        "node/edge0",
    ];
    cluster.kubectl(&lost)?;
    let up = cluster.ctl.run(&words(&with_own("up", &[])))?;
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    ensure!(
        up.status.success() && said.contains("its certificate has expired"),
        "{said}"
    );
    wait_ready(cluster)
}

/// As cloudcore signs them: edgecore throws away one that is for another name, and asks for a new one with its token.
fn expired_certificate(authority: &Identity, node: &str) -> anyhow::Result<(String, String)> {
    let issuer = rcgen::Issuer::from_ca_cert_pem(
        &authority.certificate_pem,
        rcgen::KeyPair::from_pem(&authority.key_pem)?,
    )?;
    let now = time::OffsetDateTime::now_utc();
    let mut params = rcgen::CertificateParams::default();
    let name = &mut params.distinguished_name;
    name.push(rcgen::DnType::CommonName, format!("system:node:{node}"));
    name.push(rcgen::DnType::OrganizationName, "system:nodes");
    (params.not_before, params.not_after) = (
        now - time::Duration::days(2),
        now - time::Duration::hours(1),
    );
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let key = rcgen::KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

fn edge_authority(cluster: &Cluster) -> anyhow::Result<Identity> {
    let secrets = cluster
        .ctl
        .state()
        .join("deployments")
        .join(&cluster.name)
        .join("secrets");
    let read = |name: &str| {
        std::fs::read_to_string(secrets.join(name)).with_context(|| format!("read {name}"))
    };
    Ok(Identity {
        certificate_pem: read("edge-ca.pem")?,
        key_pem: read("edge-ca.key")?,
    })
}

/// Signed by the deployment's own authority for edges.
fn expired_token(cluster: &Cluster) -> anyhow::Result<String> {
    let authority = edge_authority(cluster)?;
    Ok(keys::edge_token(&authority, time::Duration::hours(-1))?)
}

/// An edge that starts again in the middle of a run makes it invalid, by name; `up` makes it whole.
pub(crate) fn rebooted(cluster: &Cluster) -> anyhow::Result<()> {
    let (_, text) = cluster.vms.results("edge-rebooted");
    let arguments = with_own("bench", &["--results", &text]);
    let mut run = cluster.ctl.start("rebooted", &words(&arguments))?;
    run.wait_for("workers: done", Duration::from_mins(6))?;
    cluster.on(
        "edge0",
        &["systemd-run", "--on-active=1", "systemctl", "reboot"],
    )?;
    let code = run.wait(BENCH)?;
    let said = run.said();
    ensure!(code == 6 && said.contains("edge0"), "exit {code}: {said}");
    cluster.ctl.expect(0, &words(&with_own("up", &[])))?;
    wait_ready(cluster)?;
    bench(cluster, "edge-back").map(|_| ())
}
