//! The user's own photos.

use std::path::{Path, PathBuf};

/// A message with a photo may have 1 MiB, and its header needs some of it.
const MOST_PHOTO_BYTES: u64 = (1 << 20) - 1024;

/// The photos of a directory in the order of their names, or everything that is wrong with it, by file.
pub fn photos_of(dir: &Path) -> Result<Vec<PathBuf>, Vec<String>> {
    let list = std::fs::read_dir(dir).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let list = list.map_err(|e| vec![format!("dataset `{}`: {e}", dir.display())])?;
    let (mut photos, mut faults) = (Vec::new(), Vec::new());
    for path in list.into_iter().map(|entry| entry.path()) {
        let is_jpeg = path
            .extension()
            .is_some_and(|e| e.eq_ignore_ascii_case("jpg") || e.eq_ignore_ascii_case("jpeg"));
        if !is_jpeg {
            continue;
        }
        let fault = match std::fs::metadata(&path) {
            Ok(meta) if !meta.is_file() => Some("is no file".to_owned()),
            Ok(meta) if meta.len() == 0 => Some("is empty".to_owned()),
            Ok(meta) if meta.len() > MOST_PHOTO_BYTES => Some(format!(
                "has {} bytes, a photo may have {MOST_PHOTO_BYTES}",
                meta.len()
            )),
            Ok(_) => std::fs::File::open(&path).err().map(|e| e.to_string()),
            Err(error) => Some(error.to_string()),
        };
        match fault {
            Some(fault) => faults.push(format!("photo `{}` {fault}", path.display())),
            None => photos.push(path),
        }
    }
    if photos.is_empty() && faults.is_empty() {
        faults.push(format!(
            "dataset `{}` has no .jpg or .jpeg file; those in directories below it are not looked for",
            dir.display()
        ));
    }
    photos.sort();
    faults.sort();
    if faults.is_empty() {
        Ok(photos)
    } else {
        Err(faults)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_is_no_photo_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let faults = photos_of(dir.path()).unwrap_err();
        assert!(faults[0].contains("no .jpg"), "{faults:?}");
        for name in ["b.JPG", "a,b.jpeg", "notes.txt"] {
            std::fs::write(path(name), b"x").unwrap();
        }
        assert_eq!(
            photos_of(dir.path()).unwrap(),
            [path("a,b.jpeg"), path("b.JPG")]
        );
        std::fs::write(path("empty.jpg"), b"").unwrap();
        std::fs::write(path("phone.jpg"), vec![0; 1 << 20]).unwrap();
        std::fs::create_dir(path("x.jpg")).unwrap();
        std::os::unix::fs::symlink("/nosuch/file.jpg", path("dangling.jpg")).unwrap();
        let faults = photos_of(dir.path()).unwrap_err();
        let texts = [
            "dangling.jpg` No such file",
            "empty.jpg` is empty",
            "phone.jpg` has 1048576 bytes",
            "x.jpg` is no file",
        ];
        assert_eq!(faults.len(), texts.len(), "{faults:?}");
        for (fault, text) in faults.iter().zip(texts) {
            assert!(fault.contains(text), "{fault:?} without {text:?}");
        }
    }
}
