//! Components in the cache: obtained once, under a key made of all that they depend on.

use super::{Catalogue, Component, fetcher, members};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    store::{entries, name_of},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

const KIND: &str = "components";
const MANIFEST: &str = "component.json";

/// A file as it was when it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    pub sha256: String,
    pub size_bytes: u64,
}

/// What lies in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    name: String,
    version: String,
    way: String,
    key: String,
    files: BTreeMap<String, StoredFile>,
}

/// A component in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub dir: PathBuf,
    pub name: String,
    pub version: String,
    pub way: String,
    /// Stands for all that it depends on.
    pub key: String,
    pub files: BTreeMap<String, StoredFile>,
}

impl Stored {
    pub(crate) fn load(dir: &Path) -> Result<Self, ImageError> {
        let path = dir.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(ImageError::file("read", &path))?;
        let manifest: Manifest = serde_json::from_str(&text).map_err(|e| ImageError::Parse {
            path,
            why: e.to_string(),
        })?;
        Ok(Self {
            dir: dir.to_owned(),
            name: manifest.name,
            version: manifest.version,
            way: manifest.way,
            key: manifest.key,
            files: manifest.files,
        })
    }

    /// A file of it, if it has one of that name.
    pub fn file(&self, name: &str) -> Result<(PathBuf, &StoredFile), ImageError> {
        let known = || self.files.keys().cloned().collect::<Vec<_>>().join(", ");
        let file = self.files.get(name).ok_or_else(|| ImageError::Missing {
            what: format!("`{name}` in {} {}", self.name, self.version),
            hint: format!("it has: {}", known()),
        })?;
        Ok((self.dir.join(name), file))
    }

    /// Size of all its files.
    pub fn size_bytes(&self) -> u64 {
        self.files.values().map(|f| f.size_bytes).sum()
    }

    /// Reads every file again; the first that is not as it came is an error, with what to do.
    pub fn verify(&self) -> Result<(), ImageError> {
        for (name, file) in &self.files {
            hash::verify(&self.dir.join(name), &file.sha256)?;
        }
        Ok(())
    }
}

pub(super) fn key(cache: &Cache, component: &Component) -> Result<String, ImageError> {
    let inputs = fetcher(&component.way)?.inputs(cache, component)?;
    Ok(hash::texts([&*component.identity(), &*inputs]))
}

/// Writes the manifest of what lies in a directory: plain files, executable, no directories.
fn seal(component: &Component, key: &str, dir: &Path) -> Result<(), ImageError> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let entry = entry.map_err(ImageError::file("list", dir))?;
        let path = entry.path();
        let meta = std::fs::symlink_metadata(&path).map_err(ImageError::file("read", &path))?;
        if !meta.is_file() {
            return Err(ImageError::Missing {
                what: format!("plain files only in {}", component.title()),
                hint: format!("`{}` is none", path.display()),
            });
        }
        let file = StoredFile {
            sha256: hash::file(&path)?,
            size_bytes: meta.len(),
        };
        files.insert(entry.file_name().to_string_lossy().into_owned(), file);
    }
    let manifest = Manifest {
        name: component.name.clone(),
        version: component.version.clone(),
        way: component.way.clone(),
        key: key.to_owned(),
        files,
    };
    let path = dir.join(MANIFEST);
    let text = serde_json::to_string_pretty(&manifest).map_err(|e| ImageError::Parse {
        path: path.clone(),
        why: e.to_string(),
    })?;
    std::fs::write(&path, text).map_err(ImageError::file("write", path))
}

/// The component, obtained if it is not in the store.
pub fn obtain(
    cache: &Cache,
    component: &Component,
    report: &dyn Report,
) -> Result<Stored, ImageError> {
    let key = key(cache, component)?;
    if let Some(dir) = whole(cache, &key) {
        return Stored::load(&dir);
    }
    let dir = cache.get_or_make(KIND, &key, |partial| {
        fetcher(&component.way)?.obtain(cache, component, partial, report)?;
        seal(component, &key, partial)
    })?;
    Stored::load(&dir)
}

/// The component if it is in the store: one made of what is here, or else one of this version that was imported.
pub fn find(cache: &Cache, component: &Component) -> Result<Option<Stored>, ImageError> {
    let own = key(cache, component);
    if let Some(dir) = own.as_ref().ok().and_then(|key| whole(cache, key)) {
        return Stored::load(&dir).map(Some);
    }
    let is_it =
        |s: &Stored| s.name == component.name && s.version == component.version && is_imported(s);
    match (all(cache)?.into_iter().find(is_it), own) {
        (Some(stored), _) => Ok(Some(stored)),
        (None, Ok(_)) => Ok(None),
        // Without its tools, such as Go, nobody knows what it would be made of.
        (None, Err(error)) => Err(error),
    }
}

/// An entry of the own store, or of that of all users.
fn whole(cache: &Cache, key: &str) -> Option<PathBuf> {
    let mut dirs = cache.places(KIND).map(|dir| dir.join(key));
    dirs.find(|dir| dir.join(MANIFEST).exists())
}

fn mark_of(key: &str) -> String {
    format!(".{key}.imported")
}

fn is_imported(stored: &Stored) -> bool {
    stored.dir.with_file_name(mark_of(&stored.key)).exists()
}

/// Says that an entry was made elsewhere, maybe with another compiler, and is to be used all the same.
pub(crate) fn mark_imported(cache: &Cache, key: &str) -> Result<(), ImageError> {
    let path = cache.path(KIND).join(mark_of(key));
    std::fs::write(&path, "").map_err(ImageError::file("write", path))
}

/// Takes a user's files in, from a folder or an archive: at least what the catalogue says it must have, and, from a
/// folder for which that is all, whatever else lies in it.
pub fn add(cache: &Cache, component: &Component, from: &Path) -> Result<Stored, ImageError> {
    let unpacked = tempfile::tempdir_in(cache.subdir(KIND)?)
        .map_err(ImageError::file("create a directory in", cache.path(KIND)))?;
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    let from = if from.is_file() && members::is_archive(&name) {
        let folders: Vec<_> = component.joined.values().collect();
        members::unpack(from, &component.members, &folders, unpacked.path())?;
        unpacked.path()
    } else {
        from
    };
    let missing: Vec<&str> = component
        .members
        .iter()
        .filter(|m| !from.join(m).is_file())
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(ImageError::Missing {
            what: format!("{} in `{}`", missing.join(", "), from.display()),
            hint: format!(
                "{} needs: {}",
                component.title(),
                members::wanted(component).join(", ")
            ),
        });
    }
    let joined = tempfile::tempdir_in(cache.subdir(KIND)?)
        .map_err(ImageError::file("create a directory in", cache.path(KIND)))?;
    members::join(component, from, joined.path())?;
    let key = key(cache, component)?;
    // What was added before gives way: the user says which one it is.
    let dir = cache.replace(KIND, &key, |partial| {
        for dir in [from, joined.path()] {
            copy_files(dir, partial)?;
        }
        seal(component, &key, partial)
    })?;
    Stored::load(&dir)
}

fn copy_files(from: &Path, to: &Path) -> Result<(), ImageError> {
    for entry in std::fs::read_dir(from).map_err(ImageError::file("list", from))? {
        let path = entry.map_err(ImageError::file("list", from))?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            std::fs::copy(&path, to.join(name)).map_err(ImageError::file("copy", &path))?;
        }
    }
    Ok(())
}

/// Everything in the store, whatever the catalogue knows of it.
pub fn all(cache: &Cache) -> Result<Vec<Stored>, ImageError> {
    let mut found: Vec<Stored> = Vec::new();
    for dir in cache.places(KIND) {
        for stored in all_in(&dir)? {
            if !found.iter().any(|known| known.key == stored.key) {
                found.push(stored);
            }
        }
    }
    found.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(found)
}

fn all_in(dir: &Path) -> Result<Vec<Stored>, ImageError> {
    let is_whole = |path: &PathBuf| path.join(MANIFEST).exists() && !name_of(path).starts_with('.');
    let paths = entries(dir)?.into_iter().filter(is_whole);
    paths.map(|path| Stored::load(&path)).collect()
}

/// What no `up` would take: of a version that the catalogue has no more, or made of what has changed since.
pub fn unused(cache: &Cache, catalogue: &Catalogue) -> Result<Vec<Stored>, ImageError> {
    let mut used = BTreeSet::new();
    for component in &catalogue.components {
        // Without its tools, such as Go, nobody knows what it would be made of: then nothing is taken away.
        used.insert(key(cache, component)?);
    }
    // What is there for all users is not the user's to take away.
    let mut stored = all_in(&cache.path(KIND))?;
    stored.retain(|s| !used.contains(&s.key) && !is_imported(s));
    stored.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Silent;

    fn component() -> Component {
        Component {
            name: "tool".into(),
            version: "1.0".into(),
            summary: String::new(),
            way: "file".into(),
            stamps: Vec::new(),
            programs: BTreeMap::new(),
            images: BTreeMap::new(),
            members: vec!["tool".into(), "crds.yaml".into()],
            urls: BTreeMap::new(),
            packages: Vec::new(),
            joined: BTreeMap::new(),
            kernel: None,
        }
    }

    #[test]
    fn definitions_of_a_folder_become_one_file_also_from_an_archive() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let mut component = component();
        component.members = vec!["tool".into()];
        component.joined.insert("crds.yaml".into(), "crds".into());
        let from = dir.path().join("from");
        std::fs::create_dir_all(from.join("crds/deeper")).unwrap();
        std::fs::write(from.join("tool"), "program").unwrap();
        let error = add(&cache, &component, &from).unwrap_err().to_string();
        assert!(error.contains("crds/*.yaml"), "{error}");
        std::fs::write(from.join("crds/b.yaml"), "kind: B").unwrap();
        std::fs::write(from.join("crds/deeper/a.yaml"), "---\nkind: A\n").unwrap();
        let folder = add(&cache, &component, &from).unwrap();
        assert_eq!(
            folder.files.keys().collect::<Vec<_>>(),
            ["crds.yaml", "tool"]
        );
        let text = std::fs::read_to_string(folder.dir.join("crds.yaml")).unwrap();
        assert_eq!(text, "---\nkind: A\n---\nkind: B\n");
        let archive = dir.path().join("release.tar.gz");
        let gzip = flate2::write::GzEncoder::new(
            std::fs::File::create(&archive).unwrap(),
            flate2::Compression::default(),
        );
        let mut tar = tar::Builder::new(gzip);
        tar.append_dir_all("v1", &from).unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let archived = add(&cache, &component, &archive).unwrap();
        assert_eq!(archived.files, folder.files);
        component.members.push("missing".into());
        let error = add(&cache, &component, &archive).unwrap_err().to_string();
        assert!(error.contains("missing in"), "{error}");
    }

    #[test]
    fn what_all_users_have_is_found_and_nobody_elses_to_prune() {
        let dir = tempfile::tempdir().unwrap();
        let (own, shared) = (dir.path().join("own"), dir.path().join("shared"));
        let both = Cache::beside(own.clone(), &shared).unwrap();
        let of_all = Cache::at(&shared).unwrap();
        assert_eq!(all(&both).unwrap(), []);
        assert!(find(&both, &component()).unwrap().is_none() && !own.exists());
        let from = dir.path().join("from");
        std::fs::create_dir(&from).unwrap();
        for name in ["tool", "crds.yaml"] {
            std::fs::write(from.join(name), name).unwrap();
        }
        let stored = add(&of_all, &component(), &from).unwrap();
        assert_eq!(find(&both, &component()).unwrap(), Some(stored.clone()));
        assert_eq!(obtain(&both, &component(), &Silent).unwrap(), stored);
        assert_eq!(all(&both).unwrap(), [stored]);
        let mut catalogue = Catalogue::builtin().unwrap();
        catalogue.components.clear();
        assert_eq!(unused(&both, &catalogue).unwrap(), []);
        // What one adds oneself comes first, and there is one of it.
        let mine = add(&both, &component(), &from).unwrap();
        assert!(mine.dir.starts_with(&own));
        assert_eq!(all(&both).unwrap(), [mine]);
    }

    #[test]
    fn added_found_verified_and_seen_when_it_rots() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let from = dir.path().join("from");
        std::fs::create_dir(&from).unwrap();
        std::fs::write(from.join("tool"), "program").unwrap();
        let error = add(&cache, &component(), &from).unwrap_err().to_string();
        assert!(error.contains("crds.yaml in"), "{error}");
        assert!(find(&cache, &component()).unwrap().is_none());
        let error = obtain(&cache, &component(), &Silent)
            .unwrap_err()
            .to_string();
        assert!(error.contains("artifact add tool PATH"), "{error}");
        std::fs::write(from.join("crds.yaml"), "crds").unwrap();
        let stored = add(&cache, &component(), &from).unwrap();
        assert_eq!(stored.files.len(), 2);
        assert_eq!(find(&cache, &component()).unwrap().unwrap(), stored);
        assert_eq!(obtain(&cache, &component(), &Silent).unwrap(), stored);
        assert_eq!(all(&cache).unwrap(), std::slice::from_ref(&stored));
        stored.verify().unwrap();
        std::fs::write(stored.dir.join("tool"), "pr0gram").unwrap();
        assert!(matches!(stored.verify(), Err(ImageError::Digest { .. })));
        let mut catalogue = Catalogue::builtin().unwrap();
        catalogue.components = vec![component()];
        assert_eq!(unused(&cache, &catalogue).unwrap(), []);
        catalogue.components[0].version = "1.1".into();
        assert_eq!(
            unused(&cache, &catalogue).unwrap(),
            std::slice::from_ref(&stored)
        );
        // Brought again it is whole again.
        add(&cache, &component(), &from).unwrap().verify().unwrap();
    }
}
