//! How fast a file is written and read, past the page cache.

use crate::error::AgentError;
use rustix::{fs::OFlags, io::Errno};
use std::{
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

const BLOCK_BYTES: usize = 128 * 1024;
/// What direct I/O asks of memory, sizes and places.
const ALIGNMENT: usize = 4096;
const LONGEST: Duration = Duration::from_secs(30);
const MOST_BYTES: u64 = 1 << 30;

/// What a disk does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct DiskRates {
    pub write_bytes_per_s: f64,
    pub read_bytes_per_s: f64,
    pub written_bytes: u64,
    pub read_bytes: u64,
    pub is_direct: bool,
}

/// The file, gone when this is.
struct Own(PathBuf);

impl Drop for Own {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// Writes a file below `dir` for so long, then reads it again and again for so long. Blocks.
pub(crate) fn measure(
    dir: &Path,
    write: Duration,
    read: Duration,
    most_bytes: u64,
) -> Result<DiskRates, AgentError> {
    let most_bytes = most_bytes.clamp(BLOCK_BYTES as u64, MOST_BYTES);
    let own = Own(dir.join("verify.disk"));
    let failed = |doing| {
        let path = own.0.clone();
        move |source| AgentError::File {
            doing,
            path,
            source,
        }
    };
    let mut memory = vec![0xa5; BLOCK_BYTES + ALIGNMENT];
    let at = memory.as_ptr().align_offset(ALIGNMENT);
    let block = memory.get_mut(at..at + BLOCK_BYTES).unwrap_or_default();
    let (mut file, is_direct) = open(&own.0, true).map_err(failed("create"))?;
    let put = |file: &mut File, block: &mut [u8]| file.write_all(block).map(|()| block.len());
    let written = rate(&mut file, block, write.min(LONGEST), most_bytes, put);
    let written = written.map_err(failed("write"))?;
    if !is_direct {
        file.sync_all().map_err(failed("write"))?;
    }
    let (mut file, _) = open(&own.0, false).map_err(failed("open"))?;
    let get = |file: &mut File, block: &mut [u8]| match file.read(block)? {
        0 => file.rewind().map(|()| 0),
        bytes => Ok(bytes),
    };
    let read = rate(&mut file, block, read.min(LONGEST), 4 * most_bytes, get);
    let read = read.map_err(failed("read"))?;
    Ok(DiskRates {
        write_bytes_per_s: written.per_s,
        read_bytes_per_s: read.per_s,
        written_bytes: written.bytes,
        read_bytes: read.bytes,
        is_direct,
    })
}

/// File systems in memory have no way past the page cache.
fn open(path: &Path, is_new: bool) -> std::io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    if is_new {
        options.write(true).create(true).truncate(true);
    } else {
        options.read(true);
    }
    let mut direct = options.clone();
    match direct.custom_flags(OFlags::DIRECT.bits() as i32).open(path) {
        Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
            options.open(path).map(|file| (file, false))
        }
        opened => opened.map(|file| (file, true)),
    }
}

#[derive(Debug)]
struct Rate {
    per_s: f64,
    bytes: u64,
}

/// Counts after a fifth of the time: a limit may lend some at first.
fn rate(
    file: &mut File,
    block: &mut [u8],
    time: Duration,
    most_bytes: u64,
    step: impl Fn(&mut File, &mut [u8]) -> std::io::Result<usize>,
) -> std::io::Result<Rate> {
    let begun = Instant::now();
    let (mut bytes, mut counting) = (0, None);
    let mut per_s = 0.0;
    while begun.elapsed() < time && bytes < most_bytes {
        bytes += step(file, block)? as u64;
        let now = Instant::now();
        match counting {
            None if now - begun >= time / 5 => counting = Some((now, bytes)),
            Some((from, before)) => {
                per_s = (bytes - before) as f64 / (now - from).as_secs_f64().max(1e-9);
            }
            None => {}
        }
    }
    if per_s == 0.0 {
        // So fast that all bytes were through before, or so slow that hardly any were.
        per_s = bytes as f64 / begun.elapsed().as_secs_f64().max(1e-9);
    }
    Ok(Rate { per_s, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_and_read_within_its_bytes_and_nothing_stays() {
        let dir = tempfile::tempdir().unwrap();
        let time = Duration::from_millis(300);
        let rates = measure(dir.path(), time, time, 4 << 20).unwrap();
        assert!(rates.write_bytes_per_s > 0.0 && rates.read_bytes_per_s > 0.0);
        let most = 4 << 20;
        assert!((1..=most).contains(&rates.written_bytes), "{rates:?}");
        assert!((1..=4 * most).contains(&rates.read_bytes), "{rates:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        let nowhere = measure(&dir.path().join("none"), time, time, 1 << 20);
        assert!(nowhere.unwrap_err().to_string().contains("verify.disk"));
    }
}
