//! A result directory as one file, for another machine.

use crate::{
    error::ResultsError,
    read::{directory_name, is_result},
};
use continuum_common::files::NewFile;
use continuum_host::error::Error;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::{
    fs::File,
    path::{Component, Path, PathBuf},
};

const LEADS_ELSEWHERE: &str = "it has a path that leads elsewhere; it is no archive of `bundle`";

/// Writes a result directory with everything in it to a `.tar.gz`, whole or not at all.
pub fn pack(dir: &Path, file: &Path) -> Result<(), Error> {
    if !is_result(dir) {
        return Err(Error::Words {
            doing: format!("bundle `{}`", dir.display()),
            why: "there is no result.json in it; name a directory that `bench` or `run` made"
                .into(),
        });
    }
    // Of `.` too.
    let dir = dir.canonicalize().map_err(Error::file("find", dir))?;
    let place = file.parent().filter(|place| !place.as_os_str().is_empty());
    let place = place.unwrap_or(Path::new(".")).canonicalize();
    if place.is_ok_and(|place| place.starts_with(&dir)) {
        return Err(Error::Words {
            doing: format!("bundle `{}` as `{}`", dir.display(), file.display()),
            why: "the archive would be a part of what is in it; name a place outside of that directory".into(),
        });
    }
    let name = directory_name(&dir);
    let write = || {
        let mut new = NewFile::of(file, None)?;
        let archive = GzEncoder::new(new.file(), Compression::default());
        let mut archive = tar::Builder::new(archive);
        archive.append_dir_all(&name, &dir)?;
        archive.into_inner()?.finish()?;
        new.put()
    };
    write().map_err(Error::file("write", file))
}

/// Takes such a file apart below a directory, and says where the result is. What is neither a file nor a directory of the
/// one result is refused.
pub fn unpack(file: &Path, below: &Path) -> Result<PathBuf, Error> {
    let refused = |why: &'static str| {
        let path = file.to_owned();
        Error::from(ResultsError::Archive { path, why })
    };
    let failed = |error| Error::file("unpack", file)(error);
    let opened = File::open(file).map_err(Error::file("read", file))?;
    let mut archive = tar::Archive::new(GzDecoder::new(opened));
    let mut name: Option<PathBuf> = None;
    for entry in archive.entries().map_err(failed)? {
        let mut entry = entry.map_err(failed)?;
        let path = entry.path().map_err(failed)?.into_owned();
        let Some(Component::Normal(first)) = path.components().next() else {
            return Err(refused(LEADS_ELSEWHERE));
        };
        let first = PathBuf::from(first);
        let is_plain =
            entry.header().entry_type().is_file() || entry.header().entry_type().is_dir();
        if !is_plain || name.as_ref().is_some_and(|name| *name != first) {
            return Err(refused(
                "it holds other things than one result; it is no archive of `bundle`",
            ));
        }
        name = Some(first);
        if !entry.unpack_in(below).map_err(failed)? {
            return Err(refused(LEADS_ELSEWHERE));
        }
    }
    let dir = name.map(|name| below.join(name));
    dir.filter(|dir| is_result(dir))
        .ok_or_else(|| refused("there is no result in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_comes_back_as_it_was_and_nothing_else_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let result = dir.path().join("one");
        std::fs::create_dir_all(result.join("logs")).unwrap();
        let archive = dir.path().join("one.tar.gz");
        let error = pack(&result, &archive).unwrap_err();
        assert!(error.to_string().contains("no result.json"), "{error}");
        std::fs::write(result.join("result.json"), "{}").unwrap();
        std::fs::write(result.join("logs/a.log"), "said").unwrap();
        pack(&result, &archive).unwrap();
        let error = pack(&result, &result.join("logs/one.tar.gz")).unwrap_err();
        assert!(error.to_string().contains("a place outside"), "{error}");
        let elsewhere = dir.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        let back = unpack(&archive, &elsewhere).unwrap();
        assert_eq!(back, elsewhere.join("one"));
        assert_eq!(
            std::fs::read_to_string(back.join("logs/a.log")).unwrap(),
            "said"
        );

        std::fs::write(&archive, "no archive").unwrap();
        let error = unpack(&archive, &elsewhere).unwrap_err();
        assert!(error.to_string().contains("one.tar.gz"), "{error}");
    }

    #[test]
    fn a_link_in_an_archive_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bad.tar.gz");
        let mut archive = tar::Builder::new(GzEncoder::new(
            File::create(&file).unwrap(),
            Compression::fast(),
        ));
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        archive
            .append_link(&mut header, "one/result.json", "/etc/passwd")
            .unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        let error = unpack(&file, dir.path()).unwrap_err();
        assert!(error.to_string().contains("other things"), "{error}");
        assert!(!dir.path().join("one").exists());
    }
}
