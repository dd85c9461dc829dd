//! config check, show, options.

use super::output::Output;
use clap::Subcommand;
use continuum_config::{KEYS, to_toml};
use continuum_host::{error::Error, progress::note};
use continuum_plan::load;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Check a config; say every fault
    Check {
        /// Config file
        config: PathBuf,
    },
    /// Print a config in the native spelling with every value that is in force
    Show {
        /// Config file
        config: PathBuf,
    },
    /// List every option with its meaning
    Options,
}

pub(super) fn run(output: &Output, action: ConfigAction, set: &[String]) -> Result<(), Error> {
    match action {
        ConfigAction::Check { config } => {
            let checked = load(&config, set)?;
            for warning in &checked.warnings {
                note(&format!("warning: {warning}"));
            }
            output.text(&format!("{}: ok", config.display()));
            output.json(&json!({ "ok": true, "warnings": checked.warnings }));
        }
        ConfigAction::Show { config } => {
            let checked = load(&config, set)?;
            output.text(&to_toml(&checked.config));
            output.json(&json!(checked.config));
        }
        ConfigAction::Options => {
            let rows = KEYS
                .iter()
                .map(|k| {
                    let cfg = k
                        .cfg
                        .map_or_else(String::new, |c| format!("[{}] {}", c.section, c.option));
                    vec![k.path.to_owned(), cfg, k.doc.to_owned()]
                })
                .collect();
            output.table(&["option", "in a .cfg", "meaning (default)"], rows);
            let all: Vec<_> = KEYS
                .iter()
                .map(|k| json!({ "path": k.path, "doc": k.doc }))
                .collect();
            output.json(&json!({ "options": all }));
        }
    }
    Ok(())
}
