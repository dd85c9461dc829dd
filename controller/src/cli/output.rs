//! Printing: data to standard output, everything else to standard error.

use super::args::Format;
use crate::error::Error;
use comfy_table::{Table, presets};
use std::io::Write;

/// One line for people, on standard error.
pub(crate) fn note(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: Format,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Text for people; nothing in JSON mode.
    pub(crate) fn text(self, text: &str) {
        if !self.is_json() {
            // A reader that closed the pipe wants no more.
            writeln!(std::io::stdout(), "{}", text.trim_end()).ok();
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(bytes: &[u8]) {
        let mut out = std::io::stdout();
        out.write_all(bytes).and_then(|()| out.flush()).ok();
    }

    /// A table for people; nothing in JSON mode.
    pub(crate) fn table(self, columns: &[&str], rows: Vec<Vec<String>>) {
        if self.is_json() {
            return;
        }
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_header(columns.to_vec());
        for row in rows {
            table.add_row(row);
        }
        self.text(&table.to_string());
    }

    /// The result as JSON; nothing in text mode.
    pub(crate) fn json(self, value: &serde_json::Value) {
        if self.is_json() {
            writeln!(std::io::stdout(), "{value:#}").ok();
        }
    }

    /// What went wrong, with what remains and what to do.
    pub(crate) fn error(self, error: &Error) {
        let text = format!("error: failed to {}", crate::error::chain(error));
        note(&text);
        let mut remaining = Vec::new();
        if let Error::Remaining {
            remaining: left,
            name,
            ..
        } = error
        {
            remaining.clone_from(left);
            if remaining.is_empty() {
                note(&format!(
                    "nothing was made yet; `continuum-ctl down {name}` forgets the deployment"
                ));
            } else {
                note("these remain:");
                for resource in &remaining {
                    note(&format!("  {resource}"));
                }
                note(&format!(
                    "run `continuum-ctl up` again to go on, or `continuum-ctl down {name}` to remove them"
                ));
            }
        }
        self.json(&serde_json::json!({
            "error": crate::error::chain(error),
            "exit_code": error.exit() as u8,
            "remaining": remaining,
        }));
    }
}
