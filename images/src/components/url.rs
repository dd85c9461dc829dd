//! Files that somebody publishes, by address. What comes is compared with the digest in the catalogue or, where that has
//! none, with the one that was noted when it came for the first time: nobody exchanges it unseen.

use super::{
    Component, Fetcher, add_command, build_command,
    members::{self, is_archive},
};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
};
use continuum_common::files;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

const DOWNLOAD_DEADLINE: Duration = Duration::from_mins(30);

#[derive(Debug)]
pub(super) struct Url;

impl Fetcher for Url {
    fn name(&self) -> &'static str {
        "url"
    }

    fn takes_files(&self) -> bool {
        true
    }

    fn how_to_get(&self, component: &Component) -> String {
        let (build, add) = (build_command(component), add_command(component));
        format!("{build} (downloads it), or {add} (a folder or the release's archive)")
    }

    fn inputs(&self, _cache: &Cache, _component: &Component) -> Result<String, ImageError> {
        // Addresses and digests are part of the catalogue's entry.
        Ok(String::new())
    }

    fn obtain(
        &self,
        cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        for (name, file) in &component.urls {
            report.step(&format!("downloading {}", file.address));
            let to = into.join(name);
            if let Some(dir) = to.parent() {
                std::fs::create_dir_all(dir).map_err(ImageError::file("create", dir))?;
            }
            download(&file.address, &to)?;
            if let Some(address) = &file.sha512_at {
                let beside = into.join("sha512");
                download(address, &beside)?;
                let text =
                    std::fs::read_to_string(&beside).map_err(ImageError::file("read", &beside))?;
                std::fs::remove_file(&beside).map_err(ImageError::file("remove", &beside))?;
                hash::verify_sha512(&to, text.split_whitespace().next().unwrap_or_default())?;
            }
            match &file.sha256 {
                Some(digest) => hash::verify(&to, digest)?,
                None => compare_or_note(cache, &file.address, &to)?,
            }
            if is_archive(name) && !component.members.is_empty() {
                members::unpack(&to, &component.members, &[], into)?;
                std::fs::remove_file(&to).map_err(ImageError::file("remove", &to))?;
            }
        }
        members::join(component, into, into)?;
        for folder in component.joined.values() {
            let folder = into.join(folder);
            std::fs::remove_dir_all(&folder).map_err(ImageError::file("remove", &folder))?;
        }
        Ok(())
    }
}

fn download(address: &str, to: &Path) -> Result<(), ImageError> {
    Program::new(format!("download {address}"), "curl")
        .args(["--fail", "--location", "--silent", "--show-error"])
        .args(["--proto", "=https,file", "--proto-redir", "=https"])
        .args(["--output", &to.display().to_string(), address])
        .deadline(DOWNLOAD_DEADLINE)
        .run()
        .map(|_| ())
}

fn notes(cache: &Cache) -> Result<PathBuf, ImageError> {
    Ok(cache.subdir("locks")?.join("urls.toml"))
}

fn compare_or_note(cache: &Cache, address: &str, file: &Path) -> Result<(), ImageError> {
    let path = notes(cache)?;
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut known: BTreeMap<String, String> =
        toml::from_str(&text).map_err(|e| ImageError::Parse {
            path: path.clone(),
            why: e.to_string(),
        })?;
    if let Some(digest) = known.get(address) {
        return hash::verify(file, digest);
    }
    known.insert(address.to_owned(), hash::file(file)?);
    let text = toml::to_string(&known).map_err(|e| ImageError::Parse {
        path: path.clone(),
        why: e.to_string(),
    })?;
    files::replace(&path, None, text).map_err(ImageError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{components::catalogue::Published, error::Silent};

    /// A component of a release archive in a directory.
    fn component(dir: &Path, content: &str, sha256: Option<String>, member: &str) -> Component {
        let archive = dir.join("release.tar.gz");
        let gzip = flate2::write::GzEncoder::new(
            std::fs::File::create(&archive).unwrap(),
            flate2::Compression::default(),
        );
        let mut tar = tar::Builder::new(gzip);
        let mut header = crate::oci::header(tar::EntryType::Regular, content.len() as u64, 0o755);
        tar.append_data(&mut header, "v1/bin/tool", content.as_bytes())
            .unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        let text = format!(
            "name = \"tool\"\nversion = \"1\"\nsummary = \"a tool\"\nway = \"url\"\nmembers = [\"{member}\"]\n"
        );
        let mut component: Component = toml::from_str(&text).unwrap();
        let published = Published {
            address: format!("file://{}", archive.display()),
            sha256,
            sha512_at: None,
        };
        component.urls.insert("release.tar.gz".into(), published);
        component
    }

    #[test]
    fn what_is_published_must_stay_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let get = |component: &Component, name: &str| {
            let into = dir.path().join(name);
            std::fs::create_dir(&into).unwrap();
            Url.obtain(&cache, component, &into, &Silent).map(|()| into)
        };
        let first = component(dir.path(), "first", None, "tool");
        let into = get(&first, "a").unwrap();
        assert_eq!(std::fs::read_to_string(into.join("tool")).unwrap(), "first");
        assert!(!into.join("release.tar.gz").exists());
        // The same again is right, another one is not.
        get(&first, "b").unwrap();
        let other = component(dir.path(), "other", None, "tool");
        let error = get(&other, "c").unwrap_err().to_string();
        assert!(error.contains("release.tar.gz"), "{error}");
    }

    #[test]
    fn a_published_checksum_must_fit() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let mut component = component(dir.path(), "content", None, "tool");
        let beside = dir.path().join("checksum.txt");
        let file = component.urls.get_mut("release.tar.gz").unwrap();
        file.sha512_at = Some(format!("file://{}", beside.display()));
        for (digest, is_right) in [("0".repeat(128), false), (sha512(dir.path()), true)] {
            std::fs::write(&beside, format!("{digest}\n")).unwrap();
            let into = dir.path().join(format!("into-{is_right}"));
            std::fs::create_dir(&into).unwrap();
            let got = Url.obtain(&cache, &component, &into, &Silent);
            assert_eq!(got.is_ok(), is_right, "{got:?}");
        }
    }

    fn sha512(dir: &Path) -> String {
        use sha2::Digest;
        let bytes = std::fs::read(dir.join("release.tar.gz")).unwrap();
        hex::encode(sha2::Sha512::digest(bytes))
    }

    #[test]
    fn a_digest_in_the_catalogue_and_a_missing_member_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache")).unwrap();
        let into = dir.path().join("into");
        std::fs::create_dir(&into).unwrap();
        let wrong = component(dir.path(), "x", Some("0".repeat(64)), "tool");
        assert!(Url.obtain(&cache, &wrong, &into, &Silent).is_err());
        let missing = component(dir.path(), "x", None, "no-such-program");
        let error = Url.obtain(&cache, &missing, &into, &Silent).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}
