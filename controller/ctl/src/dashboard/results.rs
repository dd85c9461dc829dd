//! Results that a deployment left, as a list.

use continuum_dashboard::PastResult;
use continuum_results::{PAGE_FILE, RESULT_FILE};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// More are found with `ls`.
const SHOWN: usize = 20;

/// What is read of `result.json`.
#[derive(serde::Deserialize)]
struct Judged {
    validity: String,
}

#[derive(Debug)]
pub(super) struct Results {
    dir: PathBuf,
    /// What the names of their directories end with.
    suffix: String,
    /// A result does not change any more.
    validities: Mutex<BTreeMap<String, String>>,
}

impl Results {
    pub(super) fn new(dir: &Path, deployment: &str) -> Self {
        Self {
            dir: dir.to_owned(),
            suffix: format!("_{deployment}"),
            validities: Mutex::default(),
        }
    }

    /// Newest first; hidden ones are not whole.
    pub(super) fn newest(&self) -> Vec<PastResult> {
        let entries = std::fs::read_dir(&self.dir).into_iter().flatten();
        let mut names: Vec<String> = entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| self.is_one(name))
            .collect();
        names.sort_by(|a, b| b.cmp(a));
        names.truncate(SHOWN);
        let mut known = self
            .validities
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names
            .into_iter()
            .map(|name| {
                let read = || validity(&self.dir.join(&name));
                let validity = known.entry(name.clone()).or_insert_with(read).clone();
                PastResult {
                    has_report: self.dir.join(&name).join(PAGE_FILE).is_file(),
                    name,
                    validity,
                }
            })
            .collect()
    }

    /// A second run of the same second has a number behind the name.
    fn is_one(&self, name: &str) -> bool {
        let stem = name.rsplit_once('_').filter(|(_, number)| {
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        let is_named = |name: &str| name.ends_with(&self.suffix);
        !name.starts_with('.') && (is_named(name) || stem.is_some_and(|(stem, _)| is_named(stem)))
    }

    /// Only of what is in the list: the name comes from a browser.
    pub(super) fn report(&self, name: &str) -> Option<PathBuf> {
        let is_listed = self.newest().iter().any(|result| result.name == name);
        is_listed.then(|| self.dir.join(name).join(PAGE_FILE))
    }
}

fn validity(dir: &Path) -> String {
    let file = std::fs::File::open(dir.join(RESULT_FILE));
    let judged = file.map(|file| serde_json::from_reader(std::io::BufReader::new(file)));
    match judged {
        Ok(Ok(Judged { validity })) => validity,
        Ok(Err(_)) | Err(_) => "unknown".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_results_of_this_deployment_are_listed_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        for (name, validity) in [
            ("2026-01-01T00-00-00Z_lab", "unverified"),
            ("2026-01-02T00-00-00Z_lab", "invalid"),
            ("2026-01-02T00-00-00Z_lab_2", "invalid"),
            ("2026-01-03T00-00-00Z_other", "unverified"),
            (".2026-01-04T00-00-00Z_lab.part", "unverified"),
        ] {
            let dir = dir.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let text = format!(r#"{{"schema":1,"validity":"{validity}","notes":[]}}"#);
            std::fs::write(dir.join("result.json"), text).unwrap();
        }
        let results = Results::new(dir.path(), "lab");
        let seen: Vec<_> = results.newest().into_iter().map(|r| r.name).collect();
        let expected = [
            "2026-01-02T00-00-00Z_lab_2",
            "2026-01-02T00-00-00Z_lab",
            "2026-01-01T00-00-00Z_lab",
        ];
        assert_eq!(seen, expected);
        assert_eq!(results.newest()[2].validity, "unverified");
    }

    #[test]
    fn a_report_is_only_handed_out_for_a_result() {
        let dir = tempfile::tempdir().unwrap();
        let results = Results::new(&dir.path().join("results"), "lab");
        for name in ["..", "../secret_lab", "/etc", ""] {
            assert_eq!(results.report(name), None, "{name}");
        }
    }
}
