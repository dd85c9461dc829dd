//! README and docs: links lead somewhere, files that are named are there, and README stays short enough to be read.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::{Path, PathBuf};

/// With the first screen, the first hour, the method and the map; what is more goes to docs/.
const MOST_README_LINES: usize = 200;

fn source() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Documents at the top and in docs/.
fn documents() -> Vec<PathBuf> {
    let mut all = Vec::new();
    for dir in [source().to_owned(), source().join("docs")] {
        let entries = std::fs::read_dir(dir).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        all.extend(paths.filter(|path| path.extension().is_some_and(|e| e == "md")));
    }
    all.sort();
    all
}

/// A text without its code blocks, in which nothing is a link or a heading.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// Targets of `[text](target)`, those of other sites left out.
fn links(prose: &str) -> Vec<String> {
    let targets = prose.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    let is_own = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
    targets.filter(is_own).map(str::to_owned).collect()
}

/// The name of a heading in links, as code hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c })
        .collect::<String>()
        .to_lowercase()
}

fn anchors(prose: &str) -> Vec<String> {
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let texts = headings.map(|line| line.trim_start_matches('#').trim());
    texts.map(anchor).collect()
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for document in documents() {
        let text = std::fs::read_to_string(&document).unwrap();
        for link in links(&prose(&text)) {
            seen += 1;
            let (path, heading) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(path)
            };
            let is_right = if heading.is_empty() {
                target.exists()
            } else {
                let text = std::fs::read_to_string(&target).unwrap_or_default();
                anchors(&prose(&text)).iter().any(|a| a == heading)
            };
            if !is_right {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "links to nowhere: {broken:#?}");
    assert!(seen > 30, "only {seen} links were found");
}

/// Files and folders of the tree, relative to its top, folders with a slash at their end.
fn tree(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        // What is built, and what git keeps, is not the project's text.
        if name.starts_with('.') || (path.is_dir() && name == "target") {
            continue;
        }
        let text = path.strip_prefix(source()).unwrap().display().to_string();
        if path.is_dir() {
            found.push(format!("{text}/"));
            tree(&path, found);
        } else {
            found.push(text);
        }
    }
}

/// Words between backticks that name a file of the tree, or a folder by its whole path. Places to be filled in have
/// capitals.
fn paths(prose: &str) -> Vec<String> {
    let words = prose
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let is_path = |word: &&str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-./".contains(c);
        let (top, rest) = word.split_once('/').unwrap_or((word, ""));
        let is_file = [".rs", ".toml", ".proto", ".md", ".trycmd"]
            .iter()
            .any(|end| word.ends_with(end));
        let is_folder = word.ends_with('/') && source().join(top).is_dir() && !top.is_empty();
        word.chars().all(plain) && !rest.is_empty() && (is_file || is_folder)
    };
    words.filter(is_path).map(str::to_owned).collect()
}

#[test]
fn every_file_that_is_named_is_there() {
    let mut all = Vec::new();
    tree(source(), &mut all);
    let mut missing = Vec::new();
    let mut seen = 0;
    for document in documents() {
        // What was is of no interest to what is.
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        let text = std::fs::read_to_string(&document).unwrap();
        for path in paths(&prose(&text)) {
            seen += 1;
            let end = format!("/{path}");
            if !all
                .iter()
                .any(|known| *known == path || known.ends_with(&end))
            {
                missing.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named, and not there: {missing:#?}");
    assert!(seen > 60, "only {seen} paths were found");
}

#[test]
fn the_readme_stays_short() {
    let text = std::fs::read_to_string(source().join("README.md")).unwrap();
    let lines = text.lines().count();
    assert!(
        lines < MOST_README_LINES,
        "README.md has {lines} lines, allowed are {MOST_README_LINES} less one: move details to docs/"
    );
}

#[test]
fn every_document_is_reached_from_the_readme() {
    let readme = std::fs::read_to_string(source().join("README.md")).unwrap();
    let reached = links(&prose(&readme));
    for document in documents() {
        let path = document.strip_prefix(source()).unwrap();
        let path = path.display().to_string();
        let is_reached = reached
            .iter()
            .any(|link| link.split('#').next() == Some(&*path));
        assert!(
            is_reached || path == "README.md",
            "README.md has no link to {path}"
        );
    }
}

/// The config's own are in docs/options.md.
#[test]
fn every_file_field_and_column_of_a_result_is_described() {
    let read = |path: &str| std::fs::read_to_string(source().join(path)).unwrap();
    let (golden, described) = (read("tests/golden/result.txt"), read("docs/results.md"));
    let is_of_config = |line: &&str| line.starts_with("result.json: .config.");
    let nodes = ["edge0", "endpoint0"];
    let mut missing = Vec::new();
    for line in golden.lines().filter(|line| !is_of_config(line)) {
        let (place, what) = line.split_once(" = ").unwrap_or((line, ""));
        let names: Vec<&str> = match place.strip_prefix("result.json: ") {
            Some(field) => vec![field.rsplit('.').next().unwrap_or(field)],
            None => std::iter::once(place).chain(what.split(',')).collect(),
        };
        let plain = |name: &str| {
            let name = name.trim_end_matches("[]");
            // Without the unit of a table's column; a file of a run by what all of them are called.
            let name = name.split_once(" (").map_or(name, |(name, _)| name);
            name.split_once("logs/")
                .map_or(name, |_| "logs/")
                .to_owned()
        };
        let names = names.into_iter().map(plain);
        missing.extend(
            names.filter(|name| {
                !described.contains(name.as_str()) && !nodes.contains(&name.as_str())
            }),
        );
    }
    assert!(
        missing.is_empty(),
        "docs/results.md says nothing of {missing:?}"
    );
    assert!(golden.lines().count() > 200, "{golden}");
}

#[test]
fn links_and_headings_are_read_as_code_hosts_read_them() {
    let text = "# `result.json`: a b\n```\n[no](link)\n```\n[x](a.md#b-c) [y](https://e.org/z) ![i](p.png)\n";
    assert_eq!(links(&prose(text)), ["a.md#b-c", "p.png"]);
    assert_eq!(anchors(&prose(text)), ["resultjson-a-b"]);
    let named = "`a/b.rs`, `tests/cmd/` and `x.rs`, `a/NAME.rs`, `run x/y.rs`";
    assert_eq!(paths(named), ["a/b.rs", "tests/cmd/"]);
}
