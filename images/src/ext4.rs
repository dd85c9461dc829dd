//! A file system from a tree, by Debian 13's own mke2fs, the same bytes for the same tree.

use crate::{error::ImageError, process::Program, sandbox::Sandbox};
use std::path::Path;

/// Size of the guest's disk; sparse, so it costs what is in it.
pub const DISK_BYTES: u64 = 8 << 30;
const UUID: &str = "5e1f0000-0000-4000-8000-000000000001";
const HASH_SEED: &str = "5e1f0000-0000-4000-8000-000000000002";

/// Writes `raw` from `tree`; `tools` is a tree that has mke2fs.
pub fn make(tools: &Path, tree: &Path, raw: &Path) -> Result<(), ImageError> {
    let file = std::fs::File::create(raw).map_err(ImageError::file("create", raw))?;
    file.set_len(DISK_BYTES)
        .map_err(ImageError::file("set the size of", raw))?;
    let dir = raw.parent().unwrap_or(Path::new("."));
    let name = raw.file_name().unwrap_or_default().to_string_lossy();
    Sandbox::new("make the guest's file system", tools, false)
        .read(tree, "/mnt/tree")
        .write(dir, "/mnt/out")
        .command([
            "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-m", "0", "-L", "root",
        ])
        .args([
            "-U",
            UUID,
            "-O",
            "^metadata_csum_seed,^orphan_file",
            "-J",
            "size=16",
            "-E",
        ])
        .arg(format!(
            "hash_seed={HASH_SEED},root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1"
        ))
        .args(["-d", "/mnt/tree", &format!("/mnt/out/{name}")])
        .run()
        .map(|_| ())
}

/// Packs a raw image as qcow2; zeros take no room.
pub(crate) fn pack(raw: &Path, qcow2: &Path) -> Result<(), ImageError> {
    Program::new("pack the guest's disk", "qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([raw.display().to_string(), qcow2.display().to_string()])
        .run()
        .map(|_| ())
}
