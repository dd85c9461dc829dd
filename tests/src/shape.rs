//! What a result consists of, whatever was measured: its files, the fields of `result.json` with their types, the columns
//! of its tables.

use anyhow::{Context, ensure};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const RESULT_FILE: &str = "result.json";
const TYPES: &str = " | ";

/// Places (a file, or a field behind `result.json: `), each with what may be there: the types of a field, the columns of a
/// table, nothing for another file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shape(BTreeMap<String, BTreeSet<String>>);

impl Shape {
    pub fn of(dir: &Path) -> anyhow::Result<Self> {
        let mut shape = Self::default();
        shape.add_files(dir, "")?;
        Ok(shape)
    }

    /// As [`Self::text`] writes it.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(|line| {
            let (place, types) = line.split_once(" = ").unwrap_or((line, ""));
            let types = types.split(TYPES).filter(|kind| !kind.is_empty());
            (place.to_owned(), types.map(str::to_owned).collect())
        });
        Self(lines.collect())
    }

    pub fn text(&self) -> String {
        let lines = self.0.iter().map(|(place, types)| {
            let types: Vec<&str> = types.iter().map(String::as_str).collect();
            match &*types {
                [] => format!("{place}\n"),
                types => format!("{place} = {}\n", types.join(TYPES)),
            }
        });
        lines.collect()
    }

    /// With what else another one has seen at the same places.
    #[must_use]
    pub fn with_types_of(mut self, other: &Self) -> Self {
        for (place, types) in &mut self.0 {
            types.extend(other.0.get(place).into_iter().flatten().cloned());
        }
        self
    }

    /// What another result has that this one does not allow, and what it lacks. A field may be missing where that in which it
    /// would be is null, or a list without elements.
    pub fn differences(&self, seen: &Self) -> Vec<String> {
        let mut found = Vec::new();
        for (place, types) in &seen.0 {
            let Some(known) = self.0.get(place) else {
                found.push(format!("{place} is new"));
                continue;
            };
            let strange = types.difference(known);
            found.extend(strange.map(|kind| format!("{place} is {kind} instead of {known:?}")));
        }
        let missing = self.0.keys().filter(|place| !seen.0.contains_key(*place));
        found.extend(
            missing
                .filter(|place| seen.has_room_for(place))
                .map(|place| format!("{place} is missing")),
        );
        found
    }

    fn has_room_for(&self, place: &str) -> bool {
        if !place.starts_with(RESULT_FILE) || place == RESULT_FILE {
            return true;
        }
        if place.ends_with("[]") {
            return false;
        }
        let outer = place.rsplit_once('.').map_or(place, |(outer, _)| outer);
        self.0
            .get(outer)
            .is_some_and(|types| types.contains("object"))
    }

    fn add_files(&mut self, dir: &Path, before: &str) -> anyhow::Result<()> {
        let entries = std::fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{before}{name}");
            if path.is_dir() {
                self.add_files(&path, &format!("{name}/"))?;
                continue;
            }
            let types = self.0.entry(name.clone()).or_default();
            if name == RESULT_FILE {
                let text = std::fs::read_to_string(&path).context("read result.json")?;
                let value = serde_json::from_str(&text).context("parse result.json")?;
                self.add_fields(&format!("{RESULT_FILE}: "), "", &value);
            } else if path.extension().is_some_and(|ending| ending == "csv") {
                types.insert(columns(&path)?);
            }
        }
        Ok(())
    }

    fn add_fields(&mut self, before: &str, name: &str, value: &Value) {
        let place = format!("{before}{name}");
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "text",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        let types = self.0.entry(place.clone()).or_default();
        types.insert(kind.to_owned());
        match value {
            Value::Array(elements) => {
                for element in elements {
                    self.add_fields(&place, "[]", element);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    self.add_fields(&place, &format!(".{name}"), field);
                }
            }
            _ => {}
        }
    }
}

/// The header of a table, every row of which has as many cells.
fn columns(path: &Path) -> anyhow::Result<String> {
    let why = || format!("read {}", path.display());
    let mut reader = csv::Reader::from_path(path).with_context(why)?;
    let header = reader.headers().with_context(why)?.clone();
    for record in reader.records() {
        record.with_context(why)?;
    }
    ensure!(!header.is_empty(), "{} has no header", path.display());
    Ok(header.iter().collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(json: &str, table: &str) -> Shape {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("logs")).unwrap();
        std::fs::write(dir.path().join("logs/a.log"), "words").unwrap();
        std::fs::write(dir.path().join(RESULT_FILE), json).unwrap();
        std::fs::write(dir.path().join("t.csv"), table).unwrap();
        Shape::of(dir.path()).unwrap()
    }

    #[test]
    fn what_is_new_gone_or_of_another_type_is_found_and_what_was_measured_is_not() {
        let shape = result(
            r#"{ "a": [{ "b": 1, "c": null }, { "b": 2, "c": "x" }], "d": { "e": true }, "f": null }"#,
            "node,n\nedge0,1\n",
        );
        assert_eq!(Shape::parse(&shape.text()), shape);
        assert!(
            shape
                .text()
                .contains("result.json: .a[].c = null | text\nresult.json: .d = object\n"),
            "{}",
            shape.text()
        );
        let same = result(
            r#"{ "a": [], "d": { "e": false }, "f": null }"#,
            "node,n\nedge0,7\nedge1,8\n",
        );
        assert_eq!(shape.differences(&same), Vec::<String>::new());
        let other = result(
            r#"{ "a": [{ "b": "1" }], "d": {}, "f": null, "g": 1 }"#,
            "node,n,m\nedge0,1,2\n",
        );
        let found = shape.differences(&other).join("\n");
        for part in [
            "result.json: .a[].b is text instead of {\"number\"}",
            "result.json: .a[].c is missing",
            "result.json: .d.e is missing",
            "result.json: .g is new",
            "t.csv is node,n,m instead of {\"node,n\"}",
        ] {
            assert!(found.contains(part), "no `{part}` in\n{found}");
        }
        assert_eq!(found.lines().count(), 5, "{found}");
    }

    #[test]
    fn a_row_with_another_number_of_cells_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t.csv"), "a,b\n1\n").unwrap();
        let error = format!("{:#}", Shape::of(dir.path()).unwrap_err());
        assert!(error.contains("t.csv"), "{error}");
    }
}
