//! Removing everything of a deployment, recorded or not.

use crate::{
    error::Error,
    provider::{self, Context, PROVIDERS},
    state::Deployment,
};

/// Removes a deployment; says what was removed. One that is not there is fine.
pub async fn down(context: &Context, name: &str, libvirt_uri: &str) -> Result<Vec<String>, Error> {
    let Some(mut deployment) = Deployment::load(&context.root, name)? else {
        return sweep_name(context, name, libvirt_uri).await;
    };
    let provider = provider::find(deployment.provider())?;
    match provider.destroy(context, &mut deployment).await {
        Ok(removed) => {
            deployment.remove()?;
            Ok(removed)
        }
        Err(error) => Err(Error::Remaining {
            remaining: deployment.resource_names(),
            name: name.to_owned(),
            source: Box::new(error),
        }),
    }
}

/// Looks for what carries the name although its state is gone, with every provider that answers.
pub async fn sweep_name(
    context: &Context,
    name: &str,
    libvirt_uri: &str,
) -> Result<Vec<String>, Error> {
    let mut removed = Vec::new();
    for provider in PROVIDERS {
        match provider.sweep(context, name, libvirt_uri).await {
            Ok(found) => removed.extend(found),
            // Where libvirt does not answer there are no machines of ours to find.
            Err(error) => tracing::debug!("{}: {}", provider.name(), crate::error::chain(&error)),
        }
    }
    let dir = context.root.deployment(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(Error::file("remove", &dir))?;
    }
    Ok(removed)
}
