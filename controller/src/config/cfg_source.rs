//! Upstream's spelling: INI as Python's configparser reads it. No crate keeps line numbers, so this reads it itself.
//!
//! Sections in brackets, `key = value` or `key: value`, whole-line comments with `#` or `;`, keys in any case,
//! indented lines continue a value. There are no inline comments, as upstream has none.

use super::{
    entry::{Entry, Place, Value},
    fault::Fault,
    keys::{self, CfgUnit, KEYS},
    suggest::nearest,
};

/// A value with its place.
struct Line {
    section: String,
    key: String,
    value: String,
    number: usize,
}

fn lines(text: &str, file: &str, faults: &mut Vec<Fault>) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let mut section: Option<String> = None;
    let mut fault = |number: usize, key: &str, text: String| {
        let place = Place {
            file: file.to_owned(),
            line: number,
            key: key.to_owned(),
        };
        faults.push(Fault { place, text });
    };
    for (index, raw) in text.lines().enumerate() {
        let number = index + 1;
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            continue;
        }
        if raw.starts_with([' ', '\t'])
            && let Some(last) = found.last_mut()
        {
            last.value.push('\n');
            last.value.push_str(line);
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            section = Some(name.trim().to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            fault(
                number,
                "",
                format!("`{line}` is neither `[section]` nor `key = value`"),
            );
            continue;
        };
        let key = key.trim().to_lowercase();
        let Some(section) = &section else {
            fault(number, &key, "stands before any [section]".into());
            continue;
        };
        if let Some(first) = found.iter().find(|l| l.section == *section && l.key == key) {
            fault(
                number,
                &format!("[{section}] {key}"),
                format!("was given already, in line {}", first.number),
            );
            continue;
        }
        found.push(Line {
            section: section.clone(),
            key,
            value: value.trim().to_owned(),
            number,
        });
    }
    found
}

/// Entries by their TOML paths; units are converted.
pub(super) fn entries(text: &str, file: &str, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let sections: Vec<&str> = KEYS
        .iter()
        .filter_map(|k| k.cfg.map(|c| c.section))
        .collect();
    for line in lines(text, file, faults) {
        let place = Place {
            file: file.to_owned(),
            line: line.number,
            key: format!("[{}] {}", line.section, line.key),
        };
        let known = KEYS.iter().find(|k| {
            k.cfg
                .is_some_and(|c| c.section == line.section && c.option.to_lowercase() == line.key)
        });
        match known {
            // An empty value is as good as none.
            Some(_) if line.value.is_empty() => {}
            Some(key) => {
                let unit = key.cfg.map_or(CfgUnit::Same, |c| c.unit);
                let value = convert(unit, line.value);
                entries.push(Entry {
                    path: key.path.to_owned(),
                    value,
                    place,
                });
            }
            None => {
                let text = if let Some(why) = keys::unsupported_option(&line.key) {
                    why
                } else if sections.contains(&line.section.as_str()) {
                    let options = KEYS
                        .iter()
                        .filter_map(|k| k.cfg)
                        .filter(|c| c.section == line.section)
                        .map(|c| c.option);
                    unknown("option", nearest(&line.key, options))
                } else {
                    unknown("section", nearest(&line.section, sections.iter().copied()))
                };
                faults.push(Fault { place, text });
            }
        }
    }
    entries
}

fn unknown(what: &str, near: Option<&str>) -> String {
    near.map_or_else(
        || format!("unknown {what}"),
        |n| format!("unknown {what}; did you mean `{n}`?"),
    )
}

fn convert(unit: CfgUnit, text: String) -> Value {
    match unit {
        CfgUnit::Same => Value::Text(text),
        // Whole gigabytes become mebibytes; what is no number is left for the check to complain about.
        CfgUnit::Gigabytes => match text.parse::<f64>() {
            Ok(gb) if gb.is_finite() => Value::Float(gb * 1024.0),
            _ => Value::Text(text),
        },
        CfgUnit::List => Value::List(
            text.split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(str::to_owned)
                .collect(),
        ),
        // `network_emulation = True` says that there is a preset; which one stands elsewhere.
        CfgUnit::Lowercase => Value::Text(text.to_lowercase()),
    }
}
