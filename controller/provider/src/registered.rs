//! Providers of tests: a config cannot name them, and none is in a program. Whoever registers one does not look at the
//! machines of the host.

use super::Provider;
use std::sync::{PoisonError, RwLock};

static REGISTERED: RwLock<Vec<&'static dyn Provider>> = RwLock::new(Vec::new());

/// Adds a provider; once is enough.
pub fn register(provider: &'static dyn Provider) {
    let mut all = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
    if all.iter().all(|known| known.name() != provider.name()) {
        all.push(provider);
    }
}

pub(super) fn all() -> Option<Vec<&'static dyn Provider>> {
    let all = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
    (!all.is_empty()).then(|| all.clone())
}
