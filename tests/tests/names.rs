//! What can be chosen is told apart by its type, or asked what it can do: only the file of a thing compares texts with its
//! name. Looked at is `controller/` only.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use continuum_config::{
    AcceleratorChoice, ApplicationKind, Broker, ExecutionModelKind, ManagerKind, ProviderKind,
    Runtime,
};
use std::path::{Path, PathBuf};

/// Names of states are no way to compare them either.
const STATES: &[&str] = &["running", "paused", "stopped", "gone"];

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

/// Lines of a text that compare with a name, with their numbers from 1; tests may.
fn comparisons<'a>(text: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let text_of = |before: &str, after: &str| format!("{before}\"{name}\"{after}");
    let marks = [
        text_of("== ", ""),
        text_of("!= ", ""),
        text_of("| ", ""),
        text_of("", " |"),
        text_of("", " =>"),
    ];
    let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
    let lines = code.enumerate().filter(|(_, line)| {
        let matches = line.contains("matches!") && line.contains(&text_of("", ""));
        matches || marks.iter().any(|mark| line.contains(mark))
    });
    lines.map(|(at, line)| (at + 1, line.trim())).collect()
}

#[test]
fn nothing_is_told_apart_by_its_name_outside_its_own_file() {
    let names = [
        ProviderKind::NAMES,
        ManagerKind::NAMES,
        ExecutionModelKind::NAMES,
        ApplicationKind::NAMES,
        Runtime::NAMES,
        Broker::NAMES,
        AcceleratorChoice::NAMES,
        STATES,
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../controller");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 100, "{} files", files.len());
    let mut found = Vec::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(&root).unwrap();
        let is_own = |name: &str| {
            path.iter()
                .any(|part| Path::new(part).file_stem().unwrap() == name)
        };
        for name in names.concat().into_iter().filter(|name| !is_own(name)) {
            let lines = comparisons(&text, name).into_iter();
            let path = path.display();
            found.extend(lines.map(|(at, line)| format!("controller/{path}:{at}: {line}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn comparisons_are_seen_in_every_spelling() {
    let text = "if name == \"qemu\" {\nmatch name {\n    \"uml\" | \"qemu\" => 1,\n}\nlet a = \"qemu\";\n\
                matches!(name, \"qemu\")\n#[cfg(test)]\nname != \"qemu\"\n";
    let lines: Vec<usize> = comparisons(text, "qemu")
        .iter()
        .map(|(at, _)| *at)
        .collect();
    assert_eq!(lines, [1, 3, 6]);
}
