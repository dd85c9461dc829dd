//! What a guest writes to its console, bounded: a guest that writes without end must not fill the host's disk.

use continuum_host::error::Error;
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

/// Of each of the two files: the one being written, and the one before it.
const MOST_BYTES: u64 = 512 * 1024;
const FILE: &str = "console.log";
const OLDER_FILE: &str = "console.log.0";

/// The end of a console.
#[derive(Debug)]
pub(super) struct Console {
    dir: PathBuf,
    file: File,
    bytes: u64,
}

impl Console {
    /// Appends to what the guest's earlier lives wrote.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(FILE);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(Error::file("open", &path))?;
        let bytes = file.metadata().map_err(Error::file("read", &path))?.len();
        Ok(Self {
            dir: dir.to_owned(),
            file,
            bytes,
        })
    }

    /// A full disk loses what is written, and not the guest.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.bytes + bytes.len() as u64 > MOST_BYTES {
            self.turn_over();
        }
        if self.file.write_all(bytes).is_ok() {
            self.bytes += bytes.len() as u64;
        }
    }

    fn turn_over(&mut self) {
        let path = self.dir.join(FILE);
        std::fs::rename(&path, self.dir.join(OLDER_FILE)).ok();
        if let Ok(file) = File::create(&path) {
            self.file = file;
            self.bytes = 0;
        }
    }
}

/// All that is kept, the older part first.
pub(super) fn read(dir: &Path) -> Option<String> {
    let older = std::fs::read(dir.join(OLDER_FILE)).unwrap_or_default();
    let newer = std::fs::read(dir.join(FILE)).ok()?;
    let all = [older, newer].concat();
    Some(String::from_utf8_lossy(&all).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_writes_without_end_keeps_its_last_words_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut console = Console::open(dir.path()).unwrap();
        for number in 0..200_000 {
            console.write(format!("line {number}\n").as_bytes());
        }
        let kept = read(dir.path()).unwrap();
        assert!(kept.len() as u64 <= 2 * MOST_BYTES, "{}", kept.len());
        assert!(
            kept.ends_with("line 199999\n"),
            "{}",
            super::super::super::last_lines(&kept)
        );
        // A line of a later life comes after them.
        Console::open(dir.path()).unwrap().write(b"again\n");
        assert!(read(dir.path()).unwrap().ends_with("line 199999\nagain\n"));
    }
}
