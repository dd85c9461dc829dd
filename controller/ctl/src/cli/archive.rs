//! A result as one file, and the same run again from it.

use super::{output::Output, report::compare};
use crate::{
    error::CommandError,
    report::{CONFIG_FILE, Place},
};
use continuum_host::{context::Context, error::Error, process};
use continuum_provider::Allow;
use continuum_results::{check, directory_name, is_result, pack, unpack};
use rustix::process::Signal;
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

/// Writes the archive; beside the command, under the directory's name, when no other place is given.
pub(super) fn bundle(output: &Output, dir: &Path, file: Option<PathBuf>) -> Result<(), Error> {
    let file = file.unwrap_or_else(|| format!("{}.tar.gz", directory_name(dir)).into());
    pack(dir, &file)?;
    output.text(&format!("{}", file.display()));
    output.json(&json!({ "archive": file.display().to_string() }));
    Ok(())
}

/// Runs what an archive's result was made from, here, and compares.
pub(super) async fn repeat(
    context: &Context,
    output: &Output,
    archive: &Path,
    results: &Path,
    allow: Allow,
) -> Result<(), Error> {
    let dir = Place::look(results, "repeat")?.make()?;
    let repeated = run_again(context, output, archive, &dir, allow).await;
    let (both, status) = repeated.inspect_err(|_| {
        // There is nothing in it that is not in the archive.
        std::fs::remove_dir_all(&dir).ok();
    })?;
    compare(output, &both, None)?;
    output.text(&format!("results: {}", dir.display()));
    if status.success() {
        return Ok(());
    }
    if context.cancel.is_cancelled() {
        return Err(Error::Interrupted);
    }
    Err(CommandError::RepeatFailed { status }.into())
}

/// The result that came and that of the same run here, and how that run ended. It is a process of its own: only one without
/// threads can join an ordinary user's network namespace.
async fn run_again(
    context: &Context,
    output: &Output,
    archive: &Path,
    dir: &Path,
    allow: Allow,
) -> Result<([PathBuf; 2], ExitStatus), Error> {
    let original = unpack(archive, dir)?;
    let config = original.join(CONFIG_FILE);
    if !config.is_file() {
        return Err(Error::Words {
            doing: format!("repeat `{}`", archive.display()),
            why: format!(
                "there is no {CONFIG_FILE} in it; its result was made by an older continuum-ctl"
            ),
        });
    }
    // Before the run: it would have nothing to be compared with.
    check(&original)?;
    let program = std::env::current_exe().map_err(Error::file("find", "/proc/self/exe"))?;
    let mut command = process::command(program);
    command.arg("run").arg(&config).arg("--results").arg(dir);
    for (is_wanted, option) in [
        (allow.unemulated, "--allow-unemulated"),
        (allow.unlimited, "--allow-unlimited"),
        (context.progress.is_quiet(), "--quiet"),
    ] {
        command.args(is_wanted.then_some(option));
    }
    if output.is_json() {
        command.stdout(Stdio::null());
    }
    context.progress.finish();
    let status = end_of(context, command).await;
    let status = status.map_err(CommandError::Repeat)?;
    match new_result(dir, &original)? {
        Some(again) => Ok(([original, again], status)),
        None if context.cancel.is_cancelled() => Err(Error::Interrupted),
        None => Err(CommandError::NoRepeatedResult { status }.into()),
    }
}

/// Runs a command of ours in a process group of its own: an interrupt reaches it once, from here, whether a terminal sent it
/// or `kill`.
async fn end_of(
    context: &Context,
    mut command: tokio::process::Command,
) -> std::io::Result<ExitStatus> {
    let mut child = command.process_group(0).spawn()?;
    tokio::select! {
        status = child.wait() => return status,
        () = context.cancel.cancelled() => {}
    }
    if let Some(pid) = child.id()
        && let Some(started) = process::start_time(pid)
    {
        process::signal(pid, started, Signal::INT);
    }
    child.wait().await
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
