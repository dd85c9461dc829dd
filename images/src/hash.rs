//! Digests of files, texts and trees. All are sha256 in lower-case hex.

use crate::error::ImageError;
use sha2::{Digest, Sha256, Sha512};
use std::{
    io::Read,
    os::unix::fs::{FileExt, PermissionsExt},
    path::Path,
};

const BLOCK: usize = 1 << 20;

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

/// Fails when a file does not have the digest that [`sparse`] should give.
#[cfg(test)]
pub(crate) fn verify_sparse(path: &Path, want: &str) -> Result<(), ImageError> {
    compare(path, want, sparse(path)?)
}

/// Fails when a file does not have the digest it should have.
pub fn verify(path: &Path, want: &str) -> Result<(), ImageError> {
    compare(path, want, file(path)?)
}

/// The same with SHA-512, which some publish beside their files.
pub(crate) fn verify_sha512(path: &Path, want: &str) -> Result<(), ImageError> {
    compare(path, want, file_with::<Sha512>(path)?)
}

/// Of a file most of which is holes, as disks are: nothing is read of those. Where zeros are holes and where they are
/// written does not matter. Not the digest that [`file`] gives.
pub(crate) fn sparse(path: &Path) -> Result<String, ImageError> {
    let error = || ImageError::file("read", path);
    let file = std::fs::File::open(path).map_err(error())?;
    let size = file.metadata().map_err(error())?.len();
    let mut hasher = Sha256::new();
    hasher.update(size.to_be_bytes());
    let (mut block, zeros) = (vec![0; BLOCK], vec![0; BLOCK]);
    let mut at = 0;
    while at < size {
        match rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            Ok(data) => at = data - data % BLOCK as u64,
            Err(rustix::io::Errno::NXIO) => break,
            Err(e) => return Err(error()(e.into())),
        }
        let length = (size - at).min(BLOCK as u64);
        block.resize(usize::try_from(length).unwrap_or(BLOCK), 0);
        file.read_exact_at(&mut block, at).map_err(error())?;
        if zeros.get(..block.len()) != Some(&block) {
            hasher.update(at.to_be_bytes());
            hasher.update(&block);
        }
        at += length;
    }
    Ok(hex::encode(hasher.finalize()))
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
    fn holes_are_zeros_and_bytes_count_with_their_places() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk");
        let of = |writes: &[(u64, &[u8])], size: u64| {
            let file = std::fs::File::create(&path).unwrap();
            file.set_len(size).unwrap();
            for (at, bytes) in writes {
                file.write_all_at(bytes, *at).unwrap();
            }
            sparse(&path).unwrap()
        };
        let size = (5 << 20) + 7;
        let zeros = vec![0; 3 << 20];
        let word = (4 << 20, b"word".as_slice());
        let first = of(&[word], size);
        assert_eq!(of(&[(0, &zeros), word], size), first);
        assert_ne!(of(&[(0, b"word")], size), first);
        assert_ne!(of(&[word], size + 1), first);
        let last = (size - 1, b"x".as_slice());
        assert_ne!(of(&[word, last], size), first);
        assert_eq!(of(&[], size), of(&[(0, &zeros)], size));
        assert!(verify_sparse(&path, &first).is_err());
    }

    #[test]
    fn borders_between_texts_count() {
        assert_ne!(texts(["ab", "c"]), texts(["a", "bc"]));
        assert!(verify(Path::new("/dev/null"), &hex::encode(Sha256::digest(b""))).is_ok());
        assert!(verify(Path::new("/dev/null"), &"0".repeat(64)).is_err());
    }
}
