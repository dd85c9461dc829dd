//! Tables as upstream prints them: text without index under a banner, and CSV with index as it logs them.

/// A table of texts.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Table {
    /// As `EDGE OUTPUT`.
    pub banner: String,
    /// Column names.
    pub columns: Vec<String>,
    /// Cells.
    pub rows: Vec<Vec<String>>,
}

const RULE: &str = "------------------------------------";

impl Table {
    /// Without rows.
    pub fn new(banner: &str, columns: &[&str]) -> Self {
        Self {
            banner: banner.to_owned(),
            columns: columns.iter().map(|c| (*c).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// One more row.
    pub fn row(&mut self, cells: Vec<String>) {
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
        let widths: Vec<usize> = self
            .columns
            .iter()
            .enumerate()
            .map(|(i, name)| {
                let cells = self.rows.iter().filter_map(|r| r.get(i)).map(String::len);
                cells.chain([name.len()]).max().unwrap_or(0)
            })
            .collect();
        let line = |cells: &[String]| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:>width$}"))
                .collect();
            format!("{}\n", padded.join("  "))
        };
        out.push_str(&line(&self.columns));
        for row in &self.rows {
            out.push_str(&line(row));
        }
        out
    }

    /// With an index column, as pandas writes a frame.
    pub fn to_csv(&self) -> String {
        let mut out = format!(",{}\n", self.columns.join(","));
        for (index, row) in self.rows.iter().enumerate() {
            out.push_str(&format!("{index},{}\n", row.join(",")));
        }
        out
    }

    /// The CSV as upstream logs it: Python's notation of a list of lines.
    pub fn to_csv_repr(&self) -> String {
        let lines: Vec<String> = self
            .to_csv()
            .lines()
            .map(|l| format!("'{}'", l.replace('\\', "\\\\").replace('\'', "\\'")))
            .collect();
        format!("[{}]", lines.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_upstream_prints_it() {
        let mut table = Table::new("EDGE OUTPUT", &["worker_id", "total_time (s)"]);
        table.row(vec!["0".into(), "61.4".into()]);
        assert_eq!(
            table.to_text(),
            "------------------------------------\nEDGE OUTPUT\n------------------------------------\n\
             worker_id  total_time (s)\n        0            61.4\n"
        );
        assert_eq!(table.to_csv(), ",worker_id,total_time (s)\n0,0,61.4\n");
        assert_eq!(
            table.to_csv_repr(),
            "[',worker_id,total_time (s)', '0,0,61.4']"
        );
        assert!(
            Table::new("X", &["a"])
                .to_text()
                .contains("Empty DataFrame")
        );
    }
}
