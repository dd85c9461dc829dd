//! image build, list, verify, export, import, prune.

use super::output::Output;
use crate::error::CommandError;
use clap::Subcommand;
use continuum_host::{context::Context, error::Error, process, state::Deployment};
use continuum_images::{
    archive::{self, Kind},
    binaries, build, cache as image_cache, leftovers, raw,
    spec::SourceTree,
    store,
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ImageAction {
    /// Build the guest image, or find that it is up to date (needs root)
    Build {
        /// Source tree
        #[arg(long, default_value = ".")]
        source: PathBuf,
        /// Use the package versions of this lock
        #[arg(long)]
        locked: Option<PathBuf>,
        /// Only the workload bundle, which is all that provider `local` needs
        #[arg(long)]
        bundle_only: bool,
        /// Also the image with the container images of this role in it, such as kubernetes
        #[arg(long, conflicts_with = "bundle_only")]
        role: Option<String>,
    },
    /// List images
    List,
    /// Read every file of the current image again and compare digests
    Verify,
    /// Write the current image, with the packages beside it, to an archive for a machine without a network
    Export {
        /// Archive
        file: PathBuf,
    },
    /// Take in such an archive; its image becomes the current one
    Import {
        /// Archive
        file: PathBuf,
    },
    /// Remove images, their copies in the storage pool and bundles that are neither current nor used by a deployment, and
    /// what killed builds left half made
    Prune {
        /// Also copies of the current image that no deployment uses; the next `up` makes them again
        #[arg(long)]
        copies: bool,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Run cargo in the build root, for the crates that need libtorch
    #[command(hide = true)]
    Cargo {
        /// Source tree
        #[arg(long, default_value = ".")]
        source: PathBuf,
        /// Arguments of cargo
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
}

/// Unused builds of more than this are worth a word.
const MUCH_BYTES: u64 = 8_000_000_000;

fn source_tree(path: &std::path::Path) -> Result<SourceTree, Error> {
    let path = path.canonicalize().map_err(Error::file("find", path))?;
    Ok(SourceTree::find(&path)?)
}

fn need_root(arguments: &str) -> Result<(), Error> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    Err(Error::Preflight {
        name: "image build".into(),
        reasons: vec![format!(
            "package trees are unpacked as root; for all users of this machine: {}",
            image_cache::root_command(arguments)
        )],
    })
}

pub(super) fn run(context: &Context, output: &Output, action: ImageAction) -> Result<(), Error> {
    let (cache, progress) = (&context.cache, &*context.progress);
    match action {
        ImageAction::Build {
            source,
            locked,
            bundle_only,
            role,
        } => {
            need_root(if bundle_only {
                "image build --bundle-only"
            } else {
                "image build"
            })?;
            let source = source_tree(&source)?;
            if bundle_only {
                let root = build::build_root(cache, &source, progress)?;
                let (_, bundle) = build::build_bundle(cache, &source, &root, progress)?;
                output.text(&format!("workload bundle: {}", bundle.display()));
                output.json(&json!({ "bundle": bundle }));
                return Ok(());
            }
            let options = build::BuildOptions { locked, role };
            let image = build::build(cache, &source, &options, progress)?;
            output.text(&format!(
                "image {}: {} packages, {} container images, {} MB\n{}",
                short(&image.manifest.key),
                image.manifest.packages.packages.len(),
                image.manifest.containers.len(),
                image.manifest.disk_bytes / 1_000_000,
                image.dir.display()
            ));
            output.json(&json!({ "dir": image.dir, "manifest": image.manifest }));
            // Each change of the agent is an image of gigabytes more; a developer's disk is full after a day of them.
            let older = store::unused(cache, &used(context)?)?;
            let bytes: u64 = older.iter().map(|(_, bytes)| bytes).sum();
            if bytes >= MUCH_BYTES {
                output.text(&format!(
                    "{} MB of older builds are used by nothing; remove them: continuum-ctl image prune",
                    bytes / 1_000_000
                ));
            }
        }
        ImageAction::List => {
            let (images, currents) = store::list(cache)?;
            let rows = images
                .iter()
                .map(|i| {
                    let m = &i.manifest;
                    let is_current = currents.contains(&m.key);
                    vec![
                        short(&m.key),
                        m.role.clone(),
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
            output.table(
                &["image", "role", "Debian", "packages", "size", "current"],
                rows,
            );
            let keys: Vec<_> = images.iter().map(|i| &i.manifest.key).collect();
            output.json(&json!({ "images": keys, "current": currents }));
        }
        ImageAction::Verify => {
            store::current(cache)?;
            let (images, currents) = store::list(cache)?;
            for image in images.iter().filter(|i| currents.contains(&i.manifest.key)) {
                image.verify()?;
                output.text(&format!(
                    "image {}: every file is as it was built",
                    short(&image.manifest.key)
                ));
            }
            output.json(&json!({ "ok": true, "keys": currents }));
        }
        ImageAction::Export { file } => export(context, output, &file)?,
        ImageAction::Import { file } => import(context, output, &file)?,
        ImageAction::Prune { dry_run, copies } => prune(context, output, dry_run, copies)?,
        ImageAction::Cargo { source, arguments } => {
            need_root("image cargo")?;
            let source = source_tree(&source)?;
            let root = build::build_root(cache, &source, progress)?;
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            binaries::cargo_with_torch(cache, &source, &root.tree, &arguments)?;
        }
    }
    Ok(())
}

fn export(context: &Context, output: &Output, file: &Path) -> Result<(), Error> {
    let cache = &context.cache;
    let image = store::current(cache)?;
    let mut entries = BTreeSet::from([(Kind::Image, image.manifest.key.clone())]);
    let (images, currents) = store::list(cache)?;
    let same = |i: &&store::Image| {
        currents.contains(&i.manifest.key) && i.manifest.is_same_guest(&image.manifest)
    };
    let roles = images.iter().filter(same);
    entries.extend(roles.map(|i| (Kind::Image, i.manifest.key.clone())));
    let images = entries.len();
    let extras = image.manifest.extras.values().flat_map(|l| &l.packages);
    entries.extend(extras.map(|p| (Kind::Package, p.sha256.clone())));
    context
        .progress
        .say(&format!("verifying and packing {}", file.display()));
    let bytes = archive::export(cache, &entries, file)?;
    context.progress.finish();
    output.text(&format!(
        "{}: image {}, {} of roles and {} packages beside it, {} MB; there: continuum-ctl image import {}",
        file.display(),
        short(&image.manifest.key),
        images - 1,
        entries.len() - images,
        bytes / 1_000_000,
        file.display()
    ));
    output.json(&json!({ "file": file.display().to_string(), "size_bytes": bytes, "key": image.manifest.key }));
    Ok(())
}

fn import(context: &Context, output: &Output, file: &Path) -> Result<(), Error> {
    context
        .progress
        .say(&format!("unpacking and verifying {}", file.display()));
    let entries = archive::import(&context.cache, file)?;
    let keys: Vec<_> = entries
        .iter()
        .filter_map(|(kind, key)| (*kind == Kind::Image).then_some(key))
        .collect();
    if keys.is_empty() {
        let path = file.to_owned();
        return Err(CommandError::NoImage { path }.into());
    }
    for key in &keys {
        store::make_current(&context.cache, key)?;
    }
    context.progress.finish();
    for key in &keys {
        output.text(&format!("image {} is taken from now on", short(key)));
    }
    output.json(&json!({ "keys": keys }));
    Ok(())
}

/// Images and bundles of deployments.
fn used(context: &Context) -> Result<BTreeSet<String>, Error> {
    let mut kept = BTreeSet::new();
    for name in context.root.names()? {
        if let Some(deployment) = Deployment::load(&context.root, &name)? {
            let facts = deployment.facts();
            kept.extend([&facts.image, &facts.bundle].into_iter().flatten().cloned());
        }
    }
    Ok(kept)
}

/// What machines start from beside the store: disks in the storage pool, and disks and kernels of guests of provider uml,
/// but for those of these images.
fn copies_but_of(
    context: &Context,
    stays: &BTreeSet<String>,
) -> Result<Vec<(PathBuf, u64)>, Error> {
    let (images, _) = store::list(&context.cache)?;
    let digests: Vec<&str> = images
        .iter()
        .filter(|i| stays.contains(&i.manifest.key))
        .flat_map(|i| i.manifest.files.values().map(String::as_str))
        .collect();
    let mut copies = Vec::new();
    for path in context.root.unused_bases(&digests)? {
        let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
        copies.push((path, bytes));
    }
    let of_uml = image_cache::Cache::at(context.root.uml())?;
    copies.extend(raw::unused(&of_uml, stays)?);
    Ok(copies)
}

/// Disks and seeds that no deployment knows any more and no machine has open: on a seed are keys.
fn orphans(context: &Context) -> Result<Vec<(PathBuf, u64)>, Error> {
    let mut ids = Vec::new();
    for name in context.root.names()? {
        ids.extend(Deployment::load(&context.root, &name)?.map(|d| d.id()));
    }
    let mut orphans = Vec::new();
    for path in context.root.orphaned_disks(&ids)? {
        if !process::is_open(&path) {
            let bytes = std::fs::metadata(&path).map_or(0, |m| m.len());
            orphans.push((path, bytes));
        }
    }
    Ok(orphans)
}

/// How much of what machines started from is used by no deployment and stays for the next one.
pub(super) fn bytes_that_stay(context: &Context) -> Result<u64, Error> {
    let copies = copies_but_of(context, &used(context)?)?;
    Ok(copies.iter().map(|(_, bytes)| bytes).sum())
}

fn prune(
    context: &Context,
    output: &Output,
    dry_run: bool,
    with_copies: bool,
) -> Result<(), Error> {
    let kept = used(context)?;
    let mut unused = store::unused(&context.cache, &kept)?;
    // Held, so that no `up` is bringing an image into the pool meanwhile.
    let _pool = context.root.pool_lock()?;
    let mut stays = kept;
    if !with_copies {
        stays.extend(store::list(&context.cache)?.1);
    }
    unused.extend(copies_but_of(context, &stays)?);
    unused.extend(orphans(context)?);
    unused.extend(continuum_provider::uml::unused_kernels(context)?);
    let left = leftovers::all(&context.cache)?;
    if !dry_run {
        for (path, _) in &unused {
            image_cache::remove(path)?;
        }
        for (path, _) in &left {
            leftovers::remove(path)?;
        }
    }
    unused.extend(left);
    let mut rows = Vec::new();
    for (path, bytes) in &unused {
        rows.push(vec![
            path.display().to_string(),
            format!("{} MB", bytes / 1_000_000),
        ]);
    }
    let bytes: u64 = unused.iter().map(|(_, bytes)| bytes).sum();
    output.table(
        &[if dry_run { "would go" } else { "removed" }, "size"],
        rows,
    );
    output.json(&json!({ "removed": !dry_run, "size_bytes": bytes, "paths": unused.iter().map(|(p, _)| p).collect::<Vec<_>>() }));
    Ok(())
}

fn short(key: &str) -> String {
    key.chars().take(12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;
    use continuum_host::{progress::Progress, state::StateRoot};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    #[test]
    fn copies_that_no_deployment_uses_are_counted_and_can_be_removed() {
        let dir = tempfile::tempdir().unwrap();
        let context = Context {
            root: StateRoot::at(dir.path().join("state")).unwrap(),
            cache: image_cache::Cache::at(dir.path().join("cache")).unwrap(),
            progress: Arc::new(Progress::new(true)),
            cancel: CancellationToken::new(),
            chosen: None,
        };
        assert_eq!(bytes_that_stay(&context).unwrap(), 0);
        std::fs::create_dir_all(context.root.pool()).unwrap();
        let base = context.root.pool().join("base-aaaaaaaaaaaaaaaaaaaa.qcow2");
        std::fs::write(&base, [0; 1000]).unwrap();
        let seed = context.root.pool().join("ct-0123abcd-edge0-seed.img");
        let machine = std::fs::File::create(&seed).unwrap();
        assert_eq!(bytes_that_stay(&context).unwrap(), 1000);
        let output = Output::new(Format::Json);
        prune(&context, &output, true, true).unwrap();
        assert!(base.exists(), "only asked");
        prune(&context, &output, false, true).unwrap();
        assert!(!base.exists() && seed.exists(), "a machine has it open");
        drop(machine);
        prune(&context, &output, false, false).unwrap();
        assert!(!seed.exists());
    }
}
