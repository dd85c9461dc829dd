//! artifact list, build, add, verify, export, import, prune.

use super::output::Output;
use crate::error::CommandError;
use clap::Subcommand;
use continuum_host::{context::Context, error::Error};
use continuum_images::{
    archive::{self, Kind},
    components::{self, Catalogue, Component, Stored},
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactAction {
    /// What there is, how it is got, and whether it is in the store
    List,
    /// Get components into the store; those that are there cost nothing
    #[command(
        after_help = "Examples:\n  continuum-ctl artifact build                 everything that can be built\n  continuum-ctl artifact build kubernetes etcd"
    )]
    Build {
        /// Components; all that can be built when none is named
        names: Vec<String>,
    },
    /// Bring the files of a component that cannot be built here
    Add {
        /// Component
        name: String,
        /// Directory with its files
        path: PathBuf,
    },
    /// Read everything in the store again and compare digests
    Verify,
    /// Write components to an archive for a machine without a network, or without Go
    #[command(
        after_help = "Examples:\n  continuum-ctl artifact export components.tar                       all that is in the store\n  continuum-ctl artifact export k8s.tar kubernetes kubernetes-images   what a cluster needs"
    )]
    Export {
        /// Archive
        file: PathBuf,
        /// Components; all of the catalogue that are in the store when none is named
        names: Vec<String>,
    },
    /// Take in such an archive
    Import {
        /// Archive
        file: PathBuf,
    },
    /// Remove what the catalogue has no more, or what was made of sources that have changed since
    Prune {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}

pub(super) fn run(context: &Context, output: &Output, action: ArtifactAction) -> Result<(), Error> {
    let catalogue = Catalogue::builtin()?;
    let cache = &context.cache;
    match action {
        ArtifactAction::List => list(context, output, &catalogue),
        ArtifactAction::Build { names } => {
            let mut done = Vec::new();
            for component in wanted(&catalogue, &names)? {
                done.push(components::obtain(cache, component, &*context.progress)?);
            }
            show(context, output, &done);
        }
        ArtifactAction::Add { name, path } => {
            let component = catalogue.find(&name, None)?;
            let fetcher = components::fetcher(&component.way)?;
            if !fetcher.takes_files() {
                return Err(CommandError::BuiltHere {
                    title: component.title(),
                    how_to_get: fetcher.how_to_get(component),
                }
                .into());
            }
            show(
                context,
                output,
                &[components::add(cache, component, &path)?],
            );
        }
        ArtifactAction::Export { file, names } => {
            export(context, output, &catalogue, &file, &names)?;
        }
        ArtifactAction::Import { file } => {
            context
                .progress
                .say(&format!("unpacking and verifying {}", file.display()));
            let entries = archive::import(cache, &file)?;
            let is_in = |s: &Stored| entries.contains(&(Kind::Component, s.key.clone()));
            let mut all = components::all(cache)?;
            all.retain(is_in);
            show(context, output, &all);
        }
        ArtifactAction::Prune { dry_run } => prune(context, output, &catalogue, dry_run)?,
        ArtifactAction::Verify => {
            let all = components::all(cache)?;
            for stored in &all {
                // A damaged component is removed, so that nothing uses it; building or adding it again replaces it.
                if let Err(error) = stored.verify() {
                    continuum_images::cache::remove(&stored.dir)?;
                    return Err(CommandError::DamagedComponent {
                        name: stored.name.clone(),
                        version: stored.version.clone(),
                        why: continuum_host::error::chain(&error),
                    }
                    .into());
                }
            }
            output.text(&format!("{} components are as they came", all.len()));
            output.json(&json!({ "verified": all.len() }));
        }
    }
    Ok(())
}

fn prune(
    context: &Context,
    output: &Output,
    catalogue: &Catalogue,
    dry_run: bool,
) -> Result<(), Error> {
    let unused = components::unused(&context.cache, catalogue)?;
    let mut rows = Vec::new();
    for stored in &unused {
        if !dry_run {
            continuum_images::cache::remove(&stored.dir)?;
        }
        rows.push(vec![
            format!("{} {}", stored.name, stored.version),
            stored.key.chars().take(12).collect(),
            megabytes(stored.size_bytes()),
        ]);
    }
    let what = if dry_run { "would go" } else { "removed" };
    output.table(&[what, "made of", "size"], rows);
    let bytes: u64 = unused.iter().map(Stored::size_bytes).sum();
    let keys: Vec<_> = unused.iter().map(|s| &s.key).collect();
    output.json(&json!({ "removed": !dry_run, "size_bytes": bytes, "keys": keys }));
    Ok(())
}

fn export(
    context: &Context,
    output: &Output,
    catalogue: &Catalogue,
    file: &Path,
    names: &[String],
) -> Result<(), Error> {
    let mut going = Vec::new();
    let all = || catalogue.components.iter().collect();
    let components = if names.is_empty() {
        all()
    } else {
        wanted(catalogue, names)?
    };
    for component in components {
        match components::find(&context.cache, component)? {
            Some(stored) => going.push(stored),
            // Asked for by name it must be there; otherwise the archive is of what there is.
            None if names.is_empty() => {}
            None => {
                let (title, name) = (component.title(), component.name.clone());
                return Err(CommandError::NotExported { title, name }.into());
            }
        }
    }
    if going.is_empty() {
        let path = file.to_owned();
        return Err(CommandError::EmptyStore { path }.into());
    }
    context
        .progress
        .say(&format!("verifying and packing {}", file.display()));
    let entries: BTreeSet<_> = going
        .iter()
        .map(|s| (Kind::Component, s.key.clone()))
        .collect();
    let bytes = archive::export(&context.cache, &entries, file)?;
    context.progress.finish();
    let titles: Vec<_> = going
        .iter()
        .map(|s| format!("{} {}", s.name, s.version))
        .collect();
    output.text(&format!(
        "{}: {}, {}; there: continuum-ctl artifact import {}",
        file.display(),
        megabytes(bytes),
        titles.join(", "),
        file.display()
    ));
    output.json(
        &json!({ "file": file.display().to_string(), "size_bytes": bytes, "components": titles }),
    );
    Ok(())
}

fn wanted<'a>(catalogue: &'a Catalogue, names: &[String]) -> Result<Vec<&'a Component>, Error> {
    if names.is_empty() {
        return Ok(catalogue
            .components
            .iter()
            // The others are fetched or brought when somebody wants them.
            .filter(|c| components::fetcher(&c.way).is_ok_and(|f| !f.takes_files()))
            .collect());
    }
    let mut found = Vec::new();
    for name in names {
        found.push(catalogue.find(name, None)?);
    }
    Ok(found)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn list(context: &Context, output: &Output, catalogue: &Catalogue) {
    let (mut rows, mut all) = (Vec::new(), Vec::new());
    for component in &catalogue.components {
        // Without Go nobody knows what a build would depend on; the catalogue is still worth seeing.
        let stored = components::find(&context.cache, component);
        let state = match &stored {
            Ok(Some(stored)) => megabytes(stored.size_bytes()),
            Ok(None) => "-".to_owned(),
            Err(error) => continuum_host::error::chain(error),
        };
        all.push(json!({
            "name": component.name,
            "version": component.version,
            "way": component.way,
            "summary": component.summary,
            "stored": stored.ok().flatten().map(|s| s.files),
        }));
        rows.push(vec![
            component.name.clone(),
            component.version.clone(),
            component.way.clone(),
            state,
            component.summary.clone(),
        ]);
    }
    output.table(
        &["component", "version", "way", "in the store", "what it is"],
        rows,
    );
    output.json(&json!({ "components": all }));
}

fn show(context: &Context, output: &Output, done: &[Stored]) {
    context.progress.finish();
    let mut rows = Vec::new();
    for stored in done {
        for (name, file) in &stored.files {
            rows.push(vec![
                format!("{} {}", stored.name, stored.version),
                name.clone(),
                megabytes(file.size_bytes),
                file.sha256.chars().take(16).collect(),
            ]);
        }
    }
    output.table(&["component", "file", "size", "sha256"], rows);
    let all: Vec<_> = done
        .iter()
        .map(|s| json!({ "name": s.name, "version": s.version, "dir": s.dir, "files": s.files }))
        .collect();
    output.json(&json!({ "components": all }));
}
