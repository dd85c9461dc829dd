//! The disk: written, made sure of, and read again.

use super::{Function, read, within};
use anyhow::Context;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read, Seek, Write};

#[derive(Debug)]
pub(super) struct Io;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    mib: u64,
    block_kib: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            mib: 4,
            block_kib: 128,
        }
    }
}

impl Function for Io {
    fn name(&self) -> &'static str {
        "io"
    }
    fn summary(&self) -> &'static str {
        "disk: {\"mib\":4,\"block_kib\":128}, writes a file, syncs it and reads it again"
    }
    fn call(&self, parameters: &Value) -> anyhow::Result<Value> {
        let Parameters { mib, block_kib } = read(parameters)?;
        within("mib", mib, 1, 4096)?;
        within("block_kib", block_kib, 1, 65_536)?;
        // An image made of nothing but programs has no such directory.
        let dir = std::env::temp_dir();
        std::fs::create_dir_all(&dir).with_context(|| format!("create `{}`", dir.display()))?;
        let mut file = tempfile::tempfile_in(&dir).context("make a temporary file")?;
        let block = vec![0xA5_u8; usize::try_from(block_kib << 10)?];
        let mut left = mib << 20;
        while left > 0 {
            let size = left.min(block.len() as u64);
            let part = block.get(..usize::try_from(size)?).unwrap_or_default();
            file.write_all(part).context("write a temporary file")?;
            left -= size;
        }
        file.sync_all().context("sync a temporary file")?;
        file.rewind().context("rewind a temporary file")?;
        let mut buffer = block;
        let mut read_bytes = 0;
        loop {
            match file.read(&mut buffer).context("read a temporary file")? {
                0 => break,
                n => read_bytes += n,
            }
        }
        Ok(json!({ "mib": mib, "block_kib": block_kib, "read_bytes": read_bytes }))
    }
}
