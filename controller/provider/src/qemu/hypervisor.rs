//! What is asked of libvirt. Calls block; `deadline` sees to that.

use super::xml::OwnershipTag;
use crate::MachineState;
use continuum_host::error::Error;
use std::path::Path;

/// A domain with what its metadata says.
#[derive(Debug, Clone)]
pub(super) struct DomainInfo {
    pub(super) name: String,
    /// Deployment that made it, if one of ours did.
    pub(super) tag: Option<OwnershipTag>,
}

#[derive(Debug, Clone)]
pub(super) struct NetworkInfo {
    pub(super) name: String,
    pub(super) xml: String,
}

/// The machine that guests run on.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostInfo {
    pub(super) cpus: u32,
    /// What the kernel could give away now.
    pub(super) memory_available_mib: u64,
    /// What is not promised to any guest that runs: those that have just booted have not taken theirs yet.
    pub(super) memory_unpromised_mib: u64,
}

/// What a volume is filled with.
pub(super) type Upload = Box<dyn std::io::Read + Send>;

/// libvirt, or a fake in tests. Removing what is not there is fine and says so with `false`.
pub(super) trait Hypervisor {
    fn host(&self) -> Result<HostInfo, Error>;
    fn domains(&self) -> Result<Vec<DomainInfo>, Error>;
    fn domain_state(&self, name: &str) -> Result<MachineState, Error>;
    fn define_domain(&self, xml: &str) -> Result<(), Error>;
    fn start_domain(&self, name: &str) -> Result<(), Error>;
    fn remove_domain(&self, name: &str) -> Result<bool, Error>;
    /// Share of each core; returns what is in force.
    fn set_cpu_quota(&self, name: &str, quota: f64) -> Result<f64, Error>;
    /// MB/s, 0 = no limit; returns what is in force.
    fn set_disk_limits(&self, name: &str, read: u64, write: u64) -> Result<(f64, f64), Error>;
    fn networks(&self) -> Result<Vec<NetworkInfo>, Error>;
    fn define_network(&self, xml: &str, name: &str) -> Result<(), Error>;
    /// Starts one that is defined; one that runs is fine.
    fn start_network(&self, name: &str) -> Result<(), Error>;
    fn remove_network(&self, name: &str) -> Result<bool, Error>;
    /// Makes the pool known and active; what lies in its directory already becomes its volumes.
    fn prepare_pool(&self, pool: &Path) -> Result<(), Error>;
    fn volumes(&self, pool: &Path) -> Result<Vec<String>, Error>;
    /// Makes a volume from its description; returns its path.
    fn create_volume(&self, pool: &Path, xml: &str, name: &str) -> Result<String, Error>;
    fn volume_path(&self, pool: &Path, name: &str) -> Result<Option<String>, Error>;
    fn upload(&self, pool: &Path, name: &str, content: Upload, bytes: u64) -> Result<(), Error>;
    fn remove_volume(&self, pool: &Path, name: &str) -> Result<bool, Error>;
}
