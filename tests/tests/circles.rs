//! Modules of a crate use each other in one direction: Cargo sees to that between crates, this test within them.
//!
//! Looked at are siblings, each with everything below it: a child may use what its parent has, and a parent its children.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Arrows that close a circle and are still to be turned, by the crate's folder. One that is gone must go from here too.
const STILL_TO_TURN: [(&str, &str, &str); 7] = [
    ("agent", "state", "broker"),
    ("agent", "state", "metrics"),
    ("agent", "state", "workload"),
    ("agent", "broker::gate", "broker::rumqttd"),
    ("agent", "broker::supervise", "broker::rumqttd"),
    ("images", "store", "raw"),
    ("workloads/image-recognition", "efficientnet", "classifier"),
];

type Module = Vec<String>;
/// Which modules a module uses, as paths from the crate's root.
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// Every folder of the workspace with a crate in it.
fn find_crates(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            if path.join("Cargo.toml").exists() && path.join("src").exists() {
                found.push(path.clone());
            }
            find_crates(&path, found);
        }
    }
}

/// Text of every module, by its path; code only, as far as lines that are comments go.
fn read_modules(dir: &Path, at: &Module, found: &mut BTreeMap<Module, String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let mut module = at.clone();
        if path.is_dir() {
            module.push(name);
            read_modules(&path, &module, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            if !["mod", "lib", "main"].contains(&&*name) {
                module.push(name);
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
            let code: Vec<&str> = code.collect();
            found.entry(module).or_default().push_str(&code.join("\n"));
        }
    }
}

/// `a::{b, c::{d}}` as `a::b` and `a::c::d`.
fn expand_use_tree(tree: &str, before: &str, found: &mut Vec<String>) {
    let (mut depth, mut begin) = (0, 0);
    let mut parts = Vec::new();
    for (at, letter) in tree.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(tree.get(begin..at).unwrap());
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(tree.get(begin..).unwrap());
    for part in parts.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        match part.split_once('{') {
            Some((head, rest)) => {
                let inner = rest.rsplit_once('}').unwrap().0;
                expand_use_tree(inner, &format!("{before}{head}"), found);
            }
            None => found.push(format!("{before}{part}")),
        }
    }
}

/// Paths into the own crate that a text has, in `use` lines and elsewhere.
fn crate_paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let (before, rest) = code.split_at(at);
            let last = before.chars().next_back().unwrap_or(' ');
            if last == ':' || last == '_' || last == '$' || last.is_alphanumeric() {
                continue;
            }
            let is_use = before.trim_end().ends_with("use");
            let end = if is_use {
                rest.find(';')
            } else {
                rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
            };
            expand_use_tree(
                rest.get(..end.unwrap_or(rest.len())).unwrap(),
                "",
                &mut found,
            );
        }
    }
    found
}

/// The module that a path of another one leads to.
fn resolve(path: &str, from: &Module, all: &BTreeMap<Module, String>) -> Module {
    let mut at = from.clone();
    for word in path.split("::") {
        let word = word.split_whitespace().next().unwrap_or_default();
        match word {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            _ => {
                at.push(word.to_owned());
                if !all.contains_key(&at) {
                    at.pop();
                    break;
                }
            }
        }
    }
    at
}

/// Arrows between siblings, whatever below them uses whatever below the other.
fn sibling_arrows(all: &BTreeMap<Module, String>) -> Arrows {
    let mut arrows = Arrows::new();
    for (module, code) in all {
        for path in crate_paths(code) {
            let target = resolve(&path, module, all);
            let common = module.iter().zip(&target).take_while(|(a, b)| a == b);
            let common = common.count();
            if let (Some(from), Some(to)) = (module.get(..=common), target.get(..=common)) {
                let from = arrows.entry(from.to_vec()).or_default();
                from.insert(to.to_vec());
            }
        }
    }
    arrows
}

/// A way from a module back to itself.
fn find_circle(arrows: &Arrows, way: &mut Vec<Module>, done: &mut BTreeSet<Module>) -> bool {
    let at = way.last().unwrap().clone();
    for next in arrows.get(&at).into_iter().flatten() {
        if let Some(begin) = way.iter().position(|m| m == next) {
            way.drain(..begin);
            way.push(next.clone());
            return true;
        }
        if !done.contains(next) {
            way.push(next.clone());
            if find_circle(arrows, way, done) {
                return true;
            }
            way.pop();
        }
    }
    done.insert(at);
    false
}

fn first_circle(arrows: &Arrows) -> Option<String> {
    let mut done = BTreeSet::new();
    for module in arrows.keys() {
        let mut way = vec![module.clone()];
        if !done.contains(module) && find_circle(arrows, &mut way, &mut done) {
            let names: Vec<String> = way.iter().map(|m| m.join("::")).collect();
            return Some(names.join(" -> "));
        }
    }
    None
}

fn module_path(path: &str) -> Module {
    path.split("::").map(str::to_owned).collect()
}

#[test]
fn modules_use_each_other_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut all = Vec::new();
    find_crates(root, &mut all);
    assert!(all.len() > 10, "{all:?}");
    let mut circles = Vec::new();
    for dir in all {
        let folder = dir.strip_prefix(root).unwrap().display().to_string();
        let mut found = BTreeMap::new();
        read_modules(&dir.join("src"), &Vec::new(), &mut found);
        let mut arrows = sibling_arrows(&found);
        for (_, from, to) in STILL_TO_TURN.iter().filter(|(c, ..)| *c == folder) {
            let is_there = arrows
                .get_mut(&module_path(from))
                .unwrap()
                .remove(&module_path(to));
            assert!(
                is_there,
                "{folder}: {from} -> {to} is turned, and still excused here"
            );
        }
        circles.extend(first_circle(&arrows).map(|way| format!("{folder}: {way}")));
    }
    assert!(
        circles.is_empty(),
        "circles of modules:\n{}",
        circles.join("\n")
    );
}

#[test]
fn a_circle_is_found_wherever_it_is_closed() {
    let made = |texts: &[(&str, &str)]| {
        let all = texts.iter().map(|(m, t)| (module_path(m), (*t).to_owned()));
        first_circle(&sibling_arrows(&all.collect()))
    };
    let deep = [
        ("a", "use crate::{b::{Thing, other}, c};"),
        ("b", "pub use inner::Thing;"),
        ("b::inner", "fn f() -> super::super::c::C {}"),
        ("c", "fn f() { crate::a::g() }"),
    ];
    let circle = made(&deep).unwrap();
    assert_eq!(circle, "a -> b -> c -> a");
    let parent = [("a", "use x::X;"), ("a::x", "use super::Y;")];
    assert_eq!(made(&parent), None);
}
