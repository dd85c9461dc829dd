//! A hypervisor in memory, for tests only: no machine is behind it. Any call can be made to fail or to hang.

use super::hypervisor::{DomainInfo, HostInfo, Hypervisor, NetworkInfo, Upload};
use crate::{MachineState, error::ProviderError};
use continuum_host::error::Error;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

#[derive(Debug, Default)]
struct State {
    /// Name to description and whether it runs.
    domains: BTreeMap<String, (String, bool)>,
    networks: BTreeMap<String, String>,
    volumes: BTreeMap<String, Vec<u8>>,
    /// As with libvirt, what lies in the directory shows only once the pool is known.
    knows_pool: bool,
    quotas: BTreeMap<String, f64>,
    calls: Vec<String>,
    /// The call of this number, counted from 0, fails.
    fail_at: Option<usize>,
    hang_at: Option<String>,
}

/// Clones share their state.
#[derive(Debug, Clone, Default)]
pub(super) struct FakeHypervisor {
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl FakeHypervisor {
    /// The call of this number, counted from now, fails, as if libvirt's daemon had gone.
    pub(super) fn fail_at(&self, call: usize) {
        let mut state = self.lock();
        state.calls.clear();
        state.fail_at = Some(call);
    }

    pub(super) fn mend(&self) {
        self.lock().fail_at = None;
    }

    pub(super) fn hang_at(&self, call: &str) {
        self.lock().hang_at = Some(call.to_owned());
    }

    /// Lets a call that hangs go on.
    pub(super) fn release(&self) {
        self.lock().hang_at = None;
        self.shared.1.notify_all();
    }

    /// A daemon started anew, with definitions of its own: files are there, the pool is not known.
    pub(super) fn forget_pool(&self) {
        self.lock().knows_pool = false;
    }

    /// A network of somebody's with that description.
    pub(super) fn describe_network(&self, name: &str, xml: &str) {
        self.lock().networks.insert(name.to_owned(), xml.to_owned());
    }

    /// Calls so far, in words.
    pub(super) fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Everything there is, in words.
    pub(super) fn left(&self) -> Vec<String> {
        let state = self.lock();
        let domains = state.domains.keys().map(|n| format!("domain {n}"));
        let networks = state.networks.keys().map(|n| format!("network {n}"));
        let volumes = state.volumes.keys().map(|n| format!("volume {n}"));
        domains.chain(networks).chain(volumes).collect()
    }

    /// Ends a domain behind our back, and its definition with it.
    pub(super) fn undefine_by_hand(&self, name: &str) {
        assert!(
            self.lock().domains.remove(name).is_some(),
            "no domain {name}"
        );
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, call: &str) -> Result<std::sync::MutexGuard<'_, State>, Error> {
        let mut state = self.lock();
        while state.hang_at.as_deref() == Some(call) {
            let woken = self.shared.1.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        let number = state.calls.len();
        state.calls.push(call.to_owned());
        if state.fail_at == Some(number) {
            return Err(refused(call.to_owned(), "the fake was told to fail"));
        }
        Ok(state)
    }
}

pub(super) fn refused(doing: String, why: &str) -> Error {
    let why = why.to_owned();
    ProviderError::Hypervisor { doing, why }.into()
}

fn name_in(xml: &str) -> Result<String, Error> {
    let document = roxmltree::Document::parse(xml).ok();
    let name = |d: roxmltree::Document<'_>| {
        let mut all = d.descendants();
        all.find(|n| n.has_tag_name("name"))?
            .text()
            .map(str::to_owned)
    };
    document
        .and_then(name)
        .ok_or_else(|| refused(format!("read `{xml}`"), "it has no name"))
}

impl Hypervisor for FakeHypervisor {
    fn host(&self) -> Result<HostInfo, Error> {
        drop(self.enter("describe its host")?);
        Ok(HostInfo {
            cpus: 8,
            memory_available_mib: 16_384,
            memory_unpromised_mib: 16_384,
        })
    }

    fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        let state = self.enter("list domains")?;
        let info = |(name, (text, _)): (&String, &(String, bool))| {
            let tag = super::xml::OwnershipTag::read(&format!("domain {name}"), text)?;
            let name = name.clone();
            Ok(DomainInfo { name, tag })
        };
        state.domains.iter().map(info).collect()
    }

    fn domain_state(&self, name: &str) -> Result<MachineState, Error> {
        let state = self.enter(&format!("look at domain {name}"))?;
        Ok(match state.domains.get(name) {
            None => MachineState::Gone,
            Some((_, true)) => MachineState::Running,
            Some((_, false)) => MachineState::Stopped,
        })
    }

    fn define_domain(&self, xml: &str) -> Result<(), Error> {
        let name = name_in(xml)?;
        let mut state = self.enter(&format!("define domain {name}"))?;
        state.domains.insert(name, (xml.to_owned(), false));
        Ok(())
    }

    fn start_domain(&self, name: &str) -> Result<(), Error> {
        let doing = format!("start domain {name}");
        let mut state = self.enter(&doing)?;
        let (_, runs) = state
            .domains
            .get_mut(name)
            .ok_or_else(|| refused(doing, "it is not defined"))?;
        *runs = true;
        Ok(())
    }

    fn remove_domain(&self, name: &str) -> Result<bool, Error> {
        let mut state = self.enter(&format!("remove domain {name}"))?;
        Ok(state.domains.remove(name).is_some())
    }

    fn set_cpu_quota(&self, name: &str, quota: f64) -> Result<f64, Error> {
        let mut state = self.enter(&format!("set the CPU quota of {name}"))?;
        state.quotas.insert(name.to_owned(), quota);
        Ok(quota)
    }

    fn set_disk_limits(&self, name: &str, read: u64, write: u64) -> Result<(f64, f64), Error> {
        drop(self.enter(&format!("set the disk limits of {name}"))?);
        Ok((read as f64, write as f64))
    }

    fn networks(&self) -> Result<Vec<NetworkInfo>, Error> {
        let state = self.enter("list networks")?;
        let info = |(name, xml): (&String, &String)| NetworkInfo {
            name: name.clone(),
            xml: xml.clone(),
        };
        Ok(state.networks.iter().map(info).collect())
    }

    fn define_network(&self, xml: &str, name: &str) -> Result<(), Error> {
        let mut state = self.enter(&format!("make network {name}"))?;
        state.networks.insert(name.to_owned(), xml.to_owned());
        Ok(())
    }

    fn start_network(&self, name: &str) -> Result<(), Error> {
        let state = self.enter(&format!("start network {name}"))?;
        assert!(state.networks.contains_key(name), "no network {name}");
        Ok(())
    }

    fn remove_network(&self, name: &str) -> Result<bool, Error> {
        let mut state = self.enter(&format!("remove network {name}"))?;
        Ok(state.networks.remove(name).is_some())
    }

    fn prepare_pool(&self, _pool: &Path) -> Result<(), Error> {
        self.enter("prepare the pool")?.knows_pool = true;
        Ok(())
    }

    fn volumes(&self, _pool: &Path) -> Result<Vec<String>, Error> {
        let state = self.enter("list volumes")?;
        let known = state.volumes.keys().filter(|_| state.knows_pool);
        Ok(known.cloned().collect())
    }

    fn create_volume(&self, pool: &Path, xml: &str, name: &str) -> Result<String, Error> {
        assert_eq!(name_in(xml)?, name);
        let mut state = self.enter(&format!("make volume {name}"))?;
        state.knows_pool = true;
        let before = state.volumes.insert(name.to_owned(), Vec::new());
        assert!(
            before.is_none(),
            "libvirt refuses to make volume {name} twice"
        );
        Ok(pool.join(name).display().to_string())
    }

    fn volume_path(&self, pool: &Path, name: &str) -> Result<Option<String>, Error> {
        let state = self.enter(&format!("find volume {name}"))?;
        let exists = state.knows_pool && state.volumes.contains_key(name);
        Ok(exists.then(|| pool.join(name).display().to_string()))
    }

    fn upload(&self, _: &Path, name: &str, mut content: Upload, bytes: u64) -> Result<(), Error> {
        let doing = format!("take in volume {name}");
        let mut state = self.enter(&doing)?;
        let Some(volume) = state.volumes.get_mut(name) else {
            return Err(refused(doing, "it was not made"));
        };
        volume.clear();
        let read = content.read_to_end(volume);
        read.map_err(|error| refused(doing, &error.to_string()))?;
        assert_eq!(volume.len() as u64, bytes);
        Ok(())
    }

    fn remove_volume(&self, _pool: &Path, name: &str) -> Result<bool, Error> {
        let mut state = self.enter(&format!("remove volume {name}"))?;
        Ok(state.knows_pool && state.volumes.remove(name).is_some())
    }
}

/// Names of domains that run.
impl FakeHypervisor {
    pub(super) fn running(&self) -> BTreeSet<String> {
        let state = self.lock();
        let running = state.domains.iter().filter(|(_, (_, runs))| *runs);
        running.map(|(name, _)| name.clone()).collect()
    }
}
