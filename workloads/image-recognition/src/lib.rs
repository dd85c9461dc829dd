//! `image_classification`: endpoints send photos at a fixed rate, a worker classifies them with a real
//! `ImageNet` network, the answer goes back to the endpoint.
//!
//! ```text
//! publisher (endpoint)                broker (worker's node)                subscriber (worker)
//!   pacing -> file -> header ----> image-classification-sub ----> byte-bounded queue -> classifiers
//!   samples.csv <------- image-classification-pub/<endpoint> <------------------------ reply
//! ```
//! `combined` does both on one node, without a broker. [`function`] answers calls over HTTP with the same network.
//!
//! Invariant: only `efficientnet.rs` and `weights.rs` know `tch`; everything else works with any [`classifier::Classifier`].

use continuum_workload_core::{
    application::{Application, RunContext, RunError},
    spec::Role,
};

pub mod classifier;
mod combined;
pub mod dataset;
#[cfg(feature = "torch")]
pub mod efficientnet;
mod endpoint;
#[cfg(test)]
mod faults;
pub mod function;
mod ledger;
#[cfg(feature = "torch")]
mod legacy_pytorch;
mod mqtt;
pub mod pacing;
pub mod photo;
mod publisher;
mod queue;
mod rounds;
mod sample_file;
mod sent;
mod subscriber;
#[cfg(feature = "torch")]
pub mod weights;
mod workers;

/// Topic that endpoints send photos to.
pub(crate) const TOPIC_PHOTOS: &str = "image-classification-sub";
/// Answers go to this topic, a slash and the endpoint's name.
pub(crate) const TOPIC_REPLIES: &str = "image-classification-pub";
/// Messages may have so many bytes; the clients' own default of 10 KiB would end the connection at the first photo.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// File in the bundle with the network's weights, batch norm folded.
pub const WEIGHTS_FILE: &str = "weights/efficientnet-lite0.safetensors";

#[derive(Debug)]
pub struct ImageClassification;

#[async_trait::async_trait]
impl Application for ImageClassification {
    fn name(&self) -> &'static str {
        "image_classification"
    }

    fn summary(&self) -> &'static str {
        "photos from the endpoints, classified by EfficientNet-Lite0 where the manager says"
    }

    fn needs_torch(&self, role: &Role) -> bool {
        matches!(role, Role::Subscriber(_) | Role::Combined(_))
    }

    async fn run(&self, context: RunContext<'_>) -> Result<(), RunError> {
        match context.spec.role.clone() {
            Role::Publisher(spec) => publisher::run(&context, &spec).await,
            Role::Subscriber(spec) => {
                subscriber::run(&context, &spec, &*classifier::factory(context.bundle)?).await
            }
            Role::Combined(spec) => {
                combined::run(&context, &spec, &*classifier::factory(context.bundle)?).await
            }
            _ => Err(context.unknown_role(self)),
        }
    }
}
