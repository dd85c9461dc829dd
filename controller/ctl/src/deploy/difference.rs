//! In what two configs differ.

/// Values in which two configs differ, each with its whole path.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new) = (paths(old), paths(new));
    let missing = |from: &[String], line: &String| !from.contains(line);
    let gone = old
        .iter()
        .filter(|l| missing(&new, l))
        .map(|l| format!("  - {l}"));
    let come = new
        .iter()
        .filter(|l| missing(&old, l))
        .map(|l| format!("  + {l}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

/// `[table]` and `key = value` as `table.key = value`.
fn paths(text: &str) -> Vec<String> {
    let mut table = String::new();
    let mut paths = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            table = format!("{name}.");
        } else if !line.is_empty() {
            paths.push(format!("{table}{line}"));
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_differ_are_shown() {
        assert_eq!(
            difference(
                "a = 1\n\n[t]\nb = 2\n[u]\nb = 3\n",
                "a = 1\n\n[t]\nb = 3\n[u]\nb = 3\n"
            ),
            "  - t.b = 2\n  + t.b = 3"
        );
    }
}
