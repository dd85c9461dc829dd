//! Single values: of the type and in the range that the table of options gives.

use super::{
    choices::Choice,
    entry::{Entry, Place, Row, Value},
    fault::Fault,
    model::{Config, keys::Kind},
    options,
    printable::printable,
    suggest,
};
use continuum_model::Prefixes;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// Entries whose type and range are right, read by path.
pub(super) struct Options<'a> {
    entries: &'a [Entry],
    values: Vec<(&'a str, Value)>,
    /// Lines of the rows that were read.
    rows: Vec<(&'a str, Vec<usize>)>,
    /// File name, for faults that have no line.
    file: &'a str,
    pub(super) is_cfg: bool,
}

impl<'a> Options<'a> {
    /// Of what is written; what is not as it must be is added to `faults`, and of single rows to `of_rows`.
    pub(super) fn of(
        entries: &'a [Entry],
        file: &'a str,
        is_cfg: bool,
        faults: &mut Vec<Fault>,
        of_rows: &mut Vec<Fault>,
    ) -> Self {
        let mut values = Vec::new();
        let mut all_rows = Vec::new();
        for entry in entries {
            let Some(key) = options::find(&entry.path) else {
                continue;
            };
            let value = match key.kind {
                Kind::Timeline => rows(entry, of_rows).map(|(steps, lines)| {
                    all_rows.push((entry.path.as_str(), lines));
                    Value::Timeline(steps)
                }),
                Kind::Functions => rows(entry, of_rows).map(|(loads, lines)| {
                    all_rows.push((entry.path.as_str(), lines));
                    Value::Functions(loads)
                }),
                Kind::Overrides => rows(entry, of_rows).map(|(links, lines)| {
                    all_rows.push((entry.path.as_str(), lines));
                    Value::Overrides(links)
                }),
                kind => typed(&entry.value, kind),
            };
            match value {
                Ok(value) => values.push((entry.path.as_str(), value)),
                Err(text) => faults.push(Fault {
                    place: entry.place.clone(),
                    text,
                }),
            }
        }
        Self {
            entries,
            values,
            rows: all_rows,
            file,
            is_cfg,
        }
    }

    /// Puts values into a config, in the order of the table of options.
    pub(super) fn put_into(&self, config: &mut Config, is_wanted: impl Fn(&str) -> bool) {
        for key in options::KEYS.iter().filter(|key| is_wanted(key.path)) {
            if let (Some(access), Some(value)) = (key.access, self.value(key.path)) {
                (access.put)(config, value);
            }
        }
    }

    pub(super) fn value(&self, path: &str) -> Option<&Value> {
        self.values.iter().find(|(p, _)| *p == path).map(|(_, v)| v)
    }

    /// Paths of everything that is written, right or wrong.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|e| e.path.as_str())
    }

    pub(super) fn is_given(&self, path: &str) -> bool {
        self.entries.iter().any(|e| e.path == path)
    }

    pub(super) fn text(&self, path: &str) -> Option<String> {
        match self.value(path)? {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        }
    }

    pub(super) fn choice<T: Choice>(&self, path: &str) -> Option<T> {
        T::of(&self.text(path)?)
    }

    pub(super) fn bool(&self, path: &str) -> Option<bool> {
        if let Value::Bool(b) = self.value(path)? {
            Some(*b)
        } else {
            None
        }
    }

    pub(super) fn float(&self, path: &str) -> Option<f64> {
        if let Value::Float(n) = self.value(path)? {
            Some(*n)
        } else {
            None
        }
    }

    /// Where an option stands, or the file with its native name.
    pub(super) fn place(&self, path: &str) -> Place {
        let written = self
            .entries
            .iter()
            .find(|e| e.path == path)
            .map(|e| e.place.clone());
        written.unwrap_or_else(|| {
            let cfg = options::find(path)
                .and_then(|k| k.cfg)
                .filter(|_| self.is_cfg);
            let key = cfg.map_or_else(
                || path.to_owned(),
                |c| format!("[{}] {}", c.section, c.option),
            );
            Place {
                file: self.file.to_owned(),
                line: 0,
                key,
                path: path.to_owned(),
            }
        })
    }

    /// Where one of the rows of an option stands.
    pub(super) fn place_of_row(&self, path: &str, row: usize) -> Place {
        let mut place = self.place(path);
        let lines = self.rows.iter().find(|(p, _)| *p == path);
        if let Some(line) = lines.and_then(|(_, lines)| lines.get(row)) {
            place.line = *line;
        }
        place
    }

    pub(super) fn fault(&self, faults: &mut Vec<Fault>, path: &str, text: impl Into<String>) {
        faults.push(Fault {
            place: self.place(path),
            text: text.into(),
        });
    }
}

/// What rows say, each a table or a line, with where they stand. What is wrong with one is a fault of its own.
fn rows<T>(entry: &Entry, faults: &mut Vec<Fault>) -> Result<(Vec<T>, Vec<usize>), String>
where
    T: DeserializeOwned + FromStr<Err = String>,
{
    let row = |text: &String| Row {
        line: entry.place.line,
        value: text.clone().into(),
    };
    let rows: Vec<Row> = match (&entry.value, typed(&entry.value, Kind::List)) {
        (Value::Rows(rows), _) => rows.clone(),
        (_, Ok(Value::List(texts))) => texts.iter().map(row).collect(),
        (value, _) => {
            let text = value.to_string();
            return Err(format!(
                "`{}` is not a list of tables or texts",
                printable(&text)
            ));
        }
    };
    let (mut all, mut lines) = (Vec::new(), Vec::new());
    for Row { line, value } in rows {
        let read = match value {
            serde_json::Value::String(text) => text.parse(),
            table if table.is_object() => serde_json::from_value(table).map_err(|e| e.to_string()),
            other => Err(format!(
                "`{}` is neither a table nor a text",
                printable(&other.to_string())
            )),
        };
        match read {
            Ok(one) => {
                all.push(one);
                lines.push(line);
            }
            Err(text) => faults.push(Fault {
                place: Place {
                    line,
                    ..entry.place.clone()
                },
                text,
            }),
        }
    }
    Ok((all, lines))
}

/// A value as its option has it, or what would be allowed.
pub(super) fn typed(value: &Value, kind: Kind) -> Result<Value, String> {
    let text = value.to_string();
    let wrong = |allowed: &str| Err(format!("`{}` is not {allowed}", printable(&text)));
    match kind {
        Kind::Text => match value {
            Value::Text(text) | Value::Raw(text) => Ok(Value::Text(text.clone())),
            _ => wrong("a text"),
        },
        Kind::Prefixes => {
            // The others belong to groups of machines, or to none.
            let is_right = |prefixes: Prefixes| {
                let [a, b, ..] = prefixes.net().network().octets();
                (1..=223).contains(&a) && (1..=254).contains(&b)
            };
            let is_text = matches!(value, Value::Text(_) | Value::Raw(_));
            if is_text && text.parse().is_ok_and(is_right) {
                return Ok(Value::Text(text));
            }
            wrong("two numbers with a dot: 1 to 223, and 1 to 254")
        }
        Kind::List => match value {
            Value::List(_) => Ok(value.clone()),
            Value::Text(text) | Value::Raw(text) => Ok(Value::List(
                text.split(',')
                    .map(str::trim)
                    .filter(|s| !s.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )),
            _ => wrong("a list of texts"),
        },
        Kind::Timeline | Kind::Functions | Kind::Overrides => Ok(value.clone()),
        Kind::Bool => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::Raw(text) | Value::Not(text) => match truth(text) {
                Some(is_true) => Ok(Value::Bool(is_true != matches!(value, Value::Not(_)))),
                None => wrong("true or false"),
            },
            _ => wrong("true or false"),
        },
        Kind::TruthOr(names) => match value {
            Value::Bool(_) => Ok(value.clone()),
            Value::Text(text) | Value::Raw(text) if names.contains(&text.as_str()) => {
                Ok(Value::Text(text.clone()))
            }
            Value::Raw(text) if truth(text).is_some() => typed(value, Kind::Bool),
            _ => wrong(&format!("true, false or {}", names.join(", "))),
        },
        Kind::Int(low, high) => {
            let number = match value {
                Value::Int(n) => Some(*n),
                Value::Raw(text) => text.parse().ok(),
                _ => None,
            };
            match number {
                Some(n) if (low..=high).contains(&n) => Ok(Value::Int(n)),
                Some(_) => wrong(&format!("in {low} to {high}")),
                None => wrong(&format!("a whole number, {low} to {high}")),
            }
        }
        Kind::Float(low, high) => {
            let number = match value {
                Value::Float(n) => Some(*n),
                Value::Int(n) => Some(*n as f64),
                Value::Raw(text) => text.parse::<f64>().ok(),
                _ => None,
            };
            match number.filter(|n| n.is_finite()) {
                Some(n) if (low..=high).contains(&n) => Ok(Value::Float(n)),
                Some(_) => wrong(&format!("in {low} to {high}")),
                None => wrong(&format!("a number, {low} to {high}")),
            }
        }
        Kind::Mib(low, high) => mib(value, low, high)
            .map_err(|allowed| format!("`{}` is not {allowed}", printable(&text))),
        Kind::Choice(allowed, refused) => {
            if !matches!(value, Value::Text(_) | Value::Raw(_)) {
                return wrong(&format!("one of {}", allowed.join(", ")));
            }
            if allowed.contains(&text.as_str()) {
                return Ok(Value::Text(text));
            }
            if let Some((_, why)) = refused.iter().find(|(name, _)| *name == text) {
                return Err(format!("`{text}`: {why}"));
            }
            let near = suggest::nearest(&text, allowed.iter().copied())
                .map_or_else(String::new, |n| format!("; did you mean `{n}`?"));
            wrong(&format!("one of {}{near}", allowed.join(", ")))
        }
    }
}

/// As Python's configparser reads truth values.
fn truth(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "on" | "true" | "1" => Some(true),
        "no" | "off" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// Memory in MiB, or what would be allowed, in the unit that the user wrote.
fn mib(value: &Value, low: f64, high: f64) -> Result<Value, String> {
    if let Value::Gigabytes(text) = value {
        return match text.parse::<f64>() {
            Ok(gb) if (low..=high).contains(&(gb * 1024.0)) => {
                Ok(Value::Float((gb * 1024.0).round()))
            }
            _ => Err(format!(
                "a number, {} to {} GB",
                low / 1024.0,
                high / 1024.0
            )),
        };
    }
    let number = match value {
        Value::Float(n) => Some(*n),
        Value::Int(n) => Some(*n as f64),
        _ => None,
    };
    match number.filter(|n| n.fract() == 0.0) {
        Some(n) if (low..=high).contains(&n) => Ok(Value::Float(n)),
        _ => Err(format!("a whole number of MiB, {low} to {high}")),
    }
}
