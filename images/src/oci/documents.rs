//! The JSON documents of an image: its configuration, manifest and index, and what docker reads instead of the index.

use super::{ImageSpec, hash_of};
use crate::error::ImageError;
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, Os, RootFsBuilder, SCHEMA_VERSION,
    Sha256Digest,
};
use std::{collections::HashMap, path::PathBuf, str::FromStr};

/// Where containerd looks for the whole name of an image, and docker and others for its tag.
pub(super) const NAME: &str = "io.containerd.image.name";
const TAG: &str = "org.opencontainers.image.ref.name";
const PATH: &str = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Something with a digest, in hex, and a size.
pub(super) struct Blob {
    pub(super) digest: String,
    pub(super) size_bytes: u64,
}

/// Text that another document names by its digest.
pub(super) struct Document {
    pub(super) text: String,
    pub(super) blob: Blob,
}

impl Document {
    fn new(text: String) -> Self {
        let blob = Blob {
            digest: hash_of(text.as_bytes()),
            size_bytes: text.len() as u64,
        };
        Self { text, blob }
    }
}

fn bad(spec: &ImageSpec) -> impl FnOnce(oci_spec::OciSpecError) -> ImageError {
    let path = PathBuf::from(&spec.reference);
    move |e| ImageError::Parse {
        path,
        why: e.to_string(),
    }
}

/// How to run it, and which layer it has.
pub(super) fn configuration(spec: &ImageSpec, layer: &Blob) -> Result<Document, ImageError> {
    let mut config = ConfigBuilder::default();
    if !spec.arguments.is_empty() {
        config = config.cmd(spec.arguments.clone());
    }
    let env = std::iter::once(PATH.to_owned()).chain(spec.env.iter().cloned());
    let config = config
        .entrypoint(spec.entrypoint.clone())
        .env(env.collect::<Vec<_>>())
        .build()
        .map_err(bad(spec))?;
    let rootfs = RootFsBuilder::default()
        .typ("layers")
        .diff_ids(vec![format!("sha256:{}", layer.digest)])
        .build()
        .map_err(bad(spec))?;
    ImageConfigurationBuilder::default()
        .created("2026-01-01T00:00:00Z")
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config)
        .rootfs(rootfs)
        .history(Vec::new())
        .build()
        .and_then(|c| c.to_string())
        .map(Document::new)
        .map_err(bad(spec))
}

fn descriptor(spec: &ImageSpec, kind: MediaType, blob: &Blob) -> Result<Descriptor, ImageError> {
    DescriptorBuilder::default()
        .media_type(kind)
        .digest(Sha256Digest::from_str(&blob.digest).map_err(bad(spec))?)
        .size(blob.size_bytes)
        .build()
        .map_err(bad(spec))
}

pub(super) fn manifest(
    spec: &ImageSpec,
    configuration: &Blob,
    layer: &Blob,
) -> Result<Document, ImageError> {
    ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(descriptor(spec, MediaType::ImageConfig, configuration)?)
        .layers(vec![descriptor(spec, MediaType::ImageLayer, layer)?])
        .build()
        .and_then(|m| m.to_string())
        .map(Document::new)
        .map_err(bad(spec))
}

pub(super) fn index(spec: &ImageSpec, manifest: &Blob) -> Result<String, ImageError> {
    let mut entry = descriptor(spec, MediaType::ImageManifest, manifest)?;
    let tag = spec.reference.rsplit_once(':');
    let tag = tag.map_or("latest", |(_, tag)| tag);
    entry.set_annotations(Some(HashMap::from([
        (NAME.to_owned(), spec.reference.clone()),
        (TAG.to_owned(), tag.to_owned()),
    ])));
    let index = ImageIndexBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageIndex)
        .manifests(vec![entry])
        .build()
        .map_err(bad(spec))?;
    // Its annotations are a map in no order; the text must always be the same.
    let sorted = serde_json::to_value(&index).map_err(|e| ImageError::Parse {
        path: PathBuf::from(&spec.reference),
        why: e.to_string(),
    })?;
    Ok(sorted.to_string())
}

pub(super) fn for_docker(spec: &ImageSpec, configuration: &Blob, layer: &Blob) -> String {
    serde_json::json!([{
        "Config": format!("blobs/sha256/{}", configuration.digest),
        "RepoTags": [spec.reference],
        "Layers": [format!("blobs/sha256/{}", layer.digest)],
    }])
    .to_string()
}
