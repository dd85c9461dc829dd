//! What is wrong with a config. All faults are reported at once.

use super::{MOST_FAULTS, entry::Place};
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// What is wrong, with the value and what is allowed.
    pub text: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place {
            file, line, key, ..
        } = &self.place;
        if *line > 0 {
            write!(f, "{file}:{line}: ")?;
        } else {
            write!(f, "{file}: ")?;
        }
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.text)
    }
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read config `{}`: {why}", path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("accept config `{file}`: {} fault{}\n{}", faults.len(), if faults.len() == 1 { "" } else { "s" }, list(faults))]
    Faults {
        file: String,
        /// All of them, by line.
        faults: Vec<Fault>,
    },
}

fn list(faults: &[Fault]) -> String {
    let mut lines: Vec<String> = faults
        .iter()
        .take(MOST_FAULTS)
        .map(|f| format!("  {f}"))
        .collect();
    if faults.len() > MOST_FAULTS {
        lines.push(format!("  and {} more", faults.len() - MOST_FAULTS));
    }
    lines.join("\n")
}
