//! Where a test stands in for a full disk, or for a kill between two writes of what must survive; in no program.

use crate::error::Error;
use std::{cell::RefCell, io, path::Path};

/// Beside a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing is written yet; an error is that of the write.
    Before,
    /// All of it is on disk.
    After,
}

type Hook = Box<dyn FnMut(Moment, &Path) -> io::Result<()>>;

thread_local! {
    static HOOK: RefCell<Option<Hook>> = const { RefCell::new(None) };
}

/// Calls this at every write of this thread from now on; `None` ends it.
pub fn watch_writes(hook: Option<Hook>) {
    HOOK.set(hook);
}

pub(super) fn at(moment: Moment, path: &Path) -> Result<(), Error> {
    // Taken out meanwhile, so that it may unwind.
    let Some(mut hook) = HOOK.take() else {
        return Ok(());
    };
    let result = hook(moment, path).map_err(Error::file("write", path));
    HOOK.set(Some(hook));
    result
}
