//! Keys of a deployment, made once and kept 0600 in its directory.

use crate::{
    error::Error,
    keys::{self, Identity, SshKey, Use},
    state::{Deployment, write_secret},
};
use continuum_model::{AGENT_PORT, NodePlan};
use std::{
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

/// How names of agents' files begin.
const AGENT: &str = "agent-";

/// Access to the keys.
#[derive(Debug, Clone)]
pub struct Secrets {
    dir: PathBuf,
    deployment_id: String,
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(Error::file("read", path))
}

impl Secrets {
    /// Of a deployment; CA, controller certificate and ssh key are made if they are not there.
    pub fn ensure(deployment: &Deployment) -> Result<Self, Error> {
        let secrets = Self {
            dir: deployment.dir().join("secrets"),
            deployment_id: deployment.id(),
        };
        std::fs::create_dir_all(&secrets.dir).map_err(Error::file("create", &secrets.dir))?;
        let authority = secrets.identity("ca", || keys::authority(&secrets.deployment_id))?;
        secrets.identity("controller", || {
            keys::issue(&authority, Use::Controller, keys::lifetime())
        })?;
        secrets.ssh_key_pair("ssh", "continuum")?;
        Ok(secrets)
    }

    /// Of a deployment that has them: commands that only read must not make keys that no node knows.
    pub fn open(deployment: &Deployment) -> Result<Self, Error> {
        let secrets = Self {
            dir: deployment.dir().join("secrets"),
            deployment_id: deployment.id(),
        };
        for name in ["ca.pem", "ca.key", "controller.pem", "controller.key"] {
            let path = secrets.dir.join(name);
            if !path.exists() {
                let name = deployment.name().to_owned();
                return Err(Error::NoKey { name, path });
            }
        }
        Ok(secrets)
    }

    /// Files of the certificates that connections between controller and agents are made with, the authority's last.
    fn certificates(&self) -> Result<Vec<PathBuf>, Error> {
        let failed = || Error::file("list", &self.dir);
        let entries = std::fs::read_dir(&self.dir).map_err(failed())?;
        let entries = entries.collect::<Result<Vec<_>, _>>().map_err(failed())?;
        let mut paths: Vec<PathBuf> = entries.into_iter().map(|e| e.path()).collect();
        paths.retain(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.strip_suffix(".pem")
                .is_some_and(|stem| ["ca", "controller"].contains(&stem) || stem.starts_with(AGENT))
        });
        paths.sort_by_key(|path| path.file_stem() == Some("ca".as_ref()));
        Ok(paths)
    }

    /// Why they are of no use as this machine's clock has it; `None` = they are.
    pub fn fault(&self) -> Result<Option<String>, Error> {
        let now = time::OffsetDateTime::now_utc();
        for path in self.certificates()? {
            if let Some(fault) = super::validity::fault(&read(&path)?, now)? {
                return Ok(Some(fault));
            }
        }
        Ok(None)
    }

    /// Makes those anew that connections to agents are made with. Agents that run know nothing of it.
    pub fn renew(&self, deployment: &Deployment) -> Result<(), Error> {
        // The authority goes last: nothing that it has signed may be left without it.
        for path in self.certificates()? {
            std::fs::remove_file(&path).map_err(Error::file("remove", path))?;
        }
        Self::ensure(deployment).map(|_| ())
    }

    fn identity(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<Identity, Error>,
    ) -> Result<Identity, Error> {
        let (certificate, key) = (
            self.dir.join(format!("{name}.pem")),
            self.dir.join(format!("{name}.key")),
        );
        // The key is written first: a certificate without key would be kept and be of no use.
        if !(certificate.exists() && key.exists()) {
            let made = make()?;
            write_secret(&key, made.key_pem.as_bytes())?;
            write_secret(&certificate, made.certificate_pem.as_bytes())?;
        }
        Ok(Identity {
            certificate_pem: read(&certificate)?,
            key_pem: read(&key)?,
        })
    }

    fn ssh_key_pair(&self, name: &str, comment: &str) -> Result<SshKey, Error> {
        let (private, public) = (self.dir.join(name), self.dir.join(format!("{name}.pub")));
        if !(private.exists() && public.exists()) {
            let made = keys::ssh_key(comment)?;
            write_secret(&private, made.private.as_bytes())?;
            write_secret(&public, made.public.as_bytes())?;
        }
        Ok(SshKey {
            private: read(&private)?,
            public: read(&public)?,
        })
    }

    pub fn authority(&self) -> Result<Identity, Error> {
        self.identity("ca", || keys::authority(&self.deployment_id))
    }

    pub fn agent(&self, node: &NodePlan) -> Result<Identity, Error> {
        let authority = self.authority()?;
        let name = keys::agent_name(&node.name, &self.deployment_id);
        let purpose = Use::Agent {
            name: &name,
            address: IpAddr::V4(node.address),
        };
        self.identity(&format!("{AGENT}{}", node.name), || {
            keys::issue(&authority, purpose, keys::lifetime())
        })
    }

    /// Certificate authority of the deployment's cluster.
    pub fn cluster_authority(&self) -> Result<Identity, Error> {
        self.identity("cluster-ca", || keys::authority("kubernetes"))
    }

    /// Who may do everything in the cluster.
    pub fn cluster_admin(&self) -> Result<Identity, Error> {
        let authority = self.cluster_authority()?;
        self.identity("cluster-admin", || {
            keys::issue(&authority, Use::ClusterAdmin, keys::lifetime())
        })
    }

    /// Certificate authority of `KubeEdge`'s edges: what it signs has no power in the cluster.
    pub fn edge_authority(&self) -> Result<Identity, Error> {
        self.identity("edge-ca", || keys::authority("kubeedge"))
    }

    /// cloudcore, as edges see it.
    pub fn cloudcore(&self, address: Ipv4Addr) -> Result<Identity, Error> {
        let authority = self.edge_authority()?;
        let address = IpAddr::V4(address);
        self.identity("cloudcore", || {
            keys::issue(&authority, Use::CloudCore { address }, keys::lifetime())
        })
    }

    /// cloudcore, as the API server sees it.
    pub fn cloudcore_client(&self) -> Result<Identity, Error> {
        let authority = self.cluster_authority()?;
        self.identity("cloudcore-client", || {
            keys::issue(&authority, Use::CloudCoreClient, keys::lifetime())
        })
    }

    /// What nodes show when they join.
    pub fn cluster_token(&self) -> Result<String, Error> {
        let path = self.dir.join("cluster-token");
        if !path.exists() {
            let random = uuid::Uuid::new_v4().simple().to_string();
            let (id, secret) = random.split_at_checked(6).unwrap_or_default();
            let secret: String = secret.chars().take(16).collect();
            write_secret(&path, format!("{id}.{secret}").as_bytes())?;
        }
        read(&path)
    }

    /// Password of the gateway for functions.
    pub fn gateway_password(&self) -> Result<String, Error> {
        let path = self.dir.join("gateway-password");
        if !path.exists() {
            let random = uuid::Uuid::new_v4().simple().to_string();
            write_secret(&path, random.as_bytes())?;
        }
        read(&path)
    }

    pub fn host_key(&self, node: &str) -> Result<SshKey, Error> {
        self.ssh_key_pair(&format!("host-{node}"), node)
    }

    /// ssh key of the user of this deployment.
    pub fn user_key(&self) -> Result<SshKey, Error> {
        self.ssh_key_pair("ssh", "continuum")
    }

    /// File of the user's private ssh key.
    pub fn user_key_path(&self) -> PathBuf {
        self.dir.join("ssh")
    }

    /// What we show to agents.
    pub fn controller(&self) -> Result<Identity, Error> {
        let authority = self.authority()?;
        self.identity("controller", || {
            keys::issue(&authority, Use::Controller, keys::lifetime())
        })
    }

    /// The name that the certificate of a node's agent is for.
    pub fn agent_name(&self, node: &str) -> String {
        keys::agent_name(node, &self.deployment_id)
    }

    /// `agent.toml` of a node; certificates lie in `certificates`.
    pub fn agent_config(
        &self,
        node: &NodePlan,
        certificates: &str,
        data_dir: &str,
        bundle: &str,
        own_machine: bool,
    ) -> String {
        let mut table = toml_edit::DocumentMut::new();
        let mut set = |key: &str, value: &str| table[key] = toml_edit::value(value);
        set("node", &node.name);
        set("deployment_id", &self.deployment_id);
        set("listen", &format!("{}:{AGENT_PORT}", node.address));
        set("ca", &format!("{certificates}/ca.pem"));
        set("certificate", &format!("{certificates}/agent.pem"));
        set("key", &format!("{certificates}/agent.key"));
        set("data_dir", data_dir);
        set("bundle", bundle);
        table["own_machine"] = toml_edit::value(own_machine);
        table.to_string()
    }
}
