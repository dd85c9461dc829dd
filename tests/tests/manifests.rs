//! What the manifests of the crates say.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::path::{Path, PathBuf};

fn manifests(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            manifests(&path, found);
        } else if name == "Cargo.toml" {
            found.push(path);
        }
    }
}

#[test]
fn only_tests_are_built_with_the_hooks_of_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = Vec::new();
    manifests(root, &mut found);
    assert!(found.len() > 20, "{found:?}");
    let mut declared = 0;
    for path in found {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut manifest: toml::Table = toml::from_str(&text).unwrap();
        manifest.remove("dev-dependencies");
        if let Some(toml::Value::Table(features)) = manifest.get_mut("features") {
            declared += usize::from(features.remove("test-hooks").is_some());
        }
        let text = toml::to_string(&manifest).unwrap();
        assert!(!text.contains("test-hooks"), "{}:\n{text}", path.display());
    }
    assert!(declared > 0, "no crate has hooks of tests any more");
}
