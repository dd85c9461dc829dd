//! The newest measurement of each number, in a file beside the state of its deployment: pages show it.

use continuum_common::files::replace_unsynced;
use continuum_host::{error::Error, state::Deployment};
use continuum_model::{MeasuredNumber, Verification, with_newer};
use std::path::PathBuf;

fn path(deployment: &Deployment) -> PathBuf {
    deployment.dir().join("measured.json")
}

/// What was measured last of each number; empty where nothing was.
pub fn last_measured(deployment: &Deployment) -> Result<Vec<MeasuredNumber>, Error> {
    let path = path(deployment);
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(Error::damaged(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::file("read", path)(error)),
    }
}

/// That it cannot be kept makes no measurement worse.
pub(super) fn keep(deployment: &Deployment, verification: &Verification) {
    let rows = verification.rows.iter();
    let newer = rows.map(|row| MeasuredNumber::new(row, verification.begun_unix_ns));
    let known = last_measured(deployment).unwrap_or_default();
    let text = serde_json::to_vec(&with_newer(known, newer.collect())).unwrap_or_default();
    let path = path(deployment);
    if let Err(error) = replace_unsynced(&path, &text) {
        tracing::debug!("write {}: {error}", path.display());
    }
}
