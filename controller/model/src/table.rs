//! Tables as upstream prints them: text without index under a banner, and CSV with index as it logs them.

use continuum_workload_core::csv_records::csv_record;

/// A cell. Numbers keep their type: text and CSV show them differently.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// A whole number.
    Int(i64),
    /// A number rounded to two decimals; `None` where there is nothing to count.
    Float(Option<f64>),
    /// Anything else.
    Text(String),
}

impl Cell {
    /// As Python prints it: the shortest digits that give the number again, at least one after the point.
    fn plain(&self, missing: &str) -> String {
        match self {
            Self::Int(n) => n.to_string(),
            Self::Float(Some(n)) => format!("{n:?}"),
            Self::Float(None) => missing.to_owned(),
            Self::Text(text) => text.clone(),
        }
    }

    fn decimals(&self) -> usize {
        match self {
            Self::Float(Some(_)) => self.plain("").rsplit_once('.').map_or(0, |(_, d)| d.len()),
            _ => 0,
        }
    }
}

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Table {
    /// File of the result directory that has it as CSV.
    #[serde(skip)]
    pub file: &'static str,
    /// As `EDGE OUTPUT`.
    pub banner: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

const RULE: &str = "------------------------------------";

impl Table {
    /// Without rows.
    pub fn new(file: &'static str, banner: &str, columns: &[&str]) -> Self {
        Self {
            file,
            banner: banner.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Right-aligned under its banner, two spaces between columns, as pandas prints a frame without index.
    pub fn to_text(&self) -> String {
        let mut out = format!("{RULE}\n{}\n{RULE}\n", self.banner);
        if self.rows.is_empty() {
            out.push_str(&format!(
                "Empty DataFrame\nColumns: [{}]\nIndex: []\n",
                self.columns.join(", ")
            ));
            return out;
        }
        let columns: Vec<Vec<String>> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, name)| self.column(i, name))
            .collect();
        for row in 0..=self.rows.len() {
            let cells: Vec<&str> = columns
                .iter()
                .filter_map(|c| Some(c.get(row)?.as_str()))
                .collect();
            out.push_str(&cells.join("  "));
            out.push('\n');
        }
        out
    }

    /// Name and cells of one column, right-aligned; its numbers all have as many decimals as the longest needs.
    fn column(&self, index: usize, name: &str) -> Vec<String> {
        let cells = || self.rows.iter().filter_map(|r| r.get(index));
        let decimals = cells().map(Cell::decimals).max().unwrap_or(0);
        let text = |cell: &Cell| match cell {
            Cell::Float(Some(n)) => format!("{n:.decimals$}"),
            other => other.plain("NaN"),
        };
        let texts: Vec<String> = std::iter::once(name.to_owned())
            .chain(cells().map(text))
            .collect();
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        texts.iter().map(|t| format!("{t:>width$}")).collect()
    }

    /// With an index column, as pandas writes a frame.
    pub fn to_csv(&self) -> String {
        let head = std::iter::once(String::new()).chain(self.columns.iter().cloned());
        let mut out = csv_record(head);
        for (index, row) in self.rows.iter().enumerate() {
            let cells = row.iter().map(|c| c.plain(""));
            out.push_str(&csv_record(std::iter::once(index.to_string()).chain(cells)));
        }
        out
    }

    /// The CSV as upstream logs it, after `Output in csv format`: in Python's notation of a text.
    pub fn to_csv_repr(&self) -> String {
        let text = self
            .to_csv()
            .replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\'', "\\'");
        format!("'{text}'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_upstream_prints_it() {
        let mut table = Table::new(
            "workers.csv",
            "EDGE OUTPUT",
            &["worker_id", "total_time (s)"],
        );
        table.row(vec![Cell::Int(0), Cell::Float(Some(61.4))]);
        let rule = "------------------------------------";
        assert_eq!(
            table.to_text(),
            format!(
                "{rule}\nEDGE OUTPUT\n{rule}\nworker_id  total_time (s)\n        0            61.4\n"
            )
        );
        assert_eq!(table.to_csv(), ",worker_id,total_time (s)\n0,0,61.4\n");
        assert_eq!(
            table.to_csv_repr(),
            r"',worker_id,total_time (s)\n0,0,61.4\n'"
        );
        // A column has as many decimals as its longest number; the CSV does not care.
        table.row(vec![Cell::Int(1), Cell::Float(Some(61.73))]);
        table.row(vec![Cell::Int(2), Cell::Float(None)]);
        assert!(table.to_text().contains("  61.40\n"), "{}", table.to_text());
        assert!(table.to_text().contains("  NaN\n"), "{}", table.to_text());
        assert_eq!(
            table.to_csv(),
            ",worker_id,total_time (s)\n0,0,61.4\n1,1,61.73\n2,2,\n"
        );
        assert!(
            Table::new("x.csv", "X", &["a"])
                .to_text()
                .contains("Empty DataFrame")
        );
    }
}
