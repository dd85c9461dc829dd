//! Disks in the pool: one read-only base per image, named by content; an overlay and a seed per node.

use super::{
    hypervisor::Hypervisor,
    xml::{self, VolumeXml},
};
use continuum_host::{
    error::Error,
    state::{Deployment, ResourceKind, StateRoot},
};
use continuum_images::{error::Report, ext4::DISK_BYTES, hash, store::Image};
use continuum_model::NodePlan;
use std::path::{Path, PathBuf};

/// Paths as the hypervisor sees them.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pool: PathBuf,
    disk: String,
    pub(super) kernel: String,
    pub(super) initrd: String,
}

/// Paths of one node's disks.
#[derive(Debug, Clone)]
pub(super) struct NodeDisks {
    pub(super) disk: String,
    pub(super) seed: String,
}

/// Brings an image into the pool, once; its digests are checked on the way.
pub(super) fn ensure_base(
    hypervisor: &dyn Hypervisor,
    pool: &Path,
    root: &StateRoot,
    image: &Image,
    report: &dyn Report,
) -> Result<Base, Error> {
    // Two deployments that start at once must not upload over each other.
    let _lock = root.pool_lock()?;
    // Before the first look: a daemon that does not know the pool yet finds no volume, even where the files are.
    hypervisor.prepare_pool(pool)?;
    let path = |file: &str, ending: &str, format: &'static str| {
        let digest = image.manifest.files.get(file).cloned().unwrap_or_default();
        let name = format!("{}{ending}", StateRoot::base_stem(&digest));
        upload_once(
            hypervisor,
            pool,
            &name,
            &image.file(file),
            &digest,
            format,
            report,
        )
    };
    Ok(Base {
        disk: path("disk.qcow2", ".qcow2", "qcow2")?,
        kernel: path("kernel", ".kernel", "raw")?,
        initrd: path("initrd", ".initrd", "raw")?,
        pool: pool.to_owned(),
    })
}

/// A second, empty volume says that the first is complete: libvirt cannot rename volumes.
fn upload_once(
    hypervisor: &dyn Hypervisor,
    pool: &Path,
    name: &str,
    file: &Path,
    digest: &str,
    format: &'static str,
    report: &dyn Report,
) -> Result<String, Error> {
    let marker = format!("{name}.complete");
    let is_complete = hypervisor.volume_path(pool, &marker)?.is_some();
    if let Some(path) = hypervisor.volume_path(pool, name)? {
        if is_complete {
            return Ok(path);
        }
        hypervisor.remove_volume(pool, name)?;
    }
    hypervisor.remove_volume(pool, &marker)?;
    hash::verify(file, digest)?;
    let bytes = std::fs::metadata(file)
        .map_err(Error::file("read", file))?
        .len();
    report.step(&format!(
        "copying {} MB of the guest image into the storage pool",
        bytes / 1_000_000
    ));
    let capacity = if format == "qcow2" { DISK_BYTES } else { bytes };
    let volume = |name: &str, format, bytes, mode| {
        xml::volume(&VolumeXml {
            name: name.to_owned(),
            format,
            bytes,
            mode,
            backing: None,
        })
    };
    let path = hypervisor.create_volume(pool, &volume(name, format, capacity, "0444")?, name)?;
    let content = std::fs::File::open(file).map_err(Error::file("read", file))?;
    hypervisor.upload(pool, name, Box::new(content), bytes)?;
    hypervisor.create_volume(pool, &volume(&marker, "raw", 512, "0444")?, &marker)?;
    Ok(path)
}

/// Makes a node's disks; the domain does not exist, so what is left of an earlier try goes first.
pub(super) fn create(
    hypervisor: &dyn Hypervisor,
    base: &Base,
    node: &NodePlan,
    deployment: &mut Deployment,
    content: Vec<u8>,
) -> Result<NodeDisks, Error> {
    let stem = format!("ct-{}-{}", deployment.id(), node.name);
    let (disk_name, seed_name) = (format!("{stem}.qcow2"), format!("{stem}-seed.img"));
    for name in [&disk_name, &seed_name] {
        deployment.intend(ResourceKind::Volume, name)?;
        hypervisor.remove_volume(&base.pool, name)?;
    }
    let overlay = xml::volume(&VolumeXml {
        name: disk_name.clone(),
        format: "qcow2",
        bytes: DISK_BYTES,
        mode: "0600",
        backing: Some(base.disk.clone()),
    })?;
    let disk = hypervisor.create_volume(&base.pool, &overlay, &disk_name)?;
    deployment.confirm(ResourceKind::Volume, &disk_name, &[])?;
    let bytes = content.len() as u64;
    let description = xml::volume(&VolumeXml {
        name: seed_name.clone(),
        format: "raw",
        bytes,
        mode: "0600",
        backing: None,
    })?;
    let seed = hypervisor.create_volume(&base.pool, &description, &seed_name)?;
    hypervisor.upload(
        &base.pool,
        &seed_name,
        Box::new(std::io::Cursor::new(content)),
        bytes,
    )?;
    deployment.confirm(ResourceKind::Volume, &seed_name, &[])?;
    Ok(NodeDisks { disk, seed })
}
