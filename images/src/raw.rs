//! Raw forms of images' disks: a guest that is a process reads its base as a plain file. One for each image, sparse and
//! read-only, below any directory, since guests may have to read it as another user than the one whose cache it is.
//!
//! Guests' own files say when their base was written, to the second. So it always has the same time: made anew after it
//! was lost it still fits them, and another time means that somebody wrote to it.

use crate::{
    SOURCE_DATE_EPOCH,
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
    store::Image,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

const KIND: &str = "raw";
const PACKED: &str = "disk.qcow2";
const DISK: &str = "disk.raw";
const RECORD: &str = "disk.json";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDisk {
    /// Mode 0444.
    pub path: PathBuf,
    /// As [`hash::sparse`] gives it.
    pub sha256: String,
    /// Size as guests see it.
    pub size_bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    sha256: String,
    size_bytes: u64,
}

impl RawDisk {
    fn load(dir: &Path) -> Result<Self, ImageError> {
        let path = dir.join(RECORD);
        let text = std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))?;
        let record: Record = serde_json::from_str(&text).map_err(|e| ImageError::Parse {
            path,
            why: e.to_string(),
        })?;
        Ok(Self {
            path: dir.join(DISK),
            sha256: record.sha256,
            size_bytes: record.size_bytes,
        })
    }

    /// Fails when its size or time is not what it was made with; reads nothing of it.
    pub(crate) fn check(&self) -> Result<(), ImageError> {
        let meta = std::fs::metadata(&self.path).map_err(ImageError::file("read", &self.path))?;
        let written = meta.modified().ok();
        if meta.len() == self.size_bytes && written == Some(time()) {
            return Ok(());
        }
        let dir = self.path.parent().unwrap_or(&self.path);
        Err(ImageError::Missing {
            what: format!("`{}` as it was made", self.path.display()),
            hint: format!(
                "somebody wrote to it; take down what was brought up on it, remove it with `rm -r {}`, and it is made \
                 again",
                dir.display()
            ),
        })
    }

    /// Reads all of it again.
    #[cfg(test)]
    pub(crate) fn verify(&self) -> Result<(), ImageError> {
        hash::verify_sparse(&self.path, &self.sha256)
    }
}

fn time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(SOURCE_DATE_EPOCH)
}

/// The raw form of an image's disk below `place`, made if it is not there.
pub fn obtain(place: &Cache, image: &Image, report: &dyn Report) -> Result<RawDisk, ImageError> {
    let manifest = &image.manifest;
    let dir = place.get_or_make(KIND, &manifest.key, |partial| {
        place.require_free(manifest.disk_bytes / 1_000_000_000 + 1)?;
        report.step("making the raw form of the guest's disk");
        let packed = image.file(PACKED);
        let digest = manifest.files.get(PACKED).map_or("", String::as_str);
        hash::verify(&packed, digest)?;
        let disk = partial.join(DISK);
        Program::new("unpack the guest's disk", "qemu-img")
            .args(["convert", "-f", "qcow2", "-O", "raw"])
            .args([packed.display().to_string(), disk.display().to_string()])
            .run()?;
        settle(&disk)?;
        let size = std::fs::metadata(&disk).map_err(ImageError::file("read", &disk))?;
        let record = Record {
            sha256: hash::sparse(&disk)?,
            size_bytes: size.len(),
        };
        let path = partial.join(RECORD);
        let text = serde_json::to_string_pretty(&record).map_err(|e| ImageError::Parse {
            path: path.clone(),
            why: e.to_string(),
        })?;
        std::fs::write(&path, text).map_err(ImageError::file("write", path))
    })?;
    let disk = RawDisk::load(&dir)?;
    disk.check()?;
    Ok(disk)
}

/// Read-only, and of the time that all of them have.
fn settle(disk: &Path) -> Result<(), ImageError> {
    let file = std::fs::File::options()
        .write(true)
        .open(disk)
        .map_err(ImageError::file("open", disk))?;
    file.set_modified(time())
        .and_then(|()| file.set_permissions(PermissionsExt::from_mode(0o444)))
        .map_err(ImageError::file("set the time and mode of", disk))
}

/// The raw form of an image's disk, if it was made.
pub fn find(place: &Cache, image: &Image) -> Result<Option<RawDisk>, ImageError> {
    let dir = place.path(KIND).join(&image.manifest.key);
    dir.exists().then(|| RawDisk::load(&dir)).transpose()
}

/// Directories of raw disks of images that are not kept, by image key, with the bytes that they take.
pub fn unused(place: &Cache, kept: &BTreeSet<String>) -> Result<Vec<(PathBuf, u64)>, ImageError> {
    let dir = place.path(KIND);
    let Ok(entries) = std::fs::read_dir(&dir) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ImageError::file("list", &dir))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // What begins with a dot is being made.
        if !name.starts_with('.') && !kept.contains(&name) {
            let disk = entry.path().join(DISK);
            let bytes = std::fs::metadata(&disk).map_or(0, |m| m.blocks() * 512);
            found.push((entry.path(), bytes));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Silent, package_lock::Lock, store::Manifest};
    use std::collections::BTreeMap;

    /// An image whose disk is two megabytes of nothing with a word in the middle; `None` without qemu-img.
    fn image(dir: &Path) -> Option<Image> {
        let (raw, packed) = (dir.join("raw"), dir.join(PACKED));
        let mut bytes = vec![0; 2 << 20];
        bytes[1 << 20..(1 << 20) + 4].copy_from_slice(b"word");
        std::fs::write(&raw, bytes).unwrap();
        if let Err(error) = crate::ext4::pack(&raw, &packed) {
            eprintln!("skipped: {error}");
            return None;
        }
        let digest = hash::file(&packed).unwrap();
        let manifest = Manifest {
            key: "key".into(),
            suite: "trixie".into(),
            agent_sha256: String::new(),
            bundle: String::new(),
            files: BTreeMap::from([(PACKED.to_owned(), digest)]),
            disk_bytes: 0,
            packages: Lock::default(),
            extras: BTreeMap::new(),
            role: String::new(),
            containers: Vec::new(),
        };
        Some(Image {
            dir: dir.to_owned(),
            manifest,
        })
    }

    #[test]
    fn made_once_sparse_read_only_and_the_same_again_after_it_was_lost() {
        let dir = tempfile::tempdir().unwrap();
        let place = Cache::at(dir.path().join("place")).unwrap();
        let Some(image) = image(dir.path()) else {
            return;
        };
        assert_eq!(find(&place, &image).unwrap(), None);
        let disk = obtain(&place, &image, &Silent).unwrap();
        let meta = std::fs::metadata(&disk.path).unwrap();
        assert_eq!(
            (meta.permissions().mode() & 0o777, meta.len()),
            (0o444, 2 << 20)
        );
        assert!(meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
        let same = hash::sparse(&dir.path().join("raw")).unwrap();
        assert_eq!(disk.sha256, same);
        disk.verify().unwrap();
        assert_eq!(obtain(&place, &image, &Silent).unwrap(), disk);
        assert_eq!(find(&place, &image).unwrap().as_ref(), Some(&disk));
        std::fs::remove_dir_all(disk.path.parent().unwrap()).unwrap();
        assert_eq!(obtain(&place, &image, &Silent).unwrap(), disk);
        let again = std::fs::metadata(&disk.path).unwrap();
        assert_eq!(again.modified().unwrap(), meta.modified().unwrap());
    }

    #[test]
    fn a_base_that_somebody_wrote_to_is_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let place = Cache::at(dir.path().join("place")).unwrap();
        let Some(image) = image(dir.path()) else {
            return;
        };
        let disk = obtain(&place, &image, &Silent).unwrap();
        let set = |mode| {
            std::fs::set_permissions(&disk.path, PermissionsExt::from_mode(mode)).unwrap();
        };
        set(0o644);
        let mut bytes = std::fs::read(&disk.path).unwrap();
        bytes[0] = 1;
        std::fs::write(&disk.path, bytes).unwrap();
        let error = obtain(&place, &image, &Silent).unwrap_err().to_string();
        assert!(error.contains("disk.raw` as it was made"), "{error}");
        // Who puts its time back is found out when all of it is read.
        settle(&disk.path).unwrap();
        disk.check().unwrap();
        assert!(matches!(disk.verify(), Err(ImageError::Digest { .. })));
    }

    #[test]
    fn nothing_is_made_of_a_disk_that_rotted() {
        let dir = tempfile::tempdir().unwrap();
        let place = Cache::at(dir.path().join("place")).unwrap();
        let Some(mut image) = image(dir.path()) else {
            return;
        };
        image.manifest.files.insert(PACKED.into(), "0".repeat(64));
        let error = obtain(&place, &image, &Silent).unwrap_err();
        assert!(matches!(error, ImageError::Digest { .. }), "{error}");
        assert_eq!(find(&place, &image).unwrap(), None);
    }

    #[test]
    fn disks_of_images_that_went_go_too() {
        let dir = tempfile::tempdir().unwrap();
        let place = Cache::at(dir.path()).unwrap();
        let none = BTreeSet::new();
        assert_eq!(unused(&place, &none).unwrap(), []);
        for name in ["old", "kept", ".new.partial"] {
            let at = place.subdir(Path::new(KIND).join(name)).unwrap();
            std::fs::write(at.join(DISK), [1; 5000]).unwrap();
        }
        let kept = BTreeSet::from(["kept".to_owned()]);
        let unused = unused(&place, &kept).unwrap();
        assert_eq!(unused.len(), 1);
        assert!(unused[0].0.ends_with("raw/old") && unused[0].1 >= 5000);
    }
}
