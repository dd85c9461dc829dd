//! What can be chosen is told apart by its type, or asked what it can do: only the file of a thing compares texts with its
//! name. Names are those that configs know, those of states, and whatever a thing says in its `fn name`.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_config::{
    AcceleratorChoice, ApplicationKind, Broker, ExecutionModelKind, ManagerKind,
    OpenFaasDistribution, ProviderKind, Runtime,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const FOLDERS: &[&str] = &["agent/src", "controller", "images/src", "workloads"];
/// Names of states are no way to compare them either.
const STATES: &[&str] = &["running", "paused", "stopped", "gone"];
/// How a thing declares its name, before the text itself.
const DECLARATION: &str = "fn name(&self) -> &'static str {";

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Lines before the tests of a file.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// Names that things of a file declare.
fn declared(text: &str) -> Vec<String> {
    let lines: Vec<&str> = code(text).collect();
    let pairs = lines.windows(2).filter_map(|pair| match pair {
        [line, next] if line.contains(DECLARATION) => Some(next.trim().trim_matches('"')),
        _ => None,
    });
    pairs
        .filter(|name| {
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b"-_".contains(&b))
        })
        .map(str::to_owned)
        .collect()
}

/// Lines of a text that compare with a name, with their numbers from 1; tests may.
fn comparisons<'a>(text: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let name = format!("\"{name}\"");
    let marks = [
        format!("== {name}"),
        format!("!= {name}"),
        format!("| {name}"),
        format!("{name} |"),
        format!("{name} =>"),
        format!("{name}) =>"),
        format!("contains(&{name})"),
    ];
    let lines = code(text).enumerate().filter(|(_, line)| {
        let is_in_list = line.contains("].contains(") || line.contains("matches!");
        is_in_list && line.contains(&name) || marks.iter().any(|mark| line.contains(mark))
    });
    lines.map(|(at, line)| (at + 1, line.trim())).collect()
}

#[test]
fn nothing_is_told_apart_by_its_name_outside_its_own_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 300, "{} files", files.len());
    let texts: BTreeMap<PathBuf, String> = files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect();
    let configured = [
        ProviderKind::NAMES,
        ManagerKind::NAMES,
        ExecutionModelKind::NAMES,
        OpenFaasDistribution::NAMES,
        ApplicationKind::NAMES,
        Runtime::NAMES,
        Broker::NAMES,
        AcceleratorChoice::NAMES,
        STATES,
    ];
    let mut names: Vec<String> = configured
        .concat()
        .iter()
        .map(|n| (*n).to_owned())
        .collect();
    names.extend(texts.values().flat_map(|text| declared(text)));
    names.sort();
    names.dedup();
    assert!(
        names.iter().any(|name| name == "kubernetes-worker"),
        "{names:?}"
    );
    let mut found = Vec::new();
    for (path, text) in &texts {
        let own = declared(text);
        let is_own = |name: &String| {
            let mut parts = path.iter();
            own.contains(name) || parts.any(|part| Path::new(part).file_stem().unwrap() == &**name)
        };
        for name in names.iter().filter(|name| !is_own(name)) {
            let lines = comparisons(text, name).into_iter();
            let path = path.display();
            found.extend(lines.map(|(at, line)| format!("{path}:{at}: {line}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn comparisons_are_seen_in_every_spelling() {
    let text = "if name == \"qemu\" {\nmatch name {\n    \"uml\" | \"qemu\" => 1,\n    Some(\"qemu\") => 2,\n}\n\
                let a = \"qemu\";\nmatches!(name, \"qemu\")\n[\"uml\", \"qemu\"].contains(&name)\n\
                all.contains(&\"qemu\")\n#[cfg(test)]\nname != \"qemu\"\n";
    let lines: Vec<usize> = comparisons(text, "qemu")
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(lines, [1, 3, 4, 7, 8, 9]);
}

#[test]
fn a_declared_name_is_seen() {
    let text =
        format!("{DECLARATION}\n        \"pod-routes\"\n    }}\n{DECLARATION}\n self.name\n");
    assert_eq!(declared(&text), ["pod-routes"]);
}
