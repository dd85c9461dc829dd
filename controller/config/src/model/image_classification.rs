//! Application `image_classification`.

use super::{
    field::own,
    functions::FunctionSpec,
    keys::{Key, Kind, both, key},
};

/// Photos that are classified.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageClassification {
    /// Photos per second and endpoint.
    pub frequency: f64,
    /// At the beginning, seconds whose photos count in no percentile.
    pub warm_up_s: f64,
    /// Directory of the user's own photos.
    pub dataset: Option<String>,
    /// How the function runs, if an execution model has it.
    pub function: Option<FunctionSpec>,
}

pub(crate) const LOAD: [Key; 1] = [both(
    "benchmark.frequency",
    "benchmark",
    "frequency",
    Kind::Float(0.001, 100_000.0),
    "photos per second and endpoint; required for image_classification",
)
.at(own!(ImageClassification | Container, own => own.frequency))
.quiet()];

pub(crate) const PHOTOS: [Key; 2] = [
    key(
        "benchmark.dataset",
        Kind::Text,
        "directory of your own JPEG photos on this machine, from the directory of this file (the photos of the bundle)",
    )
    .at(own!(ImageClassification | Functions, own => own.dataset)),
    key(
        "benchmark.warm_up_s",
        Kind::Float(0.0, 864_000.0),
        "photos that are due in the first so many seconds count in no percentile (0)",
    )
    .at(own!(ImageClassification, own => own.warm_up_s)),
];
