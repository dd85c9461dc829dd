//! Links in tables.

use continuum_model::Link;

pub(super) fn latency(link: &Link) -> String {
    format!("{:?} ± {:?} ms", link.latency_ms, link.jitter_ms)
}

/// Where it changes by itself, its mean and the file.
pub(super) fn rate(link: &Link, trace: Option<&str>) -> String {
    let (about, of) = match trace {
        Some(name) => ("~ ", format!(" ({name})")),
        None => ("", String::new()),
    };
    format!("{about}{:?} Mbit/s{of}", link.rate_mbit)
}

/// Without the last column where no link has anything there.
pub(super) fn without_empty_column<'a>(
    columns: &'a [&'a str],
    mut rows: Vec<Vec<String>>,
) -> (&'a [&'a str], Vec<Vec<String>>) {
    let is_needed = rows
        .iter()
        .any(|row| row.last().is_some_and(|cell| !cell.is_empty()));
    if is_needed {
        return (columns, rows);
    }
    for row in &mut rows {
        row.pop();
    }
    let shorter = columns.split_last().map_or(columns, |(_, others)| others);
    (shorter, rows)
}
