//! Upstream's spelling: INI as Python's configparser reads it. No crate keeps line numbers, so this reads it itself.
//!
//! Sections in brackets, `key = value` or `key: value`, whole-line comments with `#` or `;`, keys in any case,
//! lines indented deeper than an option continue its value. Upstream knows no comments behind values; here they are left
//! out, with a warning.

use super::{
    MOST_FAULTS,
    entry::{Entry, Place, Value},
    fault::Fault,
    model::keys::{Cfg, CfgUnit, Key, other_provider},
    options::KEYS,
    printable::printable,
    suggest::nearest,
};
use std::collections::{BTreeMap, HashMap};

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
    /// Lines with a comment behind their value.
    commented: Vec<usize>,
}

/// A value without the comment behind it: `#` or `;` after a space, or `#` before one.
fn without_comment(text: &str) -> &str {
    let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let begins = |&(at, mark): &(usize, char)| {
        let (before, rest) = text.split_at(at);
        let after_space = is_space(before.chars().next_back());
        let before_space = is_space(rest.chars().nth(1));
        matches!(mark, '#' | ';') && (after_space || mark == '#' && before_space)
    };
    let end = text.char_indices().find(begins);
    let end = end.map_or(text.len(), |(at, _)| at);
    text.split_at(end).0.trim()
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, section: &str, option: &str, text: impl Into<String>) {
        self.faults.push(Fault {
            place: place(self.file, line, section, option),
            text: text.into(),
        });
    }

    /// What a line gives to a value.
    fn value<'t>(&mut self, text: &'t str, number: usize) -> &'t str {
        let value = without_comment(text.trim());
        if value != text.trim() {
            self.commented.push(number);
        }
        value
    }

    fn read(&mut self, raw: &str, number: usize) {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with(';') {
            return;
        }
        let indent = raw.len() - raw.trim_start().len();
        if self.open.is_some_and(|open| indent > open) {
            let more = self.value(line, number);
            if let Some(last) = self.found.last_mut() {
                last.value.push('\n');
                last.value.push_str(more);
            }
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
            self.fault(number, "", "", text);
            return;
        };
        let key = key.trim().to_lowercase();
        let Some(section) = self.section.clone() else {
            self.fault(number, "", &key, "stands before any [section]");
            return;
        };
        let first = *self
            .seen
            .entry((section.clone(), key.clone()))
            .or_insert(number);
        if first != number {
            let text = format!("was given already, in line {first}");
            self.fault(number, &section, &key, text);
            return;
        }
        self.open = Some(indent);
        let value = self.value(value, number).to_owned();
        self.found.push(Line {
            section,
            key,
            value,
            number,
        });
    }

    fn header(&mut self, name: &str, number: usize) {
        self.open = None;
        self.section = Some(name.to_owned());
        if let Some((_, first)) = self.sections.iter().find(|(n, _)| n == name) {
            let text = format!("section was begun already, in line {first}");
            self.fault(number, name, "", text);
            return;
        }
        self.sections.push((name.to_owned(), number));
        let known = sections();
        if !known.contains(&name) {
            let near = nearest(name, known);
            self.fault(number, name, "", unknown("section", near));
        }
    }
}

/// Where an option stands; without a section it is outside of all, without an option it is the section itself.
fn place(file: &str, line: usize, section: &str, option: &str) -> Place {
    let key = match (section, option) {
        ("", option) => printable(option),
        (section, "") => format!("[{}]", printable(section)),
        (section, option) => format!("[{section}] {}", printable(option)),
    };
    let path = known(section, option).map_or_else(
        || format!("{section}.{option}"),
        |(key, _)| key.path.to_owned(),
    );
    Place {
        file: file.to_owned(),
        line,
        key,
        path,
    }
}

/// The option of that name, of any section if none is given.
fn known(section: &str, option: &str) -> Option<(&'static Key, Cfg)> {
    KEYS.iter().find_map(|key| {
        let cfg = key.cfg?;
        let is_section = section.is_empty() || cfg.section == section;
        (is_section && cfg.option.eq_ignore_ascii_case(option)).then_some((key, cfg))
    })
}

/// Names of all sections.
fn sections() -> Vec<&'static str> {
    KEYS.iter().filter_map(|k| Some(k.cfg?.section)).collect()
}

/// Entries by their TOML paths; units are converted.
pub(super) fn entries(
    text: &str,
    file: &str,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
) -> Vec<Entry> {
    let mut reader = Reader {
        file,
        faults,
        section: None,
        sections: Vec::new(),
        open: None,
        found: Vec::new(),
        seen: HashMap::new(),
        commented: Vec::new(),
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
            model,
            "model",
            "is required in this section: openfaas",
        );
    }
    let Reader {
        found, commented, ..
    } = reader;
    if let Some(first) = commented.first() {
        let count = commented.len();
        warnings.push(format!(
            "comments behind values are left out; upstream takes them as part of the value ({count} lines, the first is \
             {file}:{first})"
        ));
    }
    let mut others = BTreeMap::new();
    let entries = found
        .into_iter()
        .filter_map(|line| entry(line, file, faults, warnings, &mut others))
        .collect();
    for (provider, options) in others {
        let (first, count) = (options.first().map_or("", String::as_str), options.len());
        let rest = if count > 1 {
            format!(" and {} more have", count - 1)
        } else {
            " has".to_owned()
        };
        warnings.push(format!(
            "[infrastructure] {first}{rest} no effect: of provider {provider}, which is not supported"
        ));
    }
    entries
}

/// Options by the provider that we do not have.
type OfOthers = BTreeMap<&'static str, Vec<String>>;

fn entry(
    line: Line,
    file: &str,
    faults: &mut Vec<Fault>,
    warnings: &mut Vec<String>,
    others: &mut OfOthers,
) -> Option<Entry> {
    let place = |option: &str| place(file, line.number, &line.section, option);
    let Some((key, cfg)) = known(&line.section, &line.key) else {
        // An unknown section was complained about at its header.
        let options = KEYS.iter().filter_map(|k| k.cfg);
        if let Some(provider) = other_provider(&line.key) {
            others.entry(provider).or_default().push(line.key);
        } else if let Some(cfg) = options
            .clone()
            .find(|c| c.option.to_lowercase() == line.key)
        {
            warnings.push(format!(
                "{} is not read here, as upstream does not: it belongs to [{}] ({file}:{})",
                place(cfg.option).key,
                cfg.section,
                line.number
            ));
        } else if sections().contains(&line.section.as_str()) {
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
