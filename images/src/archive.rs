//! Finished things carried to a machine that cannot make or download them.
//!
//! One plain tar of `KIND/KEY/FILE`; kinds are the cache's own directories. The same things give the same bytes. What
//! comes in is compared with the digests it came with before it stands under its name, and nothing else is taken in.

use crate::{
    cache::{self, Cache},
    components::{self, Stored},
    error::ImageError,
    hash, oci,
    store::Image,
};
use continuum_common::files::NewFile;
use std::{
    collections::BTreeSet,
    io::{BufReader, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

/// What an archive can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Software of the catalogue.
    Component,
    Image,
    /// A Debian package kept beside an image.
    Package,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Component, Self::Image, Self::Package];

    /// Directory in the cache, and first part of paths in an archive.
    const fn dir(self) -> &'static str {
        match self {
            Self::Component => "components",
            Self::Image => "images",
            Self::Package => "debs",
        }
    }

    /// Reads everything of an entry again.
    fn verify(self, dir: &Path, key: &str) -> Result<(), ImageError> {
        match self {
            Self::Component => Stored::load(dir)?.verify(),
            Self::Image => Image::load(dir.to_owned())?.verify(),
            Self::Package => files(dir)?.iter().try_for_each(|f| hash::verify(f, key)),
        }
    }
}

pub type Entry = (Kind, String);

fn files(dir: &Path) -> Result<Vec<PathBuf>, ImageError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        found.push(entry.map_err(ImageError::file("list", dir))?.path());
    }
    found.sort();
    Ok(found)
}

/// Writes entries to an archive, verified on the way out; it appears complete or not at all. Returns its size in bytes.
pub fn export(cache: &Cache, entries: &BTreeSet<Entry>, to: &Path) -> Result<u64, ImageError> {
    // Renaming onto a device or a link would put a file in its place.
    if std::fs::symlink_metadata(to).is_ok_and(|meta| !meta.is_file()) {
        return Err(ImageError::Missing {
            what: format!("a plain file or nothing at `{}`", to.display()),
            hint: "the archive is written to a file; name another one".into(),
        });
    }
    let mut new = NewFile::of(to, None).map_err(ImageError::file("create", to))?;
    write(cache, entries, new.file(), to)?;
    new.put().map_err(ImageError::file("write", to))?;
    let meta = std::fs::metadata(to).map_err(ImageError::file("read", to))?;
    Ok(meta.len())
}

fn write(
    cache: &Cache,
    entries: &BTreeSet<Entry>,
    out: &mut std::fs::File,
    to: &Path,
) -> Result<(), ImageError> {
    let mut archive = tar::Builder::new(BufWriter::new(out));
    for (kind, key) in entries {
        let dir = Path::new(kind.dir()).join(key);
        let dir = cache.find(&dir).unwrap_or_else(|| cache.path(dir));
        kind.verify(&dir, key)?;
        for file in files(&dir)? {
            let content = std::fs::File::open(&file).map_err(ImageError::file("read", &file))?;
            let meta = content
                .metadata()
                .map_err(ImageError::file("read", &file))?;
            let name = file.file_name().unwrap_or_default();
            let inside = Path::new(kind.dir()).join(key).join(name);
            // Kernels that are programs are started from where they lie.
            let is_program = meta.permissions().mode() & 0o100 != 0;
            let mode = if is_program { 0o755 } else { 0o644 };
            let mut header = oci::header(tar::EntryType::Regular, meta.len(), mode);
            archive
                .append_data(&mut header, inside, content)
                .map_err(ImageError::file("pack", &file))?;
        }
    }
    let finished = archive.into_inner().and_then(|mut out| out.flush());
    finished.map_err(ImageError::file("write", to))
}

/// Kind, key and file of a path in an archive; `None` = it has no business there.
fn place(path: &Path) -> Option<(Kind, String, String)> {
    let mut parts = Vec::new();
    for part in path.components() {
        let Component::Normal(name) = part else {
            return None;
        };
        parts.push(name.to_str()?.to_owned());
    }
    let [dir, key, file] = <[String; 3]>::try_from(parts).ok()?;
    let kind = Kind::ALL.into_iter().find(|k| k.dir() == dir)?;
    let is_key = key.len() == 64 && key.bytes().all(|b| b.is_ascii_hexdigit());
    is_key.then_some((kind, key, file))
}

/// Takes an archive in. Everything in it is unpacked and verified first; then each entry appears under its name, and
/// those that are there already stay as they are. Returns all entries of the archive.
pub fn import(cache: &Cache, from: &Path) -> Result<BTreeSet<Entry>, ImageError> {
    // One at a time, so that nobody unpacks where another does and the next one clears away what a killed one left.
    let lock_path = cache.subdir("")?.join(".import.lock");
    let lock = std::fs::File::create(&lock_path).map_err(ImageError::file("create", &lock_path))?;
    cache::wait_for_lock(&lock, &lock_path, cache::WITHIN)?;
    let incoming = cache.path(".import.partial");
    cache::remove(&incoming)?;
    let imported = unpack(from, &incoming).and_then(|entries| {
        for (kind, key) in &entries {
            kind.verify(&incoming.join(kind.dir()).join(key), key)?;
        }
        for (kind, key) in &entries {
            settle(cache, &incoming, *kind, key)?;
        }
        Ok(entries)
    });
    cache::remove(&incoming)?;
    imported
}

fn settle(cache: &Cache, incoming: &Path, kind: Kind, key: &str) -> Result<(), ImageError> {
    let target = cache.subdir(kind.dir())?.join(key);
    if target.exists() {
        return Ok(());
    }
    // Not one that was made here: it must go on being made anew when what it is made of changes.
    if kind == Kind::Component {
        components::mark_imported(cache, key)?;
    }
    std::fs::rename(incoming.join(kind.dir()).join(key), &target)
        .map_err(ImageError::file("rename to", &target))
}

fn unpack(from: &Path, into: &Path) -> Result<BTreeSet<Entry>, ImageError> {
    let bad = |why: String| ImageError::Parse {
        path: from.to_owned(),
        why: format!(
            "{why}; `continuum-ctl artifact export` and `image export` make such archives"
        ),
    };
    let file = std::fs::File::open(from).map_err(ImageError::file("open", from))?;
    let mut archive = tar::Archive::new(BufReader::new(file));
    let mut entries = BTreeSet::new();
    let read = || ImageError::file("read", from);
    for entry in archive.entries().map_err(read())? {
        let mut entry = entry.map_err(read())?;
        let path = entry.path().map_err(read())?.into_owned();
        let (kind, key, name) = place(&path)
            .filter(|_| entry.header().entry_type() == tar::EntryType::Regular)
            .ok_or_else(|| bad(format!("`{}` does not belong there", path.display())))?;
        let dir = into.join(kind.dir()).join(&key);
        std::fs::create_dir_all(&dir).map_err(ImageError::file("create", &dir))?;
        let target = dir.join(name);
        let mut out =
            std::fs::File::create_new(&target).map_err(ImageError::file("create", &target))?;
        std::io::copy(&mut entry, &mut out).map_err(ImageError::file("unpack", &target))?;
        if entry.header().mode().map_err(read())? & 0o100 != 0 {
            out.set_permissions(PermissionsExt::from_mode(0o755))
                .map_err(ImageError::file("set the mode of", &target))?;
        }
        entries.insert((kind, key));
    }
    if entries.is_empty() {
        return Err(bad("there is nothing in it".into()));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::{self, Catalogue, Component};

    fn component() -> Component {
        let mut component = Catalogue::builtin().unwrap().components[0].clone();
        component.name = "tool".into();
        component.version = "1.0".into();
        component.way = "file".into();
        component.members = vec!["tool".into()];
        component
    }

    struct Fixture {
        dir: tempfile::TempDir,
        here: Cache,
        there: Cache,
        stored: Stored,
    }

    fn fixture() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let here = Cache::at(dir.path().join("here")).unwrap();
        let there = Cache::at(dir.path().join("there")).unwrap();
        let from = dir.path().join("from");
        std::fs::create_dir(&from).unwrap();
        std::fs::write(from.join("tool"), "program").unwrap();
        let executable = PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(from.join("tool"), executable).unwrap();
        let stored = components::add(&here, &component(), &from).unwrap();
        Fixture {
            dir,
            here,
            there,
            stored,
        }
    }

    fn export_all(fixture: &Fixture) -> PathBuf {
        let archive = fixture.dir.path().join("all.tar");
        let entries = BTreeSet::from([(Kind::Component, fixture.stored.key.clone())]);
        export(&fixture.here, &entries, &archive).unwrap();
        archive
    }

    #[test]
    fn what_went_out_comes_in_once() {
        let fixture = fixture();
        let archive = export_all(&fixture);
        let before = hash::file(&archive).unwrap();
        assert_eq!(hash::file(&export_all(&fixture)).unwrap(), before);
        for _ in 0..2 {
            assert_eq!(import(&fixture.there, &archive).unwrap().len(), 1);
            let found = components::find(&fixture.there, &component())
                .unwrap()
                .unwrap();
            assert_eq!(found.files, fixture.stored.files);
            found.verify().unwrap();
            let mode = |name: &str| {
                let meta = std::fs::metadata(found.dir.join(name)).unwrap();
                meta.permissions().mode() & 0o111
            };
            assert_eq!((mode("tool"), mode("component.json")), (0o111, 0));
        }
        let marks = |cache: &Cache| {
            let names = files(&cache.path("components")).unwrap();
            let is_mark = |p: &&PathBuf| p.extension().is_some_and(|e| e == "imported");
            names.iter().filter(is_mark).count()
        };
        import(&fixture.here, &archive).unwrap();
        assert_eq!((marks(&fixture.here), marks(&fixture.there)), (0, 1));
        let left: Vec<_> = files(&fixture.there.path("")).unwrap();
        let lock = fixture.there.path(".import.lock");
        assert_eq!(left, [lock, fixture.there.path("components")]);
    }

    #[test]
    fn changed_bytes_and_foreign_paths_are_refused_whole() {
        let fixture = fixture();
        let archive = export_all(&fixture);
        let mut bytes = std::fs::read(&archive).unwrap();
        let at = bytes.windows(7).position(|w| w == b"program").unwrap();
        bytes[at] = b'P';
        std::fs::write(&archive, &bytes).unwrap();
        let error = import(&fixture.there, &archive).unwrap_err();
        assert!(
            matches!(error, ImageError::Digest { .. } | ImageError::Parse { .. }),
            "{error}"
        );
        bytes.truncate(bytes.len() / 2);
        std::fs::write(&archive, &bytes).unwrap();
        assert!(import(&fixture.there, &archive).is_err());
        let key = "a".repeat(64);
        for path in [
            "../x",
            "components/x",
            "components/../x",
            "weights/K/x",
            "debs/K/x/y",
        ] {
            let path = path.replace('K', &key);
            assert_eq!(place(Path::new(&path)), None, "{path}");
        }
        std::fs::write(&archive, [0; 1024]).unwrap();
        let error = import(&fixture.there, &archive).unwrap_err().to_string();
        assert!(error.contains("nothing in it"), "{error}");
        let left = files(&fixture.there.path("")).unwrap();
        assert_eq!(left, [fixture.there.path(".import.lock")]);
    }

    #[test]
    fn what_rotted_does_not_go_out() {
        let fixture = fixture();
        std::fs::write(fixture.stored.dir.join("tool"), "pr0gram").unwrap();
        let archive = fixture.dir.path().join("all.tar");
        let entries = BTreeSet::from([(Kind::Component, fixture.stored.key.clone())]);
        assert!(matches!(
            export(&fixture.here, &entries, &archive),
            Err(ImageError::Digest { .. })
        ));
        assert_eq!(files(fixture.dir.path()).unwrap().len(), 3, "no archive");
        let link = fixture.dir.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        let error = export(&fixture.here, &entries, &link).unwrap_err();
        assert!(error.to_string().contains("a plain file"), "{error}");
    }
}
