//! libvirt through the `virt` crate.

use super::{
    advice::Host,
    hypervisor::{DomainInfo, HostInfo, Hypervisor, NetworkInfo, Upload},
    xml,
};
use crate::{MachineState, error::ProviderError};
use continuum_host::{error::Error, process};
use std::{fmt::Debug, path::Path};
use virt::{
    connect::Connect,
    domain::{Domain, SchedBandwidth, SchedulerInfo},
    error::ErrorNumber,
    network::Network,
    storage_pool::StoragePool,
    storage_vol::StorageVol,
    stream::Stream,
    sys,
};

const PERIOD_US: u64 = 100_000;
const CHUNK_BYTES: usize = 1 << 20;

pub(super) struct Libvirt {
    connection: Connect,
    uri: String,
}

impl Debug for Libvirt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Libvirt({})", self.uri)
    }
}

impl Drop for Libvirt {
    fn drop(&mut self) {
        self.connection.close().ok();
    }
}

fn failed(doing: impl Into<String>) -> impl FnOnce(virt::error::Error) -> Error {
    let doing = doing.into();
    move |e| {
        let why = e.message().to_owned();
        ProviderError::Hypervisor { doing, why }.into()
    }
}

/// `None` when libvirt says that there is no such thing.
fn found<T>(
    result: Result<T, virt::error::Error>,
    missing: ErrorNumber,
    doing: &str,
) -> Result<Option<T>, Error> {
    match result {
        Ok(thing) => Ok(Some(thing)),
        Err(error) if error.code() == missing => Ok(None),
        Err(error) => Err(failed(doing)(error)),
    }
}

impl Libvirt {
    pub(super) fn open(uri: &str) -> Result<Self, Error> {
        // Otherwise libvirt also prints every error itself.
        virt::error::clear_error_callback();
        let connection = Connect::open(Some(uri)).map_err(|e| ProviderError::Hypervisor {
            doing: format!("connect to libvirt at {uri}"),
            why: format!("{}; {}", e.message(), Host::look().advice(e.message())),
        })?;
        Ok(Self {
            connection,
            uri: uri.to_owned(),
        })
    }

    fn domain(&self, name: &str) -> Result<Option<Domain>, Error> {
        found(
            Domain::lookup_by_name(&self.connection, name),
            ErrorNumber::NoDomain,
            &format!("find domain {name}"),
        )
    }

    fn expect_domain(&self, name: &str) -> Result<Domain, Error> {
        let gone = || ProviderError::Hypervisor {
            doing: format!("find domain {name}"),
            why: "it is gone".into(),
        };
        Ok(self.domain(name)?.ok_or_else(gone)?)
    }

    /// The pool at a directory, if libvirt knows it.
    fn known_pool(&self, path: &str) -> Result<Option<StoragePool>, Error> {
        found(
            StoragePool::lookup_by_target_path(&self.connection, path),
            ErrorNumber::NoStoragePool,
            &format!("find storage pool {path}"),
        )
    }

    /// Likewise, if it is active.
    fn active_pool(&self, dir: &Path) -> Result<Option<StoragePool>, Error> {
        let path = dir.display().to_string();
        let Some(pool) = self.known_pool(&path)? else {
            return Ok(None);
        };
        let doing = format!("look at storage pool {path}");
        let is_active = pool.is_active().map_err(failed(doing))?;
        Ok(is_active.then_some(pool))
    }

    /// The pool at a directory, made and started if need be.
    fn pool(&self, dir: &Path) -> Result<StoragePool, Error> {
        let path = dir.display().to_string();
        let doing = format!("prepare storage pool {path}");
        let pool = if let Some(pool) = self.known_pool(&path)? {
            pool
        } else {
            let text = xml::pool(&path)?;
            StoragePool::define_xml(&self.connection, &text, 0).map_err(failed(&*doing))?
        };
        if !pool.is_active().map_err(failed(&*doing))? {
            pool.build(0).map_err(failed(&*doing))?;
            pool.create(0).map_err(failed(&*doing))?;
            pool.set_autostart(true).map_err(failed(&*doing))?;
        }
        Ok(pool)
    }

    fn volume(&self, dir: &Path, name: &str) -> Result<Option<StorageVol>, Error> {
        let Some(pool) = self.active_pool(dir)? else {
            return Ok(None);
        };
        let look = || {
            found(
                StorageVol::lookup_by_name(&pool, name),
                ErrorNumber::NoStorageVolume,
                &format!("find volume {name}"),
            )
        };
        if let Some(volume) = look()? {
            return Ok(Some(volume));
        }
        // Another user of the pool may have made it. libvirt refuses to refresh while one is being made, which is
        // no harm: then the pool is as its daemon knows it.
        pool.refresh(0).ok();
        look()
    }

    fn virsh(&self, arguments: &[&str]) -> Result<String, Error> {
        let doing = format!("run virsh {}", arguments.join(" "));
        let output = process::blocking_command("virsh")
            .args(["--quiet", "--connect", &self.uri])
            .args(arguments)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .map_err(|error| ProviderError::NotStarted {
                doing: doing.clone(),
                error,
                packages: "libvirt-clients",
            })?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(ProviderError::Program { doing, said }.into())
    }
}

impl Hypervisor for Libvirt {
    fn host(&self) -> Result<HostInfo, Error> {
        let doing = "ask libvirt about its host";
        let node = self.connection.get_node_info().map_err(failed(doing))?;
        let free = self.connection.get_free_memory().map_err(failed(doing))?;
        // Free memory leaves out what the kernel would give back at once, such as cached files.
        let available = std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| {
                text.lines()
                    .find_map(|l| l.strip_prefix("MemAvailable:"))
                    .and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok())
                    .map(|kib| kib / 1024)
            });
        let active = self
            .connection
            .list_all_domains(sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE)
            .map_err(failed(doing))?;
        let promised_kib: u64 = active
            .iter()
            .filter_map(|d| Some(d.get_info().ok()?.max_mem))
            .sum();
        let is_here = !self.uri.contains("://") || self.uri.contains(":///");
        Ok(HostInfo {
            cpus: node.cpus,
            memory_unpromised_mib: (node.memory.saturating_sub(promised_kib)) / 1024,
            memory_available_mib: available.filter(|_| is_here).unwrap_or(free / (1 << 20)),
        })
    }

    fn domains(&self) -> Result<Vec<DomainInfo>, Error> {
        let doing = "list domains";
        let all = self.connection.list_all_domains(0).map_err(failed(doing))?;
        let mut infos = Vec::new();
        for domain in all {
            let name = domain.get_name().map_err(failed(doing))?;
            // A domain may go while the list is read.
            let text = domain.get_xml_desc(0);
            let Some(text) = found(text, ErrorNumber::NoDomain, doing)? else {
                continue;
            };
            let tag = xml::OwnershipTag::read(&format!("domain {name}"), &text)?;
            infos.push(DomainInfo { name, tag });
        }
        Ok(infos)
    }

    fn domain_state(&self, name: &str) -> Result<MachineState, Error> {
        let Some(domain) = self.domain(name)? else {
            return Ok(MachineState::Gone);
        };
        let (state, _) = domain
            .get_state()
            .map_err(failed(format!("look at domain {name}")))?;
        Ok(match state {
            sys::VIR_DOMAIN_RUNNING | sys::VIR_DOMAIN_BLOCKED => MachineState::Running,
            sys::VIR_DOMAIN_PAUSED | sys::VIR_DOMAIN_PMSUSPENDED => MachineState::Paused,
            _ => MachineState::Stopped,
        })
    }

    fn define_domain(&self, xml: &str) -> Result<(), Error> {
        Domain::define_xml(&self.connection, xml)
            .map(|_| ())
            .map_err(failed("define a domain"))
    }

    fn start_domain(&self, name: &str) -> Result<(), Error> {
        let domain = self.expect_domain(name)?;
        domain
            .create()
            .map(|_| ())
            .map_err(failed(format!("start domain {name}")))
    }

    fn remove_domain(&self, name: &str) -> Result<bool, Error> {
        let Some(domain) = self.domain(name)? else {
            return Ok(false);
        };
        let doing = format!("remove domain {name}");
        // One that is not asked is not taken for ended: undefined, it would run on without a name.
        let runs = || {
            let active = found(domain.is_active(), ErrorNumber::NoDomain, &doing);
            active.map(|active| active.unwrap_or(false))
        };
        if runs()? {
            // It may end by itself in between.
            let destroyed = domain.destroy();
            if destroyed.is_err() && runs()? {
                destroyed.map_err(failed(&*doing))?;
            }
        }
        // A saved image or a snapshot that somebody made would keep it.
        let all = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
            | sys::VIR_DOMAIN_UNDEFINE_NVRAM;
        match domain.undefine_flags(all) {
            Err(e) if e.code() != ErrorNumber::NoDomain => Err(failed(doing)(e)),
            _ => Ok(true),
        }
    }

    fn set_cpu_quota(&self, name: &str, quota: f64) -> Result<f64, Error> {
        let domain = self.expect_domain(name)?;
        let doing = format!("set the CPU quota of {name}");
        let want = if quota >= 1.0 {
            -1
        } else {
            (quota * PERIOD_US as f64).round() as i64
        };
        let info = SchedulerInfo {
            vcpu_bw: SchedBandwidth {
                period: Some(PERIOD_US),
                quota: Some(want),
            },
            ..SchedulerInfo::default()
        };
        let flags = sys::VIR_DOMAIN_AFFECT_LIVE | sys::VIR_DOMAIN_AFFECT_CONFIG;
        domain
            .set_scheduler_parameters_flags(&info, flags)
            .map_err(failed(&*doing))?;
        let read = domain
            .get_scheduler_parameters_flags(sys::VIR_DOMAIN_AFFECT_LIVE)
            .map_err(failed(&*doing))?;
        let have = read.vcpu_bw.quota.unwrap_or(-1);
        let period = read.vcpu_bw.period.unwrap_or(PERIOD_US);
        Ok(if have < 0 {
            1.0
        } else {
            have as f64 / period as f64
        })
    }

    /// The `virt` crate has no call for disk limits, so `virsh` makes it. Returns MB/s in force.
    fn set_disk_limits(
        &self,
        domain: &str,
        read_mb_s: u64,
        write_mb_s: u64,
    ) -> Result<(f64, f64), Error> {
        let bytes = |mb: u64| (mb * 1_000_000).to_string();
        let (read, write) = (bytes(read_mb_s), bytes(write_mb_s));
        self.virsh(&[
            "blkdeviotune",
            domain,
            "vda",
            "--live",
            "--config",
            "--read-bytes-sec",
            &read,
            "--write-bytes-sec",
            &write,
        ])?;
        let text = self.virsh(&["blkdeviotune", domain, "vda", "--live"])?;
        let value = |key: &str| {
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(k, _)| k.trim() == key)
                .and_then(|(_, v)| v.trim().parse::<f64>().ok())
                .unwrap_or(-1e6)
                / 1e6
        };
        Ok((value("read_bytes_sec"), value("write_bytes_sec")))
    }

    fn networks(&self) -> Result<Vec<NetworkInfo>, Error> {
        let doing = "list networks";
        let all = self
            .connection
            .list_all_networks(0)
            .map_err(failed(doing))?;
        let mut infos = Vec::new();
        for network in all {
            let name = network.get_name().map_err(failed(doing))?;
            let xml = network.get_xml_desc(0);
            let Some(xml) = found(xml, ErrorNumber::NoNetwork, doing)? else {
                continue;
            };
            infos.push(NetworkInfo { name, xml });
        }
        Ok(infos)
    }

    fn define_network(&self, xml: &str, name: &str) -> Result<(), Error> {
        let doing = format!("make network {name}");
        let network = Network::define_xml(&self.connection, xml).map_err(failed(&*doing))?;
        if !network.is_active().map_err(failed(&*doing))? {
            network.create().map_err(failed(&*doing))?;
        }
        Ok(())
    }

    fn start_network(&self, name: &str) -> Result<(), Error> {
        let doing = format!("start network {name}");
        let network = Network::lookup_by_name(&self.connection, name).map_err(failed(&*doing))?;
        if !network.is_active().map_err(failed(&*doing))? {
            network.create().map_err(failed(&*doing))?;
        }
        Ok(())
    }

    fn remove_network(&self, name: &str) -> Result<bool, Error> {
        let doing = format!("remove network {name}");
        let looked = Network::lookup_by_name(&self.connection, name);
        let Some(network) = found(looked, ErrorNumber::NoNetwork, &doing)? else {
            return Ok(false);
        };
        if network.is_active().map_err(failed(&*doing))? {
            network.destroy().map_err(failed(&*doing))?;
        }
        match network.undefine() {
            Err(e) if e.code() != ErrorNumber::NoNetwork => Err(failed(doing)(e)),
            _ => Ok(true),
        }
    }

    fn prepare_pool(&self, pool: &Path) -> Result<(), Error> {
        self.pool(pool).map(|_| ())
    }

    fn volumes(&self, pool: &Path) -> Result<Vec<String>, Error> {
        let Some(pool) = self.active_pool(pool)? else {
            return Ok(Vec::new());
        };
        pool.refresh(0).ok();
        pool.list_volumes().map_err(failed("list volumes"))
    }

    fn create_volume(&self, pool: &Path, xml: &str, name: &str) -> Result<String, Error> {
        let doing = format!("make volume {name}");
        let volume = StorageVol::create_xml(&self.pool(pool)?, xml, 0).map_err(failed(&*doing))?;
        volume.get_path().map_err(failed(doing))
    }

    fn volume_path(&self, pool: &Path, name: &str) -> Result<Option<String>, Error> {
        let Some(volume) = self.volume(pool, name)? else {
            return Ok(None);
        };
        volume
            .get_path()
            .map(Some)
            .map_err(failed(format!("find volume {name}")))
    }

    fn upload(
        &self,
        pool: &Path,
        name: &str,
        mut content: Upload,
        bytes: u64,
    ) -> Result<(), Error> {
        let doing = format!("upload volume {name}");
        let volume = self
            .volume(pool, name)?
            .ok_or_else(|| ProviderError::Hypervisor {
                doing: doing.clone(),
                why: "it is gone".into(),
            })?;
        let stream = Stream::new(&self.connection, 0).map_err(failed(&*doing))?;
        volume
            .upload(&stream, 0, bytes, 0)
            .map_err(failed(&*doing))?;
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let n = content
                .read(&mut chunk)
                .map_err(ProviderError::kernel(&*doing))?;
            let mut rest = chunk.get(..n).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            while !rest.is_empty() {
                let sent = stream.send(rest).map_err(failed(&*doing))?;
                rest = rest.get(sent..).unwrap_or_default();
            }
        }
        stream.finish().map_err(failed(doing))
    }

    fn remove_volume(&self, pool: &Path, name: &str) -> Result<bool, Error> {
        let Some(volume) = self.volume(pool, name)? else {
            return Ok(false);
        };
        volume
            .delete(0)
            .map(|()| true)
            .map_err(failed(format!("remove volume {name}")))
    }
}
