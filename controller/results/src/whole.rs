//! Files that are whole or not there.

use continuum_common::files;
use continuum_host::error::Error;
use std::path::Path;

/// Writes a file whole, or leaves what was there.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    files::replace(path, None, text).map_err(Error::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_whole_or_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("result.json");
        write_whole(&path, "{}").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
        // A file cannot be put over a directory: what was begun for it is gone.
        let taken = dir.path().join("taken");
        std::fs::create_dir(&taken).unwrap();
        let error = write_whole(&taken, "{}").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }
}
