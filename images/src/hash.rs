//! Digests of files, texts and trees. All are sha256 in lower-case hex.

use crate::error::ImageError;
use sha2::{Digest, Sha256, Sha512};
use std::{io::Read, os::unix::fs::PermissionsExt, path::Path};

/// Of a file.
pub fn file(path: &Path) -> Result<String, ImageError> {
    file_with::<Sha256>(path)
}

fn file_with<D: Digest>(path: &Path) -> Result<String, ImageError> {
    let mut file = std::fs::File::open(path).map_err(ImageError::file("read", path))?;
    let mut hasher = D::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let n = file
            .read(&mut chunk)
            .map_err(ImageError::file("read", path))?;
        if n == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(chunk.get(..n).unwrap_or_default());
    }
}

/// Fails when a file does not have the digest it should have.
pub fn verify(path: &Path, want: &str) -> Result<(), ImageError> {
    compare(path, want, file(path)?)
}

/// The same with SHA-512, which some publish beside their files.
pub fn verify_sha512(path: &Path, want: &str) -> Result<(), ImageError> {
    compare(path, want, file_with::<Sha512>(path)?)
}

fn compare(path: &Path, want: &str, have: String) -> Result<(), ImageError> {
    if have == want.to_ascii_lowercase() {
        return Ok(());
    }
    Err(ImageError::Digest {
        path: path.to_owned(),
        want: want.to_owned(),
        have,
    })
}

/// Of several texts; their borders count.
pub fn texts<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(hasher.finalize())
}

/// Of a tree as git would keep it: names, links, contents and what may be executed, in the order of names. Times and
/// other permissions differ from checkout to checkout and do not count.
pub fn tree(dir: &Path) -> Result<String, ImageError> {
    let mut hasher = Sha256::new();
    add_tree(&mut hasher, dir, "")?;
    Ok(hex::encode(hasher.finalize()))
}

fn add_tree(hasher: &mut Sha256, dir: &Path, prefix: &str) -> Result<(), ImageError> {
    let mut entries: Vec<_> = std::fs::read_dir(dir)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(ImageError::file("list", dir))?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        let meta = std::fs::symlink_metadata(&path).map_err(ImageError::file("read", &path))?;
        let kind = meta.file_type();
        let mut add = |text: &str| {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text);
        };
        add(&name);
        let is_program = kind.is_file() && meta.permissions().mode() & 0o100 != 0;
        add(if is_program { "program" } else { "" });
        if kind.is_symlink() {
            let target = std::fs::read_link(&path).map_err(ImageError::file("read link", &path))?;
            add(&target.to_string_lossy());
        } else if kind.is_dir() {
            add_tree(hasher, &path, &name)?;
        } else if kind.is_file() {
            add(&file(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_changes_with_names_programs_and_contents_only() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/x"), "1").unwrap();
        let first = tree(dir.path()).unwrap();
        std::fs::write(dir.path().join("a/x"), "1").unwrap();
        assert_eq!(tree(dir.path()).unwrap(), first);
        std::fs::write(dir.path().join("a/x"), "2").unwrap();
        assert_ne!(tree(dir.path()).unwrap(), first);
        std::fs::write(dir.path().join("a/x"), "1").unwrap();
        let set = |mode| {
            std::fs::set_permissions(dir.path().join("a/x"), PermissionsExt::from_mode(mode))
                .unwrap();
        };
        set(0o600);
        assert_eq!(tree(dir.path()).unwrap(), first);
        set(0o755);
        assert_ne!(tree(dir.path()).unwrap(), first);
    }

    #[test]
    fn borders_between_texts_count() {
        assert_ne!(texts(["ab", "c"]), texts(["a", "bc"]));
        assert!(verify(Path::new("/dev/null"), &hex::encode(Sha256::digest(b""))).is_ok());
        assert!(verify(Path::new("/dev/null"), &"0".repeat(64)).is_err());
    }
}
