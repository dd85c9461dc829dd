//! etcd and an API server of this test's own, on loopback, with certificates made for it.

use anyhow::{Context, ensure};
use continuum_tests::{process, skip::stored_program};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

const START_DEADLINE: Duration = Duration::from_mins(2);

/// A program that ends with its owner.
pub(crate) struct Daemon(pub(crate) Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

pub(crate) struct Cluster {
    pub(crate) url: String,
    dir: PathBuf,
    _server: Daemon,
    _etcd: Daemon,
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

pub(crate) fn daemon(
    program: &Path,
    arguments: &[String],
    environment: &[(&str, String)],
    log: &Path,
) -> anyhow::Result<Daemon> {
    let out = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)?;
    let child = process::command(program)
        .args(arguments)
        .envs(environment.iter().map(|(k, v)| (*k, v.as_str())))
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .with_context(|| format!("start {}", program.display()))?;
    Ok(Daemon(child))
}

struct Authority {
    params: CertificateParams,
    key: KeyPair,
}

fn name(common: &str, organization: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    if !organization.is_empty() {
        name.push(DnType::OrganizationName, organization);
    }
    name
}

impl Authority {
    fn new(dir: &Path) -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name = name("test-authority", "");
        let key = KeyPair::generate()?;
        std::fs::write(dir.join("ca.pem"), params.self_signed(&key)?.pem())?;
        Ok(Self { params, key })
    }

    /// `NAME.pem` and `NAME.key`.
    fn issue(
        &self,
        dir: &Path,
        file: &str,
        (common, organization): (&str, &str),
        purpose: ExtendedKeyUsagePurpose,
    ) -> anyhow::Result<()> {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        params.distinguished_name = name(common, organization);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate()?;
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer)?;
        std::fs::write(dir.join(format!("{file}.pem")), certificate.pem())?;
        std::fs::write(dir.join(format!("{file}.key")), key.serialize_pem())?;
        std::fs::write(dir.join(format!("{file}.pub")), key.public_key_pem())?;
        Ok(())
    }
}

impl Cluster {
    pub(crate) fn start(dir: &Path) -> anyhow::Result<Self> {
        let authority = Authority::new(dir)?;
        let client = ExtendedKeyUsagePurpose::ClientAuth;
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        authority.issue(dir, "server", ("kube-apiserver", ""), server)?;
        authority.issue(dir, "admin", ("admin", "system:masters"), client.clone())?;
        let account = "system:serviceaccount:openfaas:openfaas-gateway";
        authority.issue(dir, "gateway", (account, ""), client)?;
        let (client_port, peer_port, port) = (free_port()?, free_port()?, free_port()?);
        let at = |name: &str| dir.join(name).display().to_string();
        let flag = |name: &str, value: &str| format!("--{name}={value}");
        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let etcd = daemon(
            &stored_program("etcd", "etcd")?,
            &[
                flag("data-dir", &at("etcd")),
                flag("listen-client-urls", &etcd_url),
                flag("advertise-client-urls", &etcd_url),
                flag("listen-peer-urls", &peer_url),
                flag("initial-advertise-peer-urls", &peer_url),
                flag("initial-cluster", &format!("default={peer_url}")),
                // Nothing of it is to outlive the test.
                "--unsafe-no-fsync".into(),
            ],
            &[],
            &dir.join("etcd.log"),
        )?;
        let server = daemon(
            &stored_program("kubernetes", "kube-apiserver")?,
            &[
                flag("etcd-servers", &etcd_url),
                flag("bind-address", "127.0.0.1"),
                flag("secure-port", &port.to_string()),
                flag("tls-cert-file", &at("server.pem")),
                flag("tls-private-key-file", &at("server.key")),
                flag("client-ca-file", &at("ca.pem")),
                flag("service-account-issuer", "https://test"),
                flag("service-account-key-file", &at("server.pub")),
                flag("service-account-signing-key-file", &at("server.key")),
                flag("service-cluster-ip-range", "10.96.0.0/16"),
                flag("authorization-mode", "RBAC"),
                flag("disable-admission-plugins", "ServiceAccount"),
                flag("cert-dir", &at("certificates")),
            ],
            &[],
            &dir.join("apiserver.log"),
        )?;
        let url = format!("https://127.0.0.1:{port}");
        let cluster = Self {
            url,
            dir: dir.to_owned(),
            _server: server,
            _etcd: etcd,
        };
        cluster.kubeconfig("admin")?;
        cluster.kubeconfig("gateway")?;
        Ok(cluster)
    }

    /// For a program that has a certificate of this name.
    pub(crate) fn kubeconfig(&self, user: &str) -> anyhow::Result<PathBuf> {
        let at = |name: String| self.dir.join(name).display().to_string();
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "clusters": [{ "name": "c", "cluster": {
                "server": self.url, "certificate-authority": at("ca.pem".into()) } }],
            "users": [{ "name": "u", "user": {
                "client-certificate": at(format!("{user}.pem")), "client-key": at(format!("{user}.key")) } }],
        });
        let path = self.dir.join(format!("{user}.kubeconfig"));
        std::fs::write(&path, config.to_string())?;
        Ok(path)
    }

    /// A client with all rights, once the server is ready.
    pub(crate) async fn admin(&self) -> anyhow::Result<kube::Client> {
        let file = kube::config::Kubeconfig::read_from(self.kubeconfig("admin")?)?;
        let options = kube::config::KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(file, &options).await?;
        let client = kube::Client::try_from(config)?;
        let begun = Instant::now();
        loop {
            let ready = http::Request::get("/readyz").body(Vec::new())?;
            let answer = client.request_text(ready).await;
            if answer.as_deref().is_ok_and(|a| a == "ok") {
                return Ok(client);
            }
            let log = std::fs::read_to_string(self.dir.join("apiserver.log")).unwrap_or_default();
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            ensure!(
                begun.elapsed() < START_DEADLINE,
                "the API server is not ready: {answer:?}; {last:?}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
