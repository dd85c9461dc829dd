//! Commands that make several runs: a file says what is done, and one that was interrupted goes on from it.

use crate::{error::ResultsError, whole::write_whole};
use continuum_host::error::Error;
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;

/// What such a command has done.
pub trait Series: Serialize + DeserializeOwned {
    /// In the directory of its results.
    const FILE: &'static str;
    /// For errors.
    const NAME: &'static str;
    /// What one that is another was begun with.
    const OTHER: &'static str;

    /// Whether runs of both belong together.
    fn is_same(&self, other: &Self) -> bool;

    /// Makes up for what somebody removed since it was written down.
    fn forget_removed(&mut self, _dir: &Path) {}

    /// That of a directory; `None` where none was begun.
    fn read(dir: &Path) -> Result<Option<Self>, Error> {
        let path = dir.join(Self::FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::file("read", path)(error)),
        };
        let name = Self::NAME;
        let mut there: Self = serde_json::from_str(&text)
            .map_err(|source| ResultsError::Series { name, path, source })?;
        there.forget_removed(dir);
        Ok(Some(there))
    }

    /// This one, or the same with what a directory says is done. Another one is refused: its runs would be mixed with these.
    fn resume(self, dir: &Path) -> Result<Self, Error> {
        match Self::read(dir)? {
            None => Ok(self),
            Some(there) if there.is_same(&self) => Ok(there),
            Some(_) => Err(Error::Words {
                doing: format!("go on with the {} in `{}`", Self::NAME, dir.display()),
                why: format!(
                    "it was begun with {}; give this one another --results",
                    Self::OTHER
                ),
            }),
        }
    }

    /// Writes down what is done.
    fn save(&self, dir: &Path) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(self).map_err(Error::encode(Self::NAME))?;
        write_whole(&dir.join(Self::FILE), &text)
    }
}
