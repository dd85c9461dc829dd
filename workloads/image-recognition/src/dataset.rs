//! The photos of a run: JPEG files of one directory, in the order of their names.

use crate::MAX_MESSAGE_BYTES;
use continuum_workload_core::{application::RunError, photo_sample};
use std::path::{Path, PathBuf};

/// Files used round-robin.
#[derive(Debug, Clone)]
pub struct Dataset {
    files: Vec<PathBuf>,
}

impl Dataset {
    /// Lists a directory. Fails when it has no photo or one that is too large for a message.
    pub fn open(dir: &Path) -> Result<Self, RunError> {
        let file_error = |source| RunError::File {
            doing: "list photos in",
            path: dir.display().to_string(),
            source,
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(file_error)? {
            let path = entry.map_err(file_error)?.path();
            let is_jpeg = path
                .extension()
                .and_then(|e| e.to_str())
                .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
            if is_jpeg {
                let size = std::fs::metadata(&path).map_err(file_error)?.len();
                if size as usize > MAX_MESSAGE_BYTES - 1024 {
                    return Err(file_error(std::io::Error::other(format!(
                        "{} has {size} bytes, a message may have {MAX_MESSAGE_BYTES}",
                        path.display()
                    ))));
                }
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(file_error(std::io::Error::other(
                "no .jpg or .jpeg file in it",
            )));
        }
        files.sort();
        Ok(Self { files })
    }

    /// The file for photo number `id`, with its name.
    pub fn file(&self, id: u64) -> (&Path, String) {
        // `open` refuses an empty list, so the index is in range.
        let path = &self.files[(id % self.files.len() as u64) as usize];
        (path, photo_sample::file_name(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_by_name_and_clear_errors() {
        let dir = tempfile::tempdir().unwrap();
        let error = Dataset::open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("list photos in"), "{error}");
        std::fs::write(dir.path().join("b.JPG"), b"b").unwrap();
        std::fs::write(dir.path().join("a.jpeg"), b"a").unwrap();
        std::fs::write(dir.path().join("readme.txt"), b"x").unwrap();
        let set = Dataset::open(dir.path()).unwrap();
        let names: Vec<String> = (0..3).map(|i| set.file(i).1).collect();
        assert_eq!(names, ["a.jpeg", "b.JPG", "a.jpeg"]);
        std::fs::write(dir.path().join("c.jpg"), vec![0; MAX_MESSAGE_BYTES]).unwrap();
        assert!(Dataset::open(dir.path()).is_err());
    }
}
