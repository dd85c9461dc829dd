//! A folder from which a Grafana of the user's own takes a data source and dashboards when it starts.

use continuum_common::files::NewFile;
use continuum_host::error::Error;
use serde_json::{Value, json};
use std::{
    io::Write,
    path::{Path, PathBuf},
};

/// By the names of their files.
const DASHBOARDS: [(&str, &str); 3] = [
    (
        "continuum-overview.json",
        include_str!("../../../../dashboards/continuum-overview.json"),
    ),
    (
        "function-dashboard-ds2022.json",
        include_str!("../../../../dashboards/function-dashboard-ds2022.json"),
    ),
    (
        "logs-fibonacchi.json",
        include_str!("../../../../dashboards/logs-fibonacchi.json"),
    ),
];
const DATASOURCE: &str = include_str!("../../../../dashboards/datasource.json");
/// Where dashboards lie in the folder. Grafana would take none from beside the file that names this place.
const PLACE: &str = "json";
/// Other files that are named when a folder is refused.
const NAMED: usize = 3;

/// One file of the folder, by its path there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProvisionedFile {
    path: PathBuf,
    text: String,
}

impl ProvisionedFile {
    fn new(path: impl Into<PathBuf>, content: &Value) -> Self {
        Self {
            path: path.into(),
            // Grafana wants YAML for all but dashboards, and JSON is YAML.
            text: format!("{content:#}\n"),
        }
    }
}

/// All of it, for a deployment whose metrics are at that Prometheus. `dir` is where it will lie.
pub(crate) fn files(
    dir: &Path,
    deployment: &str,
    prometheus: &str,
) -> Result<Vec<ProvisionedFile>, Error> {
    let own = |text: &str, what: &str| {
        serde_json::from_str::<Value>(text).map_err(Error::damaged(PathBuf::from(what)))
    };
    let mut source = own(DATASOURCE, "datasource.json")?;
    source["datasources"][0]["url"] = prometheus.into();
    let provider = json!({ "apiVersion": 1, "providers": [{
        "name": "Continuum", "folder": "Continuum", "type": "file",
        "options": { "path": dir.join(PLACE) },
    }] });
    let mut all = vec![
        ProvisionedFile::new("datasources/continuum.yaml", &source),
        ProvisionedFile::new("dashboards/continuum.yaml", &provider),
    ];
    for (name, text) in DASHBOARDS {
        let mut dashboard = own(text, name)?;
        let variable = &mut dashboard["templating"]["list"][0];
        variable["current"] = json!({ "text": deployment, "value": deployment });
        all.push(ProvisionedFile::new(
            Path::new(PLACE).join(name),
            &dashboard,
        ));
    }
    Ok(all)
}

/// Writes the folder. Nothing of it is seen before all of it is written; files of others are only suffered with `force`.
pub(crate) fn provision(dir: &Path, files: &[ProvisionedFile], force: bool) -> Result<(), Error> {
    let others = others(dir, files)?;
    if !force && !others.is_empty() {
        let more = others.len().saturating_sub(NAMED);
        let named: Vec<_> = others.iter().take(NAMED).cloned().collect();
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        return Err(Error::Words {
            doing: format!("provision Grafana in {}", dir.display()),
            why: format!(
                "other files are there: {}{more}; name another directory, or give --force to write beside them",
                named.join(", ")
            ),
        });
    }
    let mut written = Vec::new();
    for file in files {
        let path = dir.join(&file.path);
        let parent = path.parent().unwrap_or(dir);
        std::fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        let failed = Error::file("write", &path);
        let new = NewFile::of(&path, None).and_then(|mut new| {
            new.file().write_all(file.text.as_bytes())?;
            Ok(new)
        });
        written.push((new.map_err(failed)?, path));
    }
    for (new, path) in written {
        new.put().map_err(Error::file("write", &path))?;
    }
    Ok(())
}

/// What is in a directory besides these files, if there is one.
fn others(dir: &Path, files: &[ProvisionedFile]) -> Result<Vec<String>, Error> {
    let is_ours = |path: &Path| files.iter().any(|file| file.path.starts_with(path));
    let mut others = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(relative) = left.pop() {
        let at = dir.join(&relative);
        if !at.exists() {
            continue;
        }
        for entry in std::fs::read_dir(&at).map_err(Error::file("list", &at))? {
            let entry = entry.map_err(Error::file("list", &at))?;
            let path = relative.join(entry.file_name());
            if !is_ours(&path) {
                others.push(path.display().to_string());
            } else if entry.path().is_dir() {
                left.push(path);
            }
        }
    }
    others.sort();
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use continuum_host::error::chain;

    fn made(dir: &Path) -> Vec<ProvisionedFile> {
        files(dir, "lab", "http://prometheus.example:9090").unwrap()
    }

    fn read(path: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn the_folder_has_what_grafana_looks_for_and_is_about_the_deployment() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("grafana");
        provision(&dir, &made(&dir), false).unwrap();
        let source = read(&dir.join("datasources/continuum.yaml"));
        let source = &source["datasources"][0];
        assert_eq!(source["url"], "http://prometheus.example:9090");
        let provider = read(&dir.join("dashboards/continuum.yaml"));
        let place = provider["providers"][0]["options"]["path"]
            .as_str()
            .unwrap();
        for (name, _) in DASHBOARDS {
            let dashboard = read(&Path::new(place).join(name));
            let variable = &dashboard["templating"]["list"][0];
            assert_eq!(variable["current"]["value"], "lab", "{name}");
            let panels = dashboard["panels"].as_array().unwrap();
            let sources = panels
                .iter()
                .filter_map(|p| p["datasource"]["uid"].as_str());
            for uid in sources {
                assert_eq!(Some(uid), source["uid"].as_str(), "{name}");
            }
        }
    }

    #[test]
    fn every_dashboard_of_the_project_is_in_the_program() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards");
        let files = std::fs::read_dir(dir).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "datasource.json").collect();
        names.sort();
        assert_eq!(names, DASHBOARDS.map(|(name, _)| name));
    }

    #[test]
    fn a_directory_with_files_of_others_is_refused_with_their_names_and_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        std::fs::create_dir(dir.join("dashboards")).unwrap();
        std::fs::write(dir.join("dashboards/mine.yaml"), "mine").unwrap();
        let refused = provision(dir, &made(dir), false).unwrap_err();
        let why = chain(&refused);
        assert!(
            why.contains("dashboards/mine.yaml") && why.contains("--force"),
            "{why}"
        );
        assert!(!dir.join("datasources").exists());
        provision(dir, &made(dir), true).unwrap();
        let mine = std::fs::read_to_string(dir.join("dashboards/mine.yaml")).unwrap();
        assert_eq!(mine, "mine");
    }

    #[test]
    fn a_folder_can_be_made_again() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..2 {
            provision(dir.path(), &made(dir.path()), false).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        // In the place of a directory.
        std::fs::write(dir.join(PLACE), "").unwrap();
        provision(dir, &made(dir), false).unwrap_err();
        let entries = std::fs::read_dir(dir.join("datasources")).unwrap();
        assert_eq!(entries.count(), 0);
    }
}
