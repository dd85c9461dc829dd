//! What is brought to nodes: files of the store, packages beside the guest image, container images.

mod lookup;
mod photos;
mod push;

pub(crate) use lookup::{WORKLOAD, artifact, extras, missing_named, reason, stored};
pub use lookup::{all_files, image_archive, workload_image};
pub use photos::photos_of;
pub use push::push_images;
pub(crate) use push::say_step;
