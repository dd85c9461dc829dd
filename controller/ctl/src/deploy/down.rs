//! Removing everything of a deployment, recorded or not.

use super::up::remaining;
use crate::observability::targets;
use continuum_host::{context::Context, error::Error, state::Deployment};

/// Removes a deployment; says what was removed. One that is not there is fine.
pub async fn down(context: &Context, name: &str, libvirt_uri: &str) -> Result<Vec<String>, Error> {
    let Some(mut deployment) = Deployment::load(&context.root, name)? else {
        return destroy_orphans_of(context, name, libvirt_uri).await;
    };
    let provider = continuum_provider::find(deployment.provider())?;
    match provider.destroy(context, &mut deployment).await {
        Ok(removed) => {
            targets::remove(&context.root, name)?;
            deployment.remove()?;
            Ok(removed)
        }
        Err(error) => Err(remaining(&deployment, error)),
    }
}

/// Looks for what carries the name although its state is gone, with every provider that answers.
pub async fn destroy_orphans_of(
    context: &Context,
    name: &str,
    libvirt_uri: &str,
) -> Result<Vec<String>, Error> {
    let dir = context.root.deployment(name)?;
    let made_by = Deployment::provider_in(&dir);
    if let Some(made_by) = &made_by {
        // One that this program was built without cannot say that nothing is left.
        continuum_provider::find(made_by)?;
    }
    let mut removed = Vec::new();
    let mut failed = None;
    for provider in continuum_provider::active() {
        match provider.destroy_orphans(context, name, libvirt_uri).await {
            Ok(found) => removed.extend(found),
            // Machines outlive libvirt's daemon: without it nobody knows whether they are gone.
            Err(error) if made_by.as_deref() == Some(provider.name()) => {
                failed.get_or_insert(error);
            }
            Err(error) => tracing::debug!(
                "{}: {}",
                provider.name(),
                continuum_host::error::chain(&error)
            ),
        }
    }
    // The others have removed theirs all the same.
    if let Some(error) = failed {
        return Err(error);
    }
    targets::remove(&context.root, name)?;
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(Error::file("remove", &dir))?;
    }
    Ok(removed)
}
