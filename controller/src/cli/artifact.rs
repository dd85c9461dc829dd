//! artifact list, build, add, verify.

use super::{args::ArtifactAction, output::Output};
use crate::{error::Error, provider::Context};
use continuum_images::components::{self, Catalogue, Component, Stored};
use serde_json::json;

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
            if component.way != "file" {
                return Err(Error::other(
                    format!("add {}", component.title()),
                    format!("it is built here: continuum-ctl artifact build {name}"),
                ));
            }
            show(
                context,
                output,
                &[components::add(cache, component, &path)?],
            );
        }
        ArtifactAction::Verify => {
            let all = components::all(cache)?;
            for stored in &all {
                // What rots is not used again; building or adding it once more puts it right.
                if let Err(error) = stored.verify() {
                    continuum_images::cache::remove(&stored.dir)?;
                    return Err(Error::other(
                        format!("verify {} {}", stored.name, stored.version),
                        format!(
                            "{}; it was taken out of the store, get it again: continuum-ctl artifact build {}",
                            crate::error::chain(&error),
                            stored.name
                        ),
                    ));
                }
            }
            output.text(&format!("{} components are as they came", all.len()));
            output.json(&json!({ "verified": all.len() }));
        }
    }
    Ok(())
}

fn wanted<'a>(catalogue: &'a Catalogue, names: &[String]) -> Result<Vec<&'a Component>, Error> {
    if names.is_empty() {
        return Ok(catalogue
            .components
            .iter()
            .filter(|c| c.way != "file")
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
            Err(error) => crate::error::chain(error),
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
