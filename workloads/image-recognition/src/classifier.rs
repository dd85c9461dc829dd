//! What a classifier is, so that everything around it can be tested without libtorch.

use crate::photo::Pixels;
use continuum_workload_core::{application::RunError, header::Score};
use std::path::Path;

/// One network with one thread. Not shared between threads; each worker thread has its own.
pub trait Classifier {
    /// Best classes first.
    fn classify(&mut self, pixels: &Pixels) -> Result<Vec<Score>, RunError>;
}

/// Loads one classifier; called on the thread that will use it.
pub type Maker = Box<dyn FnOnce() -> Result<Box<dyn Classifier>, RunError> + Send>;

pub trait ClassifierFactory: Send + Sync {
    /// How to load one.
    fn maker(&self) -> Maker;
    /// What is loaded, for the record.
    fn describe(&self) -> String;
}

/// The real network from the bundle.
#[cfg(feature = "torch")]
pub fn factory(bundle: &Path) -> Result<Box<dyn ClassifierFactory>, RunError> {
    Ok(Box::new(crate::efficientnet::TorchFactory::new(
        bundle.join(crate::WEIGHTS_FILE),
    )))
}

/// Without libtorch there is none.
#[cfg(not(feature = "torch"))]
pub fn factory(_bundle: &Path) -> Result<Box<dyn ClassifierFactory>, RunError> {
    Err(RunError::NotBuiltIn { feature: "torch" })
}

/// A classifier for tests: the class is the mean of the first channel's bytes.
#[cfg(test)]
pub(crate) mod fake {
    use super::{Classifier, ClassifierFactory, Maker, Pixels, RunError, Score};

    pub(crate) struct FakeFactory;
    struct FakeClassifier;

    impl ClassifierFactory for FakeFactory {
        fn maker(&self) -> Maker {
            Box::new(|| Ok(Box::new(FakeClassifier)))
        }
        fn describe(&self) -> String {
            "fake classifier".into()
        }
    }

    impl Classifier for FakeClassifier {
        fn classify(&mut self, pixels: &Pixels) -> Result<Vec<Score>, RunError> {
            let bytes = pixels.rgb();
            let sum: u64 = bytes.iter().step_by(3).map(|b| u64::from(*b)).sum();
            let class = sum / (bytes.len() as u64 / 3);
            Ok(vec![Score {
                class: class as u16,
                probability: 1.0,
            }])
        }
    }
}
