//! A config's file, checked by its own rules and by those of everything that it names.

use super::rules;
use continuum_config::{Checked, ConfigError};
use std::path::Path;

/// Reads and checks a file, with `--set path=value` on top. Reports every fault.
pub fn load(path: &Path, overrides: &[String]) -> Result<Checked, ConfigError> {
    continuum_config::load(path, overrides, rules::check)
}

/// Checks a text; `file` is for messages, `stem` the default name.
pub fn parse(
    text: &str,
    file: &str,
    is_cfg: bool,
    stem: &str,
    overrides: &[String],
) -> Result<Checked, ConfigError> {
    continuum_config::parse(text, file, is_cfg, stem, overrides, rules::check)
}

#[cfg(test)]
mod bad_input_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod understood_tests;
#[cfg(test)]
mod upstream_tests;
