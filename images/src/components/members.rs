//! What a component must have, out of the folder or the archive that it came in.

use super::Component;
use crate::error::ImageError;
use std::path::{Path, PathBuf};

/// Whether a name is that of an archive that can be read.
pub(super) fn is_archive(name: &str) -> bool {
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}

/// Takes members out of an archive by their last name, wherever in it they lie, and everything in `folders`.
pub(super) fn unpack(
    archive: &Path,
    members: &[String],
    folders: &[&String],
    into: &Path,
) -> Result<(), ImageError> {
    let failed = || ImageError::file("unpack", archive);
    let file = std::fs::File::open(archive).map_err(failed())?;
    let mut reader = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let mut missing: Vec<&String> = members.iter().collect();
    for entry in reader.entries().map_err(failed())? {
        let mut entry = entry.map_err(failed())?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(failed())?.into_owned();
        let name = path.file_name().unwrap_or_default().to_owned();
        let folder = folders
            .iter()
            .find(|f| path.components().any(|part| part.as_os_str() == f.as_str()));
        if let Some(folder) = folder {
            let dir = into.join(folder);
            std::fs::create_dir_all(&dir).map_err(ImageError::file("create", &dir))?;
            entry.unpack(dir.join(&name)).map_err(failed())?;
        } else if let Some(at) = missing.iter().position(|m| ***m == *name) {
            missing.remove(at);
            entry.unpack(into.join(&name)).map_err(failed())?;
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<&str> = missing.into_iter().map(String::as_str).collect();
    Err(ImageError::Missing {
        what: format!("{} in `{}`", missing.join(", "), archive.display()),
        hint: "it is another release than the catalogue expects".into(),
    })
}

/// YAML files below a folder.
fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<(), ImageError> {
    for entry in std::fs::read_dir(dir).map_err(ImageError::file("list", dir))? {
        let path = entry.map_err(ImageError::file("list", dir))?.path();
        if path.is_dir() {
            yaml_files(&path, found)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Writes the files that are joined out of folders of `from`, in the order of names.
pub(super) fn join(component: &Component, from: &Path, into: &Path) -> Result<(), ImageError> {
    for (name, folder) in &component.joined {
        let mut files = Vec::new();
        let dir = from.join(folder);
        if dir.is_dir() {
            yaml_files(&dir, &mut files)?;
        }
        if files.is_empty() {
            return Err(ImageError::Missing {
                what: format!("`{folder}/*.yaml` in `{}`", from.display()),
                hint: format!(
                    "{} needs: {}",
                    component.title(),
                    wanted(component).join(", ")
                ),
            });
        }
        files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
        let mut whole = String::new();
        for file in files {
            let text = std::fs::read_to_string(&file).map_err(ImageError::file("read", &file))?;
            whole.push_str("---\n");
            whole.push_str(text.trim_start_matches("---\n"));
            if !whole.ends_with('\n') {
                whole.push('\n');
            }
        }
        let path = into.join(name);
        std::fs::write(&path, whole).map_err(ImageError::file("write", path))?;
    }
    Ok(())
}

/// Everything that must be in what a user brings.
pub(super) fn wanted(component: &Component) -> Vec<String> {
    let folders = component.joined.values().map(|f| format!("{f}/*.yaml"));
    component.members.iter().cloned().chain(folders).collect()
}
