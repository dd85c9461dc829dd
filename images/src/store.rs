//! Finished images: found, listed, verified, pruned.

use crate::{
    cache::{Cache, root_command},
    error::ImageError,
    hash,
    package_lock::Lock,
    raw,
};
use continuum_common::files;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

pub(crate) const KIND: &str = "images";
const CURRENT: &str = "images/current";

/// What an image is made of; `manifest.json` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Stands for all inputs.
    pub key: String,
    /// Debian release.
    pub suite: String,
    pub agent_sha256: String,
    /// Key of the workload bundle in it.
    pub bundle: String,
    /// Files of the image with their digests.
    pub files: BTreeMap<String, String>,
    /// Packed size.
    pub disk_bytes: u64,
    /// Packages with version and digest.
    pub packages: Lock,
    /// Packages beside the image, by component.
    pub extras: BTreeMap<String, Lock>,
    /// What it is for beside being a guest; empty = nothing.
    #[serde(default)]
    pub role: String,
    /// Container images in it, `NAME@DIGEST`.
    #[serde(default)]
    pub containers: Vec<String>,
}

impl Manifest {
    /// Whether both have the same guest in them, whatever container images.
    pub fn is_same_guest(&self, other: &Self) -> bool {
        self.agent_sha256 == other.agent_sha256
            && self.bundle == other.bundle
            && self.packages == other.packages
    }
}

#[derive(Debug, Clone)]
pub struct Image {
    pub dir: PathBuf,
    /// What it is made of.
    pub manifest: Manifest,
}

impl Image {
    pub(crate) fn load(dir: PathBuf) -> Result<Self, ImageError> {
        let path = dir.join("manifest.json");
        let text = std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))?;
        let manifest = serde_json::from_str(&text).map_err(|e| ImageError::Parse {
            path,
            why: e.to_string(),
        })?;
        Ok(Self { dir, manifest })
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Reads every file again; the first that is not as recorded is an error.
    pub fn verify(&self) -> Result<(), ImageError> {
        for (name, want) in &self.manifest.files {
            hash::verify(&self.file(name), want)?;
        }
        Ok(())
    }
}

pub(crate) fn write_current(pointer: &Path, target: &Path) -> Result<(), ImageError> {
    files::replace(pointer, None, name_of(target)).map_err(ImageError::file("write", pointer))
}

pub(crate) fn pointer(role: &str) -> String {
    if role.is_empty() {
        CURRENT.to_owned()
    } else {
        format!("{CURRENT}-{role}")
    }
}

/// The image of a role if it is made of the same guest as the current one; else the current one, with why.
pub fn current_for(
    cache: &Cache,
    role: Option<&str>,
) -> Result<(Image, Option<String>), ImageError> {
    let plain = current(cache)?;
    let Some(role) = role else {
        return Ok((plain, None));
    };
    let build = format!("continuum-ctl image build --role {role}");
    let mut is_there = false;
    for key in keys(cache, &pointer(role)) {
        let image = find(cache, &key)?;
        if image.manifest.is_same_guest(&plain.manifest) {
            return Ok((image, None));
        }
        is_there = true;
    }
    let why = if is_there {
        format!(
            "the guest image of role {role} is of another guest than the current one and is not used; make it again: {build}"
        )
    } else {
        format!(
            "there is no guest image of role {role}, so container images are sent to every node; make one: {build}"
        )
    };
    Ok((plain, Some(why)))
}

/// What a pointer names: in the own cache, and in that of all users.
pub(crate) fn keys(cache: &Cache, pointer: &str) -> Vec<String> {
    let texts = cache.places(pointer).map(std::fs::read_to_string);
    texts.flatten().map(|key| key.trim().to_owned()).collect()
}

fn read_current(
    cache: &Cache,
    pointer: &str,
    what: &str,
    build: &str,
) -> Result<String, ImageError> {
    let first = keys(cache, pointer).into_iter().next();
    first.ok_or_else(|| ImageError::Missing {
        what: what.to_owned(),
        hint: if rustix::process::geteuid().is_root() {
            format!("build one: continuum-ctl {build}")
        } else {
            format!("build one, in the checkout: {}", root_command(build))
        },
    })
}

/// The image made last.
pub fn current(cache: &Cache) -> Result<Image, ImageError> {
    let key = read_current(cache, CURRENT, "a guest image", "image build")?;
    let dir = Path::new(KIND).join(key);
    Image::load(cache.find(&dir).unwrap_or_else(|| cache.path(dir)))
}

/// Makes an image that is in the cache the one that `up` takes, for its role.
pub fn make_current(cache: &Cache, key: &str) -> Result<(), ImageError> {
    let image = find(cache, key)?;
    cache.subdir(KIND)?;
    write_current(&cache.path(pointer(&image.manifest.role)), &image.dir)
}

/// Images, their raw disks, bundles and compiled programs that are neither the current ones nor kept, with their sizes in
/// bytes. Programs lie in images and bundles too, and linking them anew takes seconds.
pub fn unused(cache: &Cache, kept: &BTreeSet<String>) -> Result<Vec<(PathBuf, u64)>, ImageError> {
    let mut found = Vec::new();
    let mut kept = kept.clone();
    kept.extend(currents(&cache.path(KIND))?.into_values());
    found.extend(raw::unused(cache, &kept)?);
    // Images first: a kept one keeps its bundle.
    for kind in [KIND, "bundles", "binaries"] {
        let dir = cache.path(kind);
        let current: BTreeSet<String> = currents(&dir)?.into_values().collect();
        for path in entries(&dir)? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // What begins with a dot is being made.
            if !path.is_dir() || name.starts_with('.') {
                continue;
            }
            if current.contains(&*name) || kept.contains(&*name) {
                if kind == KIND {
                    kept.insert(Image::load(path)?.manifest.bundle);
                }
                continue;
            }
            let bytes = size_of_tree(&path)?;
            found.push((path, bytes));
        }
    }
    found.sort();
    Ok(found)
}

pub(crate) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What lies in a directory; nothing where there is none.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let listed = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(ImageError::file("list", dir))?,
    };
    listed
        .map(|entry| Ok(entry.map_err(ImageError::file("list", dir))?.path()))
        .collect()
}

/// What the pointers of a directory name: `current`, `current-ROLE`.
fn currents(dir: &Path) -> Result<BTreeMap<String, String>, ImageError> {
    let mut keys = BTreeMap::new();
    for path in entries(dir)? {
        let name = name_of(&path);
        if path.is_file() && name.starts_with("current") {
            let text = std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))?;
            keys.insert(name, text.trim().to_owned());
        }
    }
    Ok(keys)
}

/// Bytes of all files below a directory, or of a file.
pub fn size_of_tree(dir: &Path) -> Result<u64, ImageError> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let entry = entry.map_err(ImageError::file("list", dir))?;
        let meta = entry
            .metadata()
            .map_err(ImageError::file("read", entry.path()))?;
        bytes += if meta.is_dir() {
            size_of_tree(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(bytes)
}

pub fn find(cache: &Cache, key: &str) -> Result<Image, ImageError> {
    let manifest = Path::new(KIND).join(key).join("manifest.json");
    if let Some(dir) = cache.find(manifest).as_deref().and_then(Path::parent) {
        return Image::load(dir.to_owned());
    }
    Err(ImageError::Missing {
        what: format!("guest image {key}"),
        hint: "the deployment was made with it; take it down, and bring it up with the current one"
            .into(),
    })
}

/// Where a bundle is, or would be.
pub fn bundle(cache: &Cache, key: &str) -> PathBuf {
    let dir = Path::new("bundles").join(key);
    cache.find(&dir).unwrap_or_else(|| cache.path(dir))
}

/// The bundle made last.
pub fn current_bundle(cache: &Cache) -> Result<PathBuf, ImageError> {
    let build = "image build --bundle-only";
    let key = read_current(cache, "bundles/current", "a workload bundle", build)?;
    let dir = bundle(cache, &key);
    if dir.join("bin/continuum-workload").exists() {
        return Ok(dir);
    }
    Err(ImageError::Missing {
        what: format!("the workload bundle `{}`", dir.display()),
        hint: "build it again: continuum-ctl image build --bundle-only".into(),
    })
}

/// All images, and the keys of those that `up` takes.
pub fn list(cache: &Cache) -> Result<(Vec<Image>, BTreeSet<String>), ImageError> {
    let mut images: Vec<Image> = Vec::new();
    let mut current = BTreeMap::new();
    for dir in cache.places(KIND) {
        for path in entries(&dir)? {
            let name = name_of(&path);
            let is_known = images.iter().any(|i| name_of(&i.dir) == name);
            if path.is_dir() && !name.starts_with('.') && !is_known {
                images.push(Image::load(path)?);
            }
        }
        for (pointer, key) in currents(&dir)? {
            current.entry(pointer).or_insert(key);
        }
    }
    images.sort_by(|a, b| a.manifest.key.cmp(&b.manifest.key));
    Ok((images, current.into_values().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ones_own_is_that_of_all_users_and_looking_makes_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        let both = Cache::beside(own.clone(), &shared).unwrap();
        assert!(list(&both).unwrap().0.is_empty());
        assert!(unused(&both, &BTreeSet::new()).unwrap().is_empty());
        assert!(current_bundle(&both).is_err() && !own.exists());
        let of_all = Cache::at(&shared).unwrap();
        let program = of_all.subdir("bundles/b/bin").unwrap();
        std::fs::write(program.join("continuum-workload"), "").unwrap();
        std::fs::write(of_all.path("bundles/current"), "b").unwrap();
        assert_eq!(current_bundle(&both).unwrap(), shared.join("bundles/b"));
        // An image of one's own does not hide the bundle of all.
        both.subdir("images/i").unwrap();
        std::fs::write(both.path("images/current"), "i").unwrap();
        assert_eq!(current_bundle(&both).unwrap(), shared.join("bundles/b"));
    }

    #[test]
    fn what_is_current_or_kept_stays_with_its_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        for (image, bundle) in [
            ("new", "b-new"),
            ("roled", "b-new"),
            ("kept", "b-kept"),
            ("old", "b-old"),
        ] {
            let manifest = Manifest {
                key: image.into(),
                suite: "trixie".into(),
                agent_sha256: String::new(),
                bundle: bundle.into(),
                files: BTreeMap::new(),
                disk_bytes: 0,
                packages: Lock::default(),
                extras: BTreeMap::new(),
                role: if image == "roled" {
                    "kubernetes".into()
                } else {
                    String::new()
                },
                containers: Vec::new(),
            };
            let text = serde_json::to_string(&manifest).unwrap();
            let at = cache.subdir(Path::new(KIND).join(image)).unwrap();
            std::fs::write(at.join("manifest.json"), text).unwrap();
            cache.subdir(Path::new("raw").join(image)).unwrap();
            let at = cache.subdir(Path::new("bundles").join(bundle)).unwrap();
            std::fs::write(at.join("bin"), "12345").unwrap();
        }
        cache.subdir("images/.being-made.partial").unwrap();
        make_current(&cache, "new").unwrap();
        make_current(&cache, "roled").unwrap();
        let kept = BTreeSet::from(["kept".to_owned()]);
        let unused = unused(&cache, &kept).unwrap();
        let names: Vec<_> = unused
            .iter()
            .map(|(p, _)| p.strip_prefix(dir.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["bundles/b-old", "images/old", "raw/old"]);
        assert_eq!(unused[0].1, 5);
        // The image of a role is only taken when its guest is the current one.
        let (image, why) = current_for(&cache, Some("kubernetes")).unwrap();
        assert_eq!((&*image.manifest.key, why), ("roled", None));
        make_current(&cache, "old").unwrap();
        let (image, why) = current_for(&cache, Some("kubernetes")).unwrap();
        assert_eq!(image.manifest.key, "old");
        assert!(why.unwrap().contains("image build --role kubernetes"));
        assert!(current_for(&cache, None).unwrap().1.is_none());
    }
}
