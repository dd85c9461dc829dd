//! Printing: data to standard output, everything else to standard error.

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, LineStyle, Table, TableStyle, Width};
use continuum_config::ConfigError;
use continuum_host::{
    error::Error,
    exit::Exit,
    progress::{beside_the_spinner, end_spinner, note},
};
use continuum_results::PAGE_FILE;
use std::{
    io::{self, Write},
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};
use tokio_util::sync::CancellationToken;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object on standard output
    Json,
    /// Figures as files, for a paper; `report` only
    Svg,
}

pub(crate) fn warn(warnings: &[String]) {
    for warning in warnings {
        note(&format!("warning: {warning}"));
    }
}

/// Columns that are left free on each side of a cell.
const PADDING: u16 = 1;

/// On a terminal of so many columns what is wider goes on below in its cell; elsewhere, as in a pipe, a row is a line.
fn render(columns: &[&str], rows: Vec<Vec<String>>, width: Option<u16>) -> String {
    let mut table = Table::new();
    // Lines between rows would make it twice as long.
    let line = || LineStyle::none().fill('─').junction('─');
    table.load_style(
        TableStyle::new()
            .header_separator(line())
            .bottom_border(line()),
    );
    if let Some(width) = width.filter(|width| *width > 0) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table.set_header(columns.to_vec());
    for row in rows {
        table.add_row(row);
    }
    if let Some(width) = width {
        keep_words_whole(&mut table, columns.len(), width);
    }
    table.to_string()
}

/// A table as wide as the terminal, if standard output is one.
pub(crate) fn render_for_terminal(columns: &[&str], rows: Vec<Vec<String>>) -> String {
    let terminal = rustix::termios::tcgetwinsize(std::io::stdout());
    render(columns, rows, terminal.ok().map(|size| size.ws_col))
}

/// Half a node's name in each of two lines is none, so a cell goes on below only between words, if the terminal has room for
/// the longest word of every column.
fn keep_words_whole(table: &mut Table, columns: usize, width: u16) {
    let longest_word = |column: usize| {
        let cells = table.row_iter().chain(table.header());
        let cells = cells.filter_map(|row| Some(row.cell_iter().nth(column)?.content()));
        let words = cells.flat_map(|text| {
            let words = text.split_whitespace().map(|word| word.chars().count());
            words.collect::<Vec<_>>()
        });
        words.max().unwrap_or(0) as u16 + 2 * PADDING
    };
    let widths: Vec<u16> = (0..columns).map(longest_word).collect();
    let all: u16 = widths.iter().sum();
    if all > width {
        return;
    }
    for (column, least) in table.column_iter_mut().zip(widths) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
}

/// How results are printed. In JSON mode everything that a command has to say becomes one object, printed at its end.
#[derive(Debug)]
pub(crate) struct Output {
    format: Format,
    object: Mutex<serde_json::Map<String, serde_json::Value>>,
    /// Why standard output takes no more.
    fault: OnceLock<io::Error>,
    closed: CancellationToken,
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        Self {
            format,
            object: Mutex::default(),
            fault: OnceLock::new(),
            closed: CancellationToken::new(),
        }
    }

    /// Remembers that something could not be written to standard output.
    fn written(&self, result: io::Result<()>) {
        if let Err(error) = result {
            self.fault.set(error).ok();
            self.closed.cancel();
        }
    }

    /// Until standard output takes no more: for commands that print until they are interrupted.
    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(crate) fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Text for people; nothing in JSON mode.
    pub(crate) fn text(&self, text: &str) {
        if !self.is_json() {
            self.written(beside_the_spinner(|| {
                writeln!(io::stdout(), "{}", text.trim_end())
            }));
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.written(Self::raw(io::stdout(), bytes));
    }

    /// Bytes of a program's standard error, as they are.
    pub(crate) fn error_bytes(bytes: &[u8]) {
        Self::raw(io::stderr(), bytes).ok();
    }

    fn raw(mut to: impl Write, bytes: &[u8]) -> io::Result<()> {
        end_spinner();
        to.write_all(bytes).and_then(|()| to.flush())
    }

    /// A table for people; nothing in JSON mode.
    pub(crate) fn table(&self, columns: &[&str], rows: Vec<Vec<String>>) {
        if self.is_json() {
            return;
        }
        self.text(&render_for_terminal(columns, rows));
    }

    /// Where a result is, and its page.
    pub(crate) fn places(&self, dir: &Path) {
        self.text(&format!("results: {}", dir.display()));
        let page = dir.join(PAGE_FILE);
        // A full disk may have left it out.
        if page.is_file() {
            self.text(&format!("report: {}", page.display()));
        }
    }

    /// Part of the result as JSON: an object whose members join those there already. Nothing in text mode.
    pub(crate) fn json(&self, value: &serde_json::Value) {
        if let serde_json::Value::Object(members) = value {
            let mut object = self.object.lock().unwrap_or_else(PoisonError::into_inner);
            object.extend(members.clone());
        }
    }

    /// One object at once, in a line, for what goes on until it is interrupted. Nothing in text mode.
    pub(crate) fn json_line(&self, value: &serde_json::Value) {
        if self.is_json() {
            self.written(beside_the_spinner(|| writeln!(io::stdout(), "{value}")));
        }
    }

    /// The command is over. Returns its exit code: one whose words were lost has failed.
    pub(crate) fn finish(&self, exit_code: u8) -> u8 {
        if self.is_json() {
            self.json(&serde_json::json!({ "exit_code": exit_code }));
            let object = self.object.lock().unwrap_or_else(PoisonError::into_inner);
            let object = serde_json::Value::Object(object.clone());
            self.written(writeln!(io::stdout(), "{object:#}"));
        }
        self.written(io::stdout().flush());
        match self.fault.get() {
            // A reader that closed the pipe wants no more.
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                note(&format!(
                    "error: failed to write to standard output: {error}"
                ));
                exit_code.max(Exit::Failed as u8)
            }
            _ => exit_code,
        }
    }

    /// What went wrong, with what remains and what to do.
    pub(crate) fn error(&self, error: &Error) {
        let text = format!("error: failed to {}", continuum_host::error::chain(error));
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
            "error": continuum_host::error::chain(error),
            "faults": faults(error),
            "remaining": remaining,
        }));
    }
}

fn faults(error: &Error) -> Vec<serde_json::Value> {
    let Error::Config(ConfigError::Faults { faults, .. }) = error else {
        return Vec::new();
    };
    faults
        .iter()
        .map(|f| {
            serde_json::json!({ "file": f.place.file, "line": f.place.line, "key": f.place.key, "text": f.text })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal_and_a_pipe_gets_whole_rows() {
        let rows = || {
            let row = |name: &str, text: &str| vec![name.to_owned(), text.to_owned()];
            vec![
                row("bwrap (image build, uml)", "/usr/bin/bwrap"),
                row(
                    "provider qemu",
                    &"connect to libvirt at qemu:///system ".repeat(6),
                ),
            ]
        };
        for width in [40, 80, 200] {
            let table = render(&["check", "result"], rows(), Some(width));
            let widest = table.lines().map(|l| l.trim_end().chars().count()).max();
            assert!(widest <= Some(usize::from(width)), "{width}:\n{table}");
        }
        let narrow = |name: &str| {
            let link = [
                "7.5 ± 2.5 ms",
                "0.30 ms",
                "100.0 %",
                "5.0 Mbit/s",
                "1000",
                name,
            ];
            let cells = [name].into_iter().chain(link);
            cells.map(str::to_owned).collect::<Vec<_>>()
        };
        let columns = [
            "from",
            "latency (one way)",
            "host's own",
            "loss",
            "rate",
            "queue (packets)",
            "peers",
        ];
        let table = render(&columns, vec![narrow("endpoint0")], Some(70));
        assert_eq!(table.matches("endpoint0").count(), 2, "{table}");
        assert!(table.contains("(packets)"), "{table}");
        // A terminal that does not know its width is taken for none.
        for width in [None, Some(0)] {
            let table = render(&["check", "result"], rows(), width);
            assert_eq!(table.lines().count(), 5, "{table}");
        }
    }
}
