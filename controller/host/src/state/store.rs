//! `state.json`: every resource of a deployment, as an intent before it is made and confirmed after.

use super::dirs::{StateRoot, make_private, write_secret};
use crate::error::Error;
use continuum_model::{Facts, NodePlan, Prefix};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Grows when older controllers cannot read the file.
pub const SCHEMA_VERSION: u32 = 1;
/// In a deployment's directory, and written first: who is asked for what is left when the rest cannot be read.
const PROVIDER_FILE: &str = "provider";

/// Kinds of things that exist outside the state directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    Domain,
    Network,
    /// A disk or seed in the pool.
    Volume,
    /// A local agent.
    Process,
    /// A directory outside the state directory.
    Directory,
    /// A guest of provider `uml`.
    Guest,
    /// A network bridge of the kernel.
    Bridge,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceState {
    /// About to be made; may or may not exist.
    Intent,
    Created,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    pub kind: ResourceKind,
    /// Name that its owner (libvirt, the kernel) knows it by.
    pub name: String,
    pub host: String,
    pub state: ResourceState,
    /// What else is needed to find it again.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Phases of `up`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Machines run and agents answer.
    Infrastructure,
    Software,
    /// Links are emulated, limits are set.
    Network,
}

impl Phase {
    /// In order.
    pub const ALL: [Self; 3] = [Self::Infrastructure, Self::Software, Self::Network];
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct File {
    schema: u32,
    serial: u64,
    uuid: uuid::Uuid,
    name: String,
    /// The config in the native spelling, all values.
    config: String,
    provider: String,
    libvirt_uri: String,
    prefix: Option<Prefix>,
    nodes: Vec<NodePlan>,
    done: Vec<Phase>,
    resources: Vec<Resource>,
    facts: Facts,
    /// Boot and process of each agent, by node.
    #[serde(default)]
    boots: BTreeMap<String, String>,
}

/// One deployment on disk. Every change is written at once.
#[derive(Debug)]
pub struct Deployment {
    dir: PathBuf,
    file: File,
}

impl Deployment {
    /// A new one; nothing exists yet.
    pub fn create(
        root: &StateRoot,
        name: &str,
        config: &str,
        provider: &str,
        libvirt_uri: &str,
    ) -> Result<Self, Error> {
        let dir = root.deployment(name)?;
        let existed = dir.exists();
        make_private(&dir)?;
        let mut deployment = Self {
            dir,
            file: File {
                schema: SCHEMA_VERSION,
                serial: 0,
                uuid: uuid::Uuid::new_v4(),
                name: name.to_owned(),
                config: config.to_owned(),
                provider: provider.to_owned(),
                libvirt_uri: libvirt_uri.to_owned(),
                prefix: None,
                nodes: Vec::new(),
                done: Vec::new(),
                resources: Vec::new(),
                facts: Facts::default(),
                boots: BTreeMap::new(),
            },
        };
        let path = deployment.dir.join(PROVIDER_FILE);
        let written = write_secret(&path, provider.as_bytes()).and_then(|()| deployment.save());
        if let Err(error) = written {
            // Nothing exists, so nothing of it stays.
            if !existed {
                std::fs::remove_dir_all(&deployment.dir).ok();
            }
            return Err(error);
        }
        Ok(deployment)
    }

    /// Reads one; `None` if there is none of that name.
    pub fn load(root: &StateRoot, name: &str) -> Result<Option<Self>, Error> {
        let dir = root.deployment(name)?;
        let path = dir.join("state.json");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::file("read", path)(e)),
        };
        let broken = |error| Error::DamagedState {
            path: path.clone(),
            name: name.to_owned(),
            error,
        };
        let value: serde_json::Value = serde_json::from_str(&text).map_err(broken)?;
        let schema = value
            .get("schema")
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default();
        if schema != u64::from(SCHEMA_VERSION) {
            let known = SCHEMA_VERSION;
            return Err(Error::OtherSchema {
                path,
                schema,
                known,
            });
        }
        let file = serde_json::from_value(value).map_err(broken)?;
        Ok(Some(Self { dir, file }))
    }

    /// Who made the machines of a deployment whose state cannot be read.
    pub fn provider_in(dir: &Path) -> Option<String> {
        std::fs::read_to_string(dir.join(PROVIDER_FILE)).ok()
    }

    fn save(&mut self) -> Result<(), Error> {
        self.file.serial += 1;
        let text = serde_json::to_vec_pretty(&self.file).map_err(Error::encode("the state"))?;
        write_secret(&self.dir.join("state.json"), &text)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// In the metadata of everything it makes.
    pub fn uuid(&self) -> uuid::Uuid {
        self.file.uuid
    }

    /// Short form for names of domains, bridges and certificates.
    pub fn id(&self) -> String {
        self.file
            .uuid
            .simple()
            .to_string()
            .chars()
            .take(8)
            .collect()
    }

    /// The config it was made with, or was given later.
    pub fn config(&self) -> &str {
        &self.file.config
    }

    /// The same config in other words.
    pub fn respell_config(&mut self, config: &str) -> Result<(), Error> {
        config.clone_into(&mut self.file.config);
        self.save()
    }

    /// Another config, that its software does not have yet.
    pub fn set_config(&mut self, config: &str) -> Result<(), Error> {
        config.clone_into(&mut self.file.config);
        self.set_undone(Phase::Software)
    }

    pub fn provider(&self) -> &str {
        &self.file.provider
    }

    pub fn libvirt_uri(&self) -> &str {
        &self.file.libvirt_uri
    }

    /// Its address prefix, once claimed.
    pub fn prefix(&self) -> Option<Prefix> {
        self.file.prefix
    }

    /// Its nodes, once planned.
    pub fn nodes(&self) -> &[NodePlan] {
        &self.file.nodes
    }

    pub fn node(&self, name: &str) -> Result<&NodePlan, Error> {
        self.file
            .nodes
            .iter()
            .find(|n| n.name == name)
            .ok_or_else(|| Error::NoNode {
                name: self.file.name.clone(),
                node: name.to_owned(),
                known: self.file.nodes.iter().map(|n| n.name.clone()).collect(),
            })
    }

    /// Everything it has or may have.
    pub fn resources(&self) -> &[Resource] {
        &self.file.resources
    }

    /// The same in words, for people.
    pub fn resource_names(&self) -> Vec<String> {
        let words = |r: &Resource| format!("{} {}", format!("{:?}", r.kind).to_lowercase(), r.name);
        self.file.resources.iter().map(words).collect()
    }

    pub fn facts(&self) -> &Facts {
        &self.file.facts
    }

    /// The life of a node's agent that software and links were set up in.
    pub fn boot(&self, node: &str) -> Option<&String> {
        self.file.boots.get(node)
    }

    /// Records the lives of all agents.
    pub fn set_boots(&mut self, boots: BTreeMap<String, String>) -> Result<(), Error> {
        self.file.boots = boots;
        self.save()
    }

    pub fn is_done(&self, phase: Phase) -> bool {
        self.file.done.contains(&phase)
    }

    /// Whether `up` went through.
    pub fn is_up(&self) -> bool {
        Phase::ALL.iter().all(|p| self.is_done(*p))
    }

    /// Records the address prefix.
    pub fn set_prefix(&mut self, prefix: Prefix) -> Result<(), Error> {
        self.file.prefix = Some(prefix);
        self.save()
    }

    pub fn set_nodes(&mut self, nodes: Vec<NodePlan>) -> Result<(), Error> {
        self.file.nodes = nodes;
        self.save()
    }

    /// What is known now; the rest stays.
    pub fn add_facts(&mut self, newer: Facts) -> Result<(), Error> {
        self.file.facts.extend(newer);
        self.save()
    }

    pub fn set_done(&mut self, phase: Phase) -> Result<(), Error> {
        if !self.is_done(phase) {
            self.file.done.push(phase);
            self.save()?;
        }
        Ok(())
    }

    /// A phase must be done again.
    pub fn set_undone(&mut self, phase: Phase) -> Result<(), Error> {
        self.file.done.retain(|p| *p != phase);
        self.save()
    }

    /// Something is about to be made. Repeating it is harmless.
    pub fn intend(&mut self, kind: ResourceKind, name: &str) -> Result<(), Error> {
        if self.find(kind, name).is_none() {
            self.file.resources.push(Resource {
                kind,
                name: name.to_owned(),
                host: "local".into(),
                state: ResourceState::Intent,
                attributes: BTreeMap::new(),
            });
            self.save()?;
        }
        Ok(())
    }

    pub fn confirm(
        &mut self,
        kind: ResourceKind,
        name: &str,
        attributes: &[(&str, String)],
    ) -> Result<(), Error> {
        if let Some(resource) = self
            .file
            .resources
            .iter_mut()
            .find(|r| r.kind == kind && r.name == name)
        {
            resource.state = ResourceState::Created;
            for (key, value) in attributes {
                resource.attributes.insert((*key).to_owned(), value.clone());
            }
        }
        self.save()
    }

    pub fn forget(&mut self, kind: ResourceKind, name: &str) -> Result<(), Error> {
        self.file
            .resources
            .retain(|r| !(r.kind == kind && r.name == name));
        self.save()
    }

    pub fn find(&self, kind: ResourceKind, name: &str) -> Option<&Resource> {
        self.file
            .resources
            .iter()
            .find(|r| r.kind == kind && r.name == name)
    }

    /// Removes the directory: the deployment is gone.
    pub fn remove(self) -> Result<(), Error> {
        std::fs::remove_dir_all(&self.dir).map_err(Error::file("remove", self.dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn intents_survive_and_newer_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        let mut deployment = Deployment::create(&root, "d", "", "qemu", "").unwrap();
        deployment
            .intend(ResourceKind::Domain, "ct-1-edge0")
            .unwrap();
        deployment
            .intend(ResourceKind::Domain, "ct-1-edge0")
            .unwrap();
        let read = Deployment::load(&root, "d").unwrap().unwrap();
        assert_eq!(read.resources().len(), 1);
        assert_eq!(read.resources()[0].state, ResourceState::Intent);
        deployment
            .confirm(ResourceKind::Domain, "ct-1-edge0", &[("pid", "7".into())])
            .unwrap();
        let read = Deployment::load(&root, "d").unwrap().unwrap();
        assert_eq!(
            read.find(ResourceKind::Domain, "ct-1-edge0")
                .unwrap()
                .attributes["pid"],
            "7"
        );
        assert_eq!(read.uuid(), deployment.uuid());
        let path = root.deployment("d").unwrap().join("state.json");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\"schema\": 1", "\"schema\": 99");
        std::fs::write(&path, text).unwrap();
        let error = Deployment::load(&root, "d").unwrap_err().to_string();
        assert!(error.contains("schema 99"), "{error}");
        assert!(Deployment::load(&root, "none").unwrap().is_none());
    }

    /// As 0.1.0 wrote it, when facts were texts.
    const OLD: &str = r#"{"schema":1,"serial":9,"uuid":"6f1c9a52-55a4-4f0e-8a35-3a1f3c0d2b11","name":"d","config":"name = \"d\"\n",
        "provider":"uml","libvirt_uri":"","prefix":[192,168,100],"nodes":[],"done":["infrastructure"],"resources":[],
        "facts":{"accelerator":"uml (User Mode Linux 6.12.57)","bundle":"b1","component kubernetes 1.35.4 kubelet":"sha256:aa",
        "image":"i1","link_overhead_ms.edge":"0.125","person":"ann","running edge0":"kubelet v1.35.4"},
        "boots":{"edge0":"b"}}"#;

    #[test]
    fn facts_of_an_older_state_file_are_read_and_written_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let root = StateRoot::at(dir.path()).unwrap();
        let path = root.deployment("d").unwrap().join("state.json");
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, OLD).unwrap();
        let mut deployment = Deployment::load(&root, "d").unwrap().unwrap();
        let facts = deployment.facts();
        assert_eq!(facts.image.as_deref(), Some("i1"));
        assert_eq!(facts.login_owner.as_deref(), Some("ann"));
        assert_eq!(facts.link_overhead_ms.len(), 1);
        deployment.add_facts(Facts::default()).unwrap();
        let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let written = json(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(written["facts"], json(OLD)["facts"]);
        let wrong = OLD.replace("0.125", "much");
        std::fs::write(&path, wrong).unwrap();
        let error = Deployment::load(&root, "d").unwrap_err().to_string();
        assert!(
            error.contains("fact `link_overhead_ms.edge` cannot be `much`"),
            "{error}"
        );
    }
}
