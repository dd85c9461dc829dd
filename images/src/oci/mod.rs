//! Container images made here: one layer of plain files on nothing, as an OCI archive that containerd and docker import.
//! The same files give the same bytes: entries in the order of names, all of root, all of one date, no compression.
//!
//! Source: OCI image format specification 1.1, image layout as a tar archive.

mod describe;
mod documents;

use crate::{SOURCE_DATE_EPOCH, error::ImageError, hash};
use documents::Blob;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

pub use describe::{Described, describe};

/// What an image is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Full name with tag, as `continuum.local/etcd:3.6.13`.
    pub reference: String,
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// Arguments, where a container has none of its own.
    pub arguments: Vec<String>,
    /// Environment beside `PATH`, as `NAME=value`.
    pub env: Vec<String>,
    /// Absolute path in the image to the file here; permissions come along.
    pub files: BTreeMap<String, PathBuf>,
}

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// An archive as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Digest of the image's manifest, as `sha256:…`: what containerd calls the image's digest.
    pub digest: String,
    pub size_bytes: u64,
}

/// Of root, of one date.
pub(crate) fn header(kind: tar::EntryType, size: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(SOURCE_DATE_EPOCH);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The one layer: every directory once, before what lies in it.
fn layer(files: &BTreeMap<String, PathBuf>, out: impl Write) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut archive = tar::Builder::new(out);
    let mut directories = std::collections::BTreeSet::new();
    for (inside, file) in files {
        let inside = inside.trim_start_matches('/');
        let parents: Vec<&Path> = Path::new(inside).ancestors().skip(1).collect();
        for parent in parents
            .into_iter()
            .rev()
            .filter(|p| !p.as_os_str().is_empty())
        {
            if directories.insert(parent.to_owned()) {
                let mut header = header(tar::EntryType::Directory, 0, 0o755);
                archive.append_data(
                    &mut header,
                    format!("{}/", parent.display()),
                    std::io::empty(),
                )?;
            }
        }
        let content = std::fs::File::open(file)?;
        let meta = content.metadata()?;
        let is_program = meta.permissions().mode() & 0o100 != 0;
        let mode = if is_program { 0o755 } else { 0o644 };
        let mut header = header(tar::EntryType::Regular, meta.len(), mode);
        archive.append_data(&mut header, inside, content)?;
    }
    archive.into_inner()?.flush()
}

/// Counts and hashes what goes through it.
struct Hashing<W> {
    out: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hasher.update(bytes.get(..n).unwrap_or_default());
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

pub fn write(spec: &ImageSpec, to: &Path) -> Result<Written, ImageError> {
    // The layer's digest stands in front of it, so it is written twice: once to a file without a name.
    let mut temporary = tempfile_beside(to)?;
    let layer = {
        let mut hashing = Hashing {
            out: std::io::BufWriter::new(&mut temporary),
            hasher: Sha256::new(),
            bytes: 0,
        };
        layer(&spec.files, &mut hashing).map_err(ImageError::file("write a layer for", to))?;
        Blob {
            digest: hex::encode(hashing.hasher.finalize()),
            size_bytes: hashing.bytes,
        }
    };
    let configuration = documents::configuration(spec, &layer)?;
    let manifest = documents::manifest(spec, &configuration.blob, &layer)?;
    let index = documents::index(spec, &manifest.blob)?;
    let for_docker = documents::for_docker(spec, &configuration.blob, &layer);
    let blob = |blob: &Blob| format!("blobs/sha256/{}", blob.digest);
    let texts = [
        ("oci-layout".to_owned(), LAYOUT),
        ("index.json".to_owned(), &*index),
        ("manifest.json".to_owned(), &*for_docker),
        (blob(&configuration.blob), &*configuration.text),
        (blob(&manifest.blob), &*manifest.text),
    ];
    let mut archive = || -> std::io::Result<u64> {
        let out = std::io::BufWriter::new(std::fs::File::create(to)?);
        let mut archive = tar::Builder::new(out);
        let mut add = |name: &str, size: u64, content: &mut dyn Read| {
            let mut header = header(tar::EntryType::Regular, size, 0o644);
            archive.append_data(&mut header, name, content)
        };
        for (name, text) in &texts {
            add(name, text.len() as u64, &mut text.as_bytes())?;
        }
        temporary.seek(SeekFrom::Start(0))?;
        add(&blob(&layer), layer.size_bytes, &mut temporary)?;
        let file = archive
            .into_inner()?
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)?;
        Ok(file.metadata()?.len())
    };
    let size_bytes = archive().map_err(ImageError::file("write", to))?;
    Ok(Written {
        digest: format!("sha256:{}", manifest.blob.digest),
        size_bytes,
    })
}

fn hash_of(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn tempfile_beside(to: &Path) -> Result<std::fs::File, ImageError> {
    let dir = to.parent().unwrap_or(Path::new("."));
    let flags =
        rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(dir, flags, rustix::fs::Mode::from_raw_mode(0o600))
        .map(Into::into)
        .map_err(|e| ImageError::file("create a temporary file in", dir)(e.into()))
}

/// Everything that an image's bytes depend on.
pub fn identity(spec: &ImageSpec) -> Result<String, ImageError> {
    let mut parts = vec![spec.reference.clone()];
    parts.extend(
        spec.entrypoint
            .iter()
            .chain(&spec.arguments)
            .chain(&spec.env)
            .cloned(),
    );
    for (inside, file) in &spec.files {
        parts.push(inside.clone());
        parts.push(hash::file(file)?);
    }
    Ok(hash::texts(parts.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn spec(dir: &Path) -> ImageSpec {
        let (program, data) = (dir.join("program"), dir.join("data"));
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(&data, "data").unwrap();
        ImageSpec {
            reference: "continuum.local/tool:1.0".into(),
            entrypoint: vec!["/usr/local/bin/program".into()],
            arguments: vec!["--help".into()],
            env: vec!["THREADS=1".into()],
            files: BTreeMap::from([
                ("/usr/local/bin/program".into(), program),
                ("/usr/local/share/data".into(), data),
            ]),
        }
    }

    fn members(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            found.insert(name, bytes);
        }
        found
    }

    #[test]
    fn every_blob_is_what_its_name_says_and_leads_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("image.tar");
        let written = write(&spec(dir.path()), &to).unwrap();
        let archive = std::fs::read(&to).unwrap();
        assert_eq!(written.size_bytes, archive.len() as u64);
        let described = Described {
            reference: "continuum.local/tool:1.0".into(),
            digest: written.digest.clone(),
        };
        assert_eq!(describe(&to).unwrap(), described);
        assert!(describe(&dir.path().join("data")).is_err());
        let members = members(&archive);
        for (name, bytes) in &members {
            if let Some(digest) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(hash_of(bytes), digest);
            }
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        let blob = |digest: &serde_json::Value| {
            let digest = digest.as_str().unwrap().strip_prefix("sha256:").unwrap();
            &members[&format!("blobs/sha256/{digest}")]
        };
        let index = json(&members["index.json"]);
        let entry = &index["manifests"][0];
        assert_eq!(
            entry["annotations"]["io.containerd.image.name"],
            "continuum.local/tool:1.0"
        );
        assert_eq!(entry["digest"], written.digest.as_str());
        let manifest = json(blob(&entry["digest"]));
        let config = json(blob(&manifest["config"]["digest"]));
        assert_eq!(config["config"]["Entrypoint"][0], "/usr/local/bin/program");
        assert_eq!(config["config"]["Cmd"][0], "--help");
        assert_eq!(config["config"]["Env"][1], "THREADS=1");
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        let mut names = Vec::new();
        let layer = blob(&manifest["layers"][0]["digest"]).clone();
        for entry in tar::Archive::new(&*layer).entries().unwrap() {
            let entry = entry.unwrap();
            let mode = entry.header().mode().unwrap();
            names.push(format!("{} {mode:o}", entry.path().unwrap().display()));
        }
        assert_eq!(
            names,
            [
                "usr/ 755",
                "usr/local/ 755",
                "usr/local/bin/ 755",
                "usr/local/bin/program 755",
                "usr/local/share/ 755",
                "usr/local/share/data 644"
            ]
        );
    }

    #[test]
    fn the_same_files_give_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let spec = spec(dir.path());
        let (a, b) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
        assert_eq!(write(&spec, &a).unwrap(), write(&spec, &b).unwrap());
        assert!(std::fs::read(a).unwrap() == std::fs::read(b).unwrap());
        let other = ImageSpec {
            reference: "continuum.local/tool:1.1".into(),
            ..spec.clone()
        };
        assert_ne!(identity(&spec).unwrap(), identity(&other).unwrap());
    }
}
