//! Which image machines start from.

use continuum_config::Config;
use continuum_host::{context::Context, error::Error, state::Deployment};
use continuum_images::store::{self, Image};
use continuum_plan::managers::{self, ResourceManager};

/// A deployment keeps the one that it was begun with. With `infra_only` too it is that of the manager: whoever installs
/// it by hand then has what it needs.
pub(crate) fn of(
    context: &Context,
    config: &Config,
    deployment: &Deployment,
) -> Result<Image, Error> {
    if let Some(key) = &deployment.facts().image {
        return Ok(store::find(&context.cache, key)?);
    }
    let manager = managers::find(config.software.resource_manager);
    let role = manager.and_then(ResourceManager::image_role);
    let (image, note) = store::current_for(&context.cache, role)?;
    if let Some(note) = note {
        context.progress.line(&note);
    }
    Ok(image)
}
