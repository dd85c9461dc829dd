//! What can go wrong while making images.

use std::{path::PathBuf, time::Duration};

/// The text fits after "failed to"; the cause is the source, said once.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Reading or writing failed.
    #[error("{doing} `{}`", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A program is not there.
    #[error("start `{program}`; install it with: apt-get install {package}")]
    Start {
        /// argv[0].
        program: String,
        /// Debian package that has it.
        package: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// A program ended badly.
    #[error("{doing}: `{program}` ended with {how}; its last words: {said}")]
    Program {
        doing: String,
        program: String,
        /// Exit code or signal.
        how: String,
        /// The end of its output.
        said: String,
    },
    /// A program took too long.
    #[error("{doing}: `{program}` was not done after {} s", after.as_secs())]
    Deadline {
        doing: String,
        program: String,
        after: Duration,
    },
    /// Bytes are not what they should be.
    #[error("verify `{}`: its sha256 is {have}, expected was {want}", path.display())]
    Digest {
        path: PathBuf,
        want: String,
        have: String,
    },
    /// A text file is not understood.
    #[error("parse `{}`: {why}", path.display())]
    Parse { path: PathBuf, why: String },
    #[error("find {what}; {hint}")]
    Missing { what: String, hint: String },
}

impl ImageError {
    /// Wraps an I/O error with what was being done to which file.
    pub fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}

/// Where long work says what it is doing.
pub trait Report: Sync {
    fn step(&self, text: &str);
}

#[derive(Debug)]
pub struct Silent;

impl Report for Silent {
    fn step(&self, _text: &str) {}
}
