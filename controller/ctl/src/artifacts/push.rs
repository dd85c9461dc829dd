//! Container images to the runtimes of nodes.

use continuum_agents::{Agent, ArtifactSource, InstallStep};
use continuum_host::{context::Context, error::Error};
use std::collections::BTreeMap;

/// One step of an installation, as people read it.
pub(crate) fn say_step(context: &Context, node: &str, step: &InstallStep) {
    let InstallStep {
        step,
        state,
        detail,
    } = step;
    let line = format!("{node}: {step} {state} {detail}");
    context.progress.say(&line);
}

/// Brings container images to a node's runtime; those that it has cost nothing.
pub async fn push_images(
    context: &Context,
    agent: &dyn Agent,
    runtime: &str,
    images: &[ArtifactSource],
) -> Result<(), Error> {
    let options = BTreeMap::from([("runtime".to_owned(), runtime.to_owned())]);
    let say = |step: InstallStep| say_step(context, agent.node(), &step);
    agent
        .install("container-images", options, images, &say)
        .await
}
