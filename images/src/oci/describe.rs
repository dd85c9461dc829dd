//! What an archive of a container image says that it holds.

use super::documents::NAME;
use crate::error::ImageError;
use std::{io::Read, path::Path};

/// An index of one image is a few hundred bytes.
const LARGEST_INDEX: u64 = 1 << 20;

/// What an archive holds, by its own index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Full name with tag.
    pub reference: String,
    /// Of the manifest, as `sha256:…`.
    pub digest: String,
}

/// As `NAME@DIGEST`.
impl std::fmt::Display for Described {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.reference, self.digest)
    }
}

/// Reads the name and the digest of the one image of an archive, in OCI's layout or in docker's older one, which has no
/// digest.
pub fn describe(archive: &Path) -> Result<Described, ImageError> {
    let bad = |why: &str| ImageError::Parse {
        path: archive.to_owned(),
        why: why.to_owned(),
    };
    let file = std::fs::File::open(archive).map_err(ImageError::file("read", archive))?;
    let mut reader = tar::Archive::new(std::io::BufReader::new(file));
    let entries = reader.entries_with_seek();
    let (mut index, mut for_docker) = (None, None);
    for entry in entries.map_err(ImageError::file("read", archive))? {
        let entry = entry.map_err(ImageError::file("read", archive))?;
        let name = entry
            .path()
            .map(|p| p.display().to_string())
            .unwrap_or_default();
        let place = match name.trim_start_matches("./") {
            "index.json" => &mut index,
            "manifest.json" => &mut for_docker,
            _ => continue,
        };
        let value: serde_json::Value =
            serde_json::from_reader(entry.take(LARGEST_INDEX)).map_err(|e| bad(&e.to_string()))?;
        *place = Some(value);
        if index.is_some() && for_docker.is_some() {
            break;
        }
    }
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let one = |list: Option<&serde_json::Value>| match list.and_then(|l| l.as_array()) {
        Some(list) if list.len() > 1 => Err(bad("it holds more than one image")),
        Some(list) => Ok(list.first().cloned()),
        None => Ok(None),
    };
    let entry = one(index.as_ref().map(|i| &i["manifests"]))?.unwrap_or_default();
    let tags = one(for_docker.as_ref())?.unwrap_or_default();
    let reference = text(&entry["annotations"][NAME]).or_else(|| text(&tags["RepoTags"][0]));
    match reference {
        Some(reference) => Ok(Described {
            reference: full_name(&reference),
            digest: text(&entry["digest"]).unwrap_or_default(),
        }),
        None if index.is_none() && for_docker.is_none() => Err(bad(
            "it is no archive of a container image: it has neither index.json nor manifest.json",
        )),
        None => Err(bad("its image has no name; save it by name and tag")),
    }
}

/// A name as containerd keeps it: docker leaves its own registry out of what it saves.
fn full_name(reference: &str) -> String {
    match reference.split_once('/') {
        None => format!("docker.io/library/{reference}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => reference.to_owned(),
        Some(_) => format!("docker.io/{reference}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_saved_before_it_knew_the_layout_of_oci_has_its_full_name() {
        let dir = tempfile::tempdir().unwrap();
        let old = dir.path().join("old.tar");
        let mut docker = tar::Builder::new(std::fs::File::create(&old).unwrap());
        let tags = br#"[{"Config":"c.json","RepoTags":["app:2"],"Layers":[]}]"#;
        let mut header = super::super::header(tar::EntryType::Regular, tags.len() as u64, 0o644);
        docker
            .append_data(&mut header, "manifest.json", &tags[..])
            .unwrap();
        docker.finish().unwrap();
        let described = describe(&old).unwrap().to_string();
        assert_eq!(described, "docker.io/library/app:2@");
        for (saved, full) in [
            ("me/app:2", "docker.io/me/app:2"),
            ("localhost/app:2", "localhost/app:2"),
            ("here:5000/app:2", "here:5000/app:2"),
            ("continuum.local/app:2", "continuum.local/app:2"),
        ] {
            assert_eq!(full_name(saved), full);
        }
    }
}
