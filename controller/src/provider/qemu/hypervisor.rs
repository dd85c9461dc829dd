//! What is asked of libvirt. Calls block; the caller sees to that.

use crate::error::Error;
use std::path::Path;

/// State of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DomainState {
    /// Runs (or is paused for a moment).
    Running,
    /// Defined and not running.
    Stopped,
    /// Not there.
    Absent,
}

impl DomainState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Absent => "gone",
        }
    }
}

/// A domain with what its metadata says.
#[derive(Debug, Clone)]
pub(super) struct DomainInfo {
    pub(super) name: String,
    /// Deployment that made it, if one of ours did.
    pub(super) deployment: Option<String>,
    pub(super) uuid: Option<String>,
}

/// A network with its addresses.
#[derive(Debug, Clone)]
pub(super) struct NetworkInfo {
    pub(super) name: String,
    /// Its description.
    pub(super) xml: String,
}

/// The machine that guests run on.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostInfo {
    pub(super) cpus: u32,
    pub(super) memory_available_mib: u64,
}

/// libvirt, or a fake in tests. Removing what is not there is fine and says so with `false`.
pub(super) trait Hypervisor {
    fn host(&self) -> Result<HostInfo, Error>;
    fn domains(&self) -> Result<Vec<DomainInfo>, Error>;
    fn domain_state(&self, name: &str) -> Result<DomainState, Error>;
    fn define_domain(&self, xml: &str) -> Result<(), Error>;
    fn start_domain(&self, name: &str) -> Result<(), Error>;
    fn remove_domain(&self, name: &str) -> Result<bool, Error>;
    /// Share of each core; returns what is in force.
    fn set_cpu_quota(&self, name: &str, quota: f64) -> Result<f64, Error>;
    fn networks(&self) -> Result<Vec<NetworkInfo>, Error>;
    fn define_network(&self, xml: &str, name: &str) -> Result<(), Error>;
    fn remove_network(&self, name: &str) -> Result<bool, Error>;
    fn volumes(&self, pool: &Path) -> Result<Vec<String>, Error>;
    /// Makes a volume from its description; returns its path.
    fn create_volume(&self, pool: &Path, xml: &str, name: &str) -> Result<String, Error>;
    fn volume_path(&self, pool: &Path, name: &str) -> Result<Option<String>, Error>;
    fn upload(
        &self,
        pool: &Path,
        name: &str,
        content: &mut dyn std::io::Read,
        bytes: u64,
    ) -> Result<(), Error>;
    fn remove_volume(&self, pool: &Path, name: &str) -> Result<bool, Error>;
}
