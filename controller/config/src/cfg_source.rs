//! Upstream's spelling: INI as Python's configparser reads it. No crate keeps line numbers, so this reads it itself.
//!
//! Sections in brackets, `key = value` or `key: value`, whole-line comments with `#` or `;`, keys in any case,
//! lines indented deeper than an option continue its value. There are no inline comments, as upstream has none.

use super::{
    MOST_FAULTS,
    entry::{Entry, Place, Value},
    fault::Fault,
    model::keys::{self, CfgUnit},
    options::KEYS,
    printable::printable,
    suggest::nearest,
};
use std::collections::HashMap;

/// A value with its place.
struct Line {
    section: String,
    key: String,
    value: String,
    number: usize,
}

/// Reads lines one after the other.
struct Reader<'a> {
    file: &'a str,
    faults: &'a mut Vec<Fault>,
    section: Option<String>,
    /// Sections with the lines of their headers.
    sections: Vec<(String, usize)>,
    /// Indentation of the option whose value the next lines may continue.
    open: Option<usize>,
    found: Vec<Line>,
    /// Where each option of each section was given first.
    seen: HashMap<(String, String), usize>,
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, key: &str, text: impl Into<String>) {
        let place = Place {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
        };
        self.faults.push(Fault {
            place,
            text: text.into(),
        });
    }

    fn read(&mut self, raw: &str, number: usize) {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            return;
        }
        let indent = raw.len() - raw.trim_start().len();
        if self.open.is_some_and(|open| indent > open)
            && let Some(last) = self.found.last_mut()
        {
            last.value.push('\n');
            last.value.push_str(line);
            return;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            self.header(name.trim(), number);
            return;
        }
        self.open = None;
        let Some((key, value)) = line.split_once(['=', ':']) else {
            let text = format!(
                "`{}` is neither `[section]` nor `key = value`",
                printable(line)
            );
            self.fault(number, "", text);
            return;
        };
        let key = key.trim().to_lowercase();
        let Some(section) = self.section.clone() else {
            self.fault(number, &key, "stands before any [section]");
            return;
        };
        let first = *self
            .seen
            .entry((section.clone(), key.clone()))
            .or_insert(number);
        if first != number {
            let text = format!("was given already, in line {first}");
            self.fault(number, &format!("[{section}] {key}"), text);
            return;
        }
        self.open = Some(indent);
        self.found.push(Line {
            section,
            key,
            value: value.trim().to_owned(),
            number,
        });
    }

    fn header(&mut self, name: &str, number: usize) {
        self.open = None;
        self.section = Some(name.to_owned());
        if let Some((_, first)) = self.sections.iter().find(|(n, _)| n == name) {
            let text = format!("section was begun already, in line {first}");
            self.fault(number, &format!("[{}]", printable(name)), text);
            return;
        }
        self.sections.push((name.to_owned(), number));
        let known = sections();
        if !known.contains(&name) {
            let near = nearest(name, known);
            self.fault(
                number,
                &format!("[{}]", printable(name)),
                unknown("section", near),
            );
        }
    }
}

/// Names of all sections.
fn sections() -> Vec<&'static str> {
    KEYS.iter().filter_map(|k| Some(k.cfg?.section)).collect()
}

/// Entries by their TOML paths; units are converted.
pub(super) fn entries(text: &str, file: &str, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut reader = Reader {
        file,
        faults,
        section: None,
        sections: Vec::new(),
        open: None,
        found: Vec::new(),
        seen: HashMap::new(),
    };
    for (index, raw) in text.lines().enumerate() {
        reader.read(raw, index + 1);
    }
    // Upstream's section is optional, and its one option then is not.
    let model = "execution_model";
    let header = reader.sections.iter().find(|(name, _)| name == model);
    if let Some((_, line)) = header.cloned()
        && !reader.found.iter().any(|l| l.section == model)
    {
        reader.fault(
            line,
            "[execution_model] model",
            "is required in this section: openfaas",
        );
    }
    let Reader { found, .. } = reader;
    found
        .into_iter()
        .filter_map(|line| entry(line, file, faults))
        .collect()
}

fn entry(line: Line, file: &str, faults: &mut Vec<Fault>) -> Option<Entry> {
    let known = KEYS.iter().find_map(|k| {
        let cfg = k.cfg?;
        let is_it = cfg.section == line.section && cfg.option.to_lowercase() == line.key;
        is_it.then_some((k, cfg))
    });
    let place = |key: &str| Place {
        file: file.to_owned(),
        line: line.number,
        key: format!("[{}] {}", line.section, printable(key)),
    };
    let Some((key, cfg)) = known else {
        // An unknown section was complained about at its header.
        if let Some(why) = keys::unsupported_option(&line.key) {
            faults.push(Fault {
                place: place(&line.key),
                text: why,
            });
        } else if sections().contains(&line.section.as_str()) {
            let options = KEYS.iter().filter_map(|k| k.cfg);
            let options = options.filter(|c| c.section == line.section);
            let near = if faults.len() < MOST_FAULTS {
                nearest(&line.key, options.map(|c| c.option))
            } else {
                None
            };
            faults.push(Fault {
                place: place(&line.key),
                text: unknown("option", near),
            });
        }
        return None;
    };
    // An empty value is as good as none.
    (!line.value.is_empty()).then(|| Entry {
        path: key.path.to_owned(),
        place: place(cfg.option),
        value: convert(cfg.unit, line.value.clone()),
    })
}

fn unknown(what: &str, near: Option<&str>) -> String {
    near.map_or_else(
        || format!("unknown {what}"),
        |n| format!("unknown {what}; did you mean `{n}`?"),
    )
}

fn convert(unit: CfgUnit, text: String) -> Value {
    match unit {
        CfgUnit::Same => Value::Raw(text),
        CfgUnit::Gigabytes => Value::Gigabytes(text),
        CfgUnit::Not => Value::Not(text),
        CfgUnit::List => Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        // `network_emulation = True` says that there is a preset; which one stands elsewhere.
        CfgUnit::Lowercase => Value::Raw(text.to_lowercase()),
    }
}
