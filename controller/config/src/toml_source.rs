//! The native spelling, and `--set path=value`.

use super::{
    MOST_FAULTS,
    entry::{Entry, Place, Row, Value},
    fault::Fault,
    model::keys::{Key, Kind},
    options::KEYS,
    suggest::nearest,
};
use serde_json::{Map, Value as Json};
use toml_edit::{Document, Item, Table, TableLike, Value as TomlValue};

/// Entries of a TOML text.
/// `None` = it is not TOML.
pub(super) fn entries(text: &str, file: &str, faults: &mut Vec<Fault>) -> Option<Vec<Entry>> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            let place = Place {
                file: file.to_owned(),
                line,
                ..Place::default()
            };
            faults.push(Fault {
                place,
                text: error.message().trim().to_owned(),
            });
            return None;
        }
    };
    let mut walk = Walk {
        text,
        file,
        entries: Vec::new(),
        faults,
    };
    walk.table(document.as_table(), "");
    Some(walk.entries)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.get(..offset)
        .map_or(0, |before| before.matches('\n').count() + 1)
}

struct Walk<'a> {
    text: &'a str,
    file: &'a str,
    entries: Vec<Entry>,
    faults: &'a mut Vec<Fault>,
}

impl Walk<'_> {
    fn table(&mut self, table: &Table, prefix: &str) {
        for (key, item) in table {
            let path = if prefix.is_empty() {
                key.to_owned()
            } else {
                format!("{prefix}.{key}")
            };
            let at = table
                .key(key)
                .and_then(toml_edit::Key::span)
                .or_else(|| item.span());
            let line = at.map_or(0, |span| line_of(self.text, span.start));
            match item {
                Item::Table(inner) if is_table(&path) => self.table(inner, &path),
                Item::Value(TomlValue::InlineTable(inner)) if is_table(&path) => {
                    self.table(&inner.clone().into_table(), &path);
                }
                Item::Table(_) | Item::Value(TomlValue::InlineTable(_)) => {
                    let place = self.place(line, &path);
                    let text = if KEYS.iter().any(|k| k.path == path) {
                        "is a value, not a table".to_owned()
                    } else {
                        self.unknown("table", &path)
                    };
                    self.faults.push(Fault { place, text });
                }
                Item::Value(value) => {
                    let place = self.place(line, &path);
                    self.value(value, path, place);
                }
                Item::ArrayOfTables(tables) if has_rows(&path) => {
                    let rows = tables.iter().map(|table| Row {
                        line: table.span().map_or(line, |s| line_of(self.text, s.start)),
                        value: json_of(table),
                    });
                    let value = Value::Rows(rows.collect());
                    let place = self.place(line, &path);
                    self.entries.push(Entry { path, value, place });
                }
                Item::ArrayOfTables(_) | Item::None => {
                    let place = self.place(line, &path);
                    self.faults.push(Fault {
                        place,
                        text: "is not a table or a value".into(),
                    });
                }
            }
        }
    }

    fn place(&self, line: usize, path: &str) -> Place {
        Place {
            file: self.file.to_owned(),
            line,
            key: path.to_owned(),
            path: path.to_owned(),
        }
    }

    fn unknown(&self, what: &str, path: &str) -> String {
        let known: Vec<&str> = if what == "table" {
            let parent = |k: &'static Key| k.path.rsplit_once('.').map(|(table, _)| table);
            KEYS.iter().filter_map(parent).collect()
        } else {
            KEYS.iter().map(|k| k.path).collect()
        };
        let near = if self.faults.len() < MOST_FAULTS {
            nearest(path, known)
        } else {
            None
        };
        near.map_or_else(
            || format!("unknown {what}; `continuum-ctl config options` lists all"),
            |near| format!("unknown {what}; did you mean `{near}`?"),
        )
    }

    fn value(&mut self, value: &TomlValue, path: String, place: Place) {
        if !KEYS.iter().any(|k| k.path == path) {
            let text = self.unknown("option", &path);
            self.faults.push(Fault { place, text });
            return;
        }
        let value = match value {
            TomlValue::String(s) => Value::Text(s.value().clone()),
            TomlValue::Integer(n) => Value::Int(*n.value()),
            TomlValue::Float(n) => Value::Float(*n.value()),
            TomlValue::Boolean(b) => Value::Bool(*b.value()),
            TomlValue::Array(array) if has_rows(&path) => {
                let rows = array.iter().map(|value| Row {
                    line: value
                        .span()
                        .map_or(place.line, |s| line_of(self.text, s.start)),
                    value: json_of_value(value),
                });
                Value::Rows(rows.collect())
            }
            TomlValue::Array(array) => {
                let texts: Option<Vec<String>> = array
                    .iter()
                    .map(|v| v.as_str().map(str::to_owned))
                    .collect();
                if let Some(texts) = texts {
                    Value::List(texts)
                } else {
                    self.faults.push(Fault {
                        place,
                        text: "must be a list of texts".into(),
                    });
                    return;
                }
            }
            TomlValue::Datetime(_) | TomlValue::InlineTable(_) => {
                self.faults.push(Fault {
                    place,
                    text: "is a kind of value no option has".into(),
                });
                return;
            }
        };
        self.entries.push(Entry { path, value, place });
    }
}

/// Whether an option is a list of tables.
fn has_rows(path: &str) -> bool {
    let key = KEYS.iter().find(|k| k.path == path);
    key.is_some_and(|k| matches!(k.kind, Kind::Timeline | Kind::Functions | Kind::Overrides))
}

/// A table for who reads it by serde.
fn json_of(table: &dyn TableLike) -> Json {
    let values = table.iter().filter_map(|(key, item)| {
        let value = match item {
            Item::Value(value) => json_of_value(value),
            item => json_of(item.as_table_like()?),
        };
        Some((key.to_owned(), value))
    });
    values.collect::<Map<_, _>>().into()
}

fn json_of_value(value: &TomlValue) -> Json {
    match value {
        TomlValue::String(text) => text.value().clone().into(),
        TomlValue::Integer(n) => (*n.value()).into(),
        TomlValue::Float(n) => (*n.value()).into(),
        TomlValue::Boolean(b) => (*b.value()).into(),
        TomlValue::Datetime(time) => time.value().to_string().into(),
        TomlValue::Array(array) => array.iter().map(json_of_value).collect(),
        TomlValue::InlineTable(table) => json_of(table),
    }
}

/// Whether options lie below this path.
fn is_table(path: &str) -> bool {
    KEYS.iter().any(|k| {
        k.path
            .strip_prefix(path)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Applies one `path=value`; the value is TOML if it parses as that, else a text.
pub(super) fn apply_override(text: &str, entries: &mut Vec<Entry>, faults: &mut Vec<Fault>) {
    let place = |path: &str| Place {
        file: "--set".into(),
        line: 0,
        key: path.to_owned(),
        path: path.to_owned(),
    };
    let Some((path, value)) = text.split_once('=') else {
        faults.push(Fault {
            place: place(text),
            text: "expected path=value".into(),
        });
        return;
    };
    let (path, value) = (path.trim(), value.trim());
    let line = format!("v = {value}");
    let parsed = Document::parse(line.as_str())
        .ok()
        .filter(|d| d.as_table().len() == 1)
        .and_then(|d| d.as_table().get("v").and_then(Item::as_value).cloned());
    // 1.35 is a version where a text is wanted, and need not be quoted twice.
    let wants_text = KEYS.iter().any(|k| {
        k.path == path && matches!(k.kind, Kind::Text | Kind::Prefixes | Kind::Choice(..))
    });
    let value = parsed
        .filter(|v| v.is_str() || !wants_text)
        .unwrap_or_else(|| TomlValue::from(value));
    let mut walk = Walk {
        text: "",
        file: "--set",
        entries: Vec::new(),
        faults,
    };
    walk.value(&value, path.to_owned(), place(path));
    if let Some(entry) = walk.entries.pop() {
        entries.retain(|e| e.path != entry.path);
        entries.push(entry);
    }
}
