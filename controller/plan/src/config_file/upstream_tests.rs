//! Upstream's own files, where this machine has them: each is accepted, with or without warnings, or refused for a named
//! reason, as the committed table says. After a change that is meant: `UPDATE_VERDICTS=1 cargo test -p continuum-plan
//! upstream`.

mod plan;
mod rules;

use super::tests::toml;
use crate::load;
use continuum_config::{ConfigError, Fault, to_toml};
use rules::Ini;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

const TABLE: &str = "src/config_file/upstream_tests/verdicts.txt";
/// Kinds of warnings, each with words of it.
const WARNINGS: [(&str, &str); 16] = [
    ("comments", "comments behind values are left out"),
    ("other section", "is not read here"),
    ("other provider", "no effect: of provider"),
    ("middleIP_base", "middleIP_base has no effect"),
    ("base_path", "base_path has no effect"),
    ("docker_pull", "docker_pull has no effect"),
    ("runtime", "runtime has no effect"),
    ("no such nodes", "no effect: there are no"),
    ("memory", "_memory is not given"),
    ("resource_manager", "resource_manager is not given"),
    ("name", "the deployment is named"),
    (
        "kubecontrol",
        "resource manager kubecontrol is an unchanged",
    ),
    ("other application", "has no effect with application"),
    ("no use", "has no effect without"),
    ("infra_only", "[benchmark] has no effect: infra_only"),
    ("runs nothing", "will not run: resource_manager_only"),
];
/// Reasons, each with words of a fault.
const REASONS: [(&str, &str); 8] = [
    ("provider aws", "`aws`: machines of this provider"),
    (
        "provider baremetal",
        "`baremetal`: machines of this provider",
    ),
    ("provider gcp", "`gcp`: machines of this provider"),
    ("resource manager kube_kata", "`kube_kata`: Kata"),
    ("application empty_kata", "`empty_kata`: this application"),
    (
        "cloud nodes with none",
        "resource manager none has no cloud nodes",
    ),
    (
        "endpoints without a worker",
        "with endpoints there must be a worker",
    ),
    (
        "edge nodes with kubernetes",
        "resource manager kubernetes has no edge nodes",
    ),
];

/// Where they are, if they are here.
fn folder() -> Option<PathBuf> {
    let given = std::env::var_os("CONTINUUM_UPSTREAM_CONFIGS").map(PathBuf::from);
    let beside = || {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        checkout.join("../shared/upstream-configs")
    };
    let folder = given.unwrap_or_else(beside);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: upstream's configs are not at {}; CONTINUUM_UPSTREAM_CONFIGS says where they are",
        folder.display()
    );
    None
}

/// Every file, by its path below the folder.
fn files(dir: &Path, root: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, root, found);
        } else if path.extension().is_some_and(|e| e == "cfg") {
            let below = path.strip_prefix(root).unwrap();
            found.insert(below.display().to_string(), path);
        }
    }
}

/// Names of kinds that texts are of, each once; every text is of one.
fn kinds(texts: &[String], known: &[(&str, &str)]) -> String {
    let mut kinds: Vec<&str> = Vec::new();
    for text in texts {
        let kind = known.iter().find(|(_, words)| text.contains(words));
        let &(kind, _) = kind.unwrap_or_else(|| panic!("`{text}` is of no kind"));
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.sort_unstable();
    kinds.join(", ")
}

fn verdict(path: &Path) -> String {
    match load(path, &[]) {
        Ok(checked) => {
            let config = checked.config;
            let shown = toml(&to_toml(&config)).unwrap().config;
            assert_eq!(shown, config, "{path:?} is shown as another config");
            if checked.warnings.is_empty() {
                "accepted".to_owned()
            } else {
                format!("accepted; {}", kinds(&checked.warnings, &WARNINGS))
            }
        }
        Err(ConfigError::Faults { faults, .. }) => {
            let text = |f: &Fault| format!("{} {}", f.place.key, f.text);
            let faults: Vec<String> = faults.iter().map(text).collect();
            format!("refused; {}", kinds(&faults, &REASONS))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn each_of_upstreams_files_has_the_verdict_of_the_table() {
    let Some(folder) = folder() else { return };
    let mut found = BTreeMap::new();
    files(&folder, &folder, &mut found);
    let lines = found
        .iter()
        .map(|(name, path)| format!("{name}: {}\n", verdict(path)));
    let have: String = lines.collect();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE);
    if std::env::var_os("UPDATE_VERDICTS").is_some() {
        std::fs::write(&table, &have).unwrap();
    }
    let want = std::fs::read_to_string(table).unwrap();
    let differ = |(have, want): &(&str, &str)| have != want;
    let first = have.lines().zip(want.lines()).find(differ);
    assert_eq!(
        have, want,
        "the first line that differs, as it is and as the table has it: {first:?}"
    );
    let accepted = have.matches(": accepted").count();
    eprintln!("{accepted} of {} files are accepted", found.len());
}

/// For the others there is a named reason, by the test above.
#[test]
fn of_files_for_qemu_without_kata_95_percent_are_accepted() {
    let Some(folder) = folder() else { return };
    let mut found = BTreeMap::new();
    files(&folder, &folder, &mut found);
    let (mut accepted, mut refused) = (0, Vec::new());
    for (name, path) in found {
        let ini = Ini::read(&std::fs::read_to_string(&path).unwrap());
        let begins = |section: &str, option: &str, word: &str| {
            let value = ini.get(section, option);
            value.is_some_and(|value| value.starts_with(word))
        };
        if !begins("infrastructure", "provider", "qemu")
            || begins("benchmark", "resource_manager", "kube_kata")
        {
            continue;
        }
        match load(&path, &[]) {
            Ok(_) => accepted += 1,
            Err(_) => refused.push(name),
        }
    }
    let all = accepted + refused.len();
    assert!(
        all > 0 && accepted * 100 >= all * 95,
        "{accepted} of {all}, without {refused:?}"
    );
    eprintln!("{accepted} of {all}, without {refused:?}");
}
