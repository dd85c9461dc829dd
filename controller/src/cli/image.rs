//! image build, list, verify.

use super::{args::ImageAction, output::Output};
use crate::{error::Error, provider::Context};
use continuum_images::{binaries, spec::SourceTree, store};
use serde_json::json;

fn source_tree(path: &std::path::Path) -> Result<SourceTree, Error> {
    let path = path.canonicalize().map_err(Error::file("find", path))?;
    Ok(SourceTree::find(&path)?)
}

fn need_root() -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: "image build".into(),
        reasons: vec!["package trees are unpacked as root; run it with sudo".into()],
    })
}

pub(super) fn run(context: &Context, output: &Output, action: ImageAction) -> Result<(), Error> {
    let (cache, progress) = (&context.cache, &*context.progress);
    match action {
        ImageAction::Build {
            source,
            locked,
            bundle_only,
        } => {
            need_root()?;
            let source = source_tree(&source)?;
            if bundle_only {
                let root = store::build_root(cache, &source, progress)?;
                let (_, bundle) = store::build_bundle(cache, &source, &root, progress)?;
                output.text(&format!("workload bundle: {}", bundle.display()));
                output.json(&json!({ "bundle": bundle }));
                return Ok(());
            }
            let image = store::build(cache, &source, &store::BuildOptions { locked }, progress)?;
            output.text(&format!(
                "image {}: {} packages, {} MB\n{}",
                short(&image.manifest.key),
                image.manifest.packages.packages.len(),
                image.manifest.disk_bytes / 1_000_000,
                image.dir.display()
            ));
            output.json(&json!({ "dir": image.dir, "manifest": image.manifest }));
        }
        ImageAction::List => {
            let (images, current) = store::list(cache)?;
            let rows = images
                .iter()
                .map(|i| {
                    let m = &i.manifest;
                    let is_current = current.as_deref() == Some(m.key.as_str());
                    vec![
                        short(&m.key),
                        m.suite.clone(),
                        m.packages.packages.len().to_string(),
                        format!("{} MB", m.disk_bytes / 1_000_000),
                        if is_current {
                            "yes".into()
                        } else {
                            String::new()
                        },
                    ]
                })
                .collect();
            output.table(&["image", "Debian", "packages", "size", "current"], rows);
            let keys: Vec<_> = images.iter().map(|i| &i.manifest.key).collect();
            output.json(&json!({ "images": keys, "current": current }));
        }
        ImageAction::Verify => {
            let image = store::current(cache)?;
            image.verify()?;
            output.text(&format!(
                "image {}: every file is as it was built",
                short(&image.manifest.key)
            ));
            output.json(&json!({ "ok": true, "key": image.manifest.key }));
        }
        ImageAction::Cargo { source, arguments } => {
            need_root()?;
            let source = source_tree(&source)?;
            let root = store::build_root(cache, &source, progress)?;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            binaries::cargo_with_torch(cache, &source, &root.tree, &arguments)?;
        }
    }
    Ok(())
}

fn short(key: &str) -> String {
    key.chars().take(12).collect()
}
