//! Files that are whole or not there.

use continuum_host::error::Error;
use std::path::Path;

/// Writes a file whole, or leaves none: under another name first, `NAME.part`.
pub fn write_whole(path: &Path, text: &str) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    written.map_err(|error| {
        std::fs::remove_file(&part).ok();
        Error::file("write", path)(error)
    })
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
