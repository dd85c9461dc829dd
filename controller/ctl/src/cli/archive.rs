//! A result as one file, and the same run again from it.

use super::{output::Output, report::compare};
use crate::{
    error::CommandError,
    report::{CONFIG_FILE, Place},
};
use continuum_host::{context::Context, error::Error, process};
use continuum_provider::Allow;
use continuum_results::{is_result, pack, unpack};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

/// Writes the archive; beside the command, under the directory's name, when no other place is given.
pub(super) fn bundle(output: &Output, dir: &Path, file: Option<PathBuf>) -> Result<(), Error> {
    let name = dir.file_name().unwrap_or(dir.as_os_str()).to_string_lossy();
    let file = file.unwrap_or_else(|| PathBuf::from(format!("{name}.tar.gz")));
    pack(dir, &file)?;
    output.text(&format!("{}", file.display()));
    output.json(&json!({ "archive": file.display().to_string() }));
    Ok(())
}

/// Runs what an archive's result was made from, here, and compares. The run is a process of its own: only one without threads
/// can join an ordinary user's network namespace.
pub(super) async fn repeat(
    context: &Context,
    output: &Output,
    archive: &Path,
    results: &Path,
    allow: Allow,
) -> Result<(), Error> {
    let dir = Place::look(results, "repeat")?.make()?;
    let original = unpack(archive, &dir)?;
    let config = original.join(CONFIG_FILE);
    if !config.is_file() {
        return Err(Error::Words {
            doing: format!("repeat `{}`", archive.display()),
            why: format!(
                "there is no {CONFIG_FILE} in it; its result was made by an older continuum-ctl"
            ),
        });
    }
    let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let mut command = process::blocking_command(program);
    command.arg("run").arg(&config).arg("--results").arg(&dir);
    for (is_allowed, option) in [
        (allow.unemulated, "--allow-unemulated"),
        (allow.unlimited, "--allow-unlimited"),
    ] {
        command.args(is_allowed.then_some(option));
    }
    if output.is_json() {
        command.stdout(Stdio::null());
    }
    context.progress.finish();
    let run = tokio::task::spawn_blocking(move || command.status()).await;
    let status = run
        .map_err(|e| CommandError::Repeat(e.into()))?
        .map_err(CommandError::Repeat)?;
    let again = new_result(&dir, &original)?;
    match again {
        Some(again) => compare(output, &[original, again], None)?,
        None => {
            return Err(CommandError::NoRepeatedResult { status }.into());
        }
    }
    output.text(&format!("results: {}", dir.display()));
    if status.success() {
        return Ok(());
    }
    Err(CommandError::RepeatFailed { status }.into())
}

/// The result beside the one that came.
fn new_result(dir: &Path, original: &Path) -> Result<Option<PathBuf>, Error> {
    for entry in std::fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let path = entry.map_err(Error::file("list", dir))?.path();
        if path != *original && is_result(&path) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
