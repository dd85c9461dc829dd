//! Programs built from Go modules. The modules' texts are part of this program; their sources come through the user's
//! own Go settings, and go.sum says what they must be. Static, without paths or dates: the same on every machine.

use super::{Component, Fetcher};
use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
};
use std::{path::Path, time::Duration};

/// Kubernetes takes seven minutes on two cores.
const BUILD_DEADLINE: Duration = Duration::from_mins(45);
/// Grows when the way of building changes.
const FORMAT: &str = "1";

type Files = &'static [(&'static str, &'static str)];

macro_rules! module {
    ($name:literal: $($file:literal),+) => {
        ($name, &[$(($file, include_str!(concat!("../../kubernetes/", $name, "/", $file)))),+])
    };
}

/// Main modules with their files.
const MODULES: &[(&str, Files)] = &[
    module!("kubernetes": "go.mod", "go.sum", "tools.go"),
    module!("etcd": "go.mod", "go.sum", "main.go"),
    module!("coredns": "go.mod", "go.sum", "main.go"),
    module!("pause": "go.mod", "main.go"),
];

fn module(component: &Component) -> Result<Files, ImageError> {
    let found = MODULES.iter().find(|(name, _)| *name == component.name);
    found
        .map(|(_, files)| *files)
        .ok_or_else(|| ImageError::Missing {
            what: format!("the Go module of {}", component.title()),
            hint: "images/src/components/go.rs must name its files".into(),
        })
}

fn go(doing: String) -> Program {
    Program::new(doing, "go")
        // The toolchain that is here, whatever a module would like to download.
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=readonly -trimpath -buildvcs=false")
        .env("GOWORK", "off")
        .env("CGO_ENABLED", "0")
        .env("GOOS", "linux")
        .env("GOARCH", "amd64")
        .env("GOAMD64", "v1")
}

#[derive(Debug)]
pub(super) struct Go;

impl Fetcher for Go {
    fn name(&self) -> &'static str {
        "go"
    }

    fn inputs(&self, _cache: &Cache, component: &Component) -> Result<String, ImageError> {
        let version = go("ask Go for its version".into())
            .args(["env", "GOVERSION"])
            .run()?;
        let texts = module(component)?
            .iter()
            .flat_map(|(name, text)| [*name, *text]);
        Ok(hash::texts(
            [FORMAT, version.trim()].into_iter().chain(texts),
        ))
    }

    fn obtain(
        &self,
        _cache: &Cache,
        component: &Component,
        into: &Path,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        let work = into.join(".module");
        std::fs::create_dir(&work).map_err(ImageError::file("create", &work))?;
        for (name, text) in module(component)? {
            let path = work.join(name);
            std::fs::write(&path, text).map_err(ImageError::file("write", path))?;
        }
        let mut flags = "-s -w -buildid=".to_owned();
        for stamp in &component.stamps {
            flags.push_str(" -X ");
            flags.push_str(stamp);
        }
        for (index, (program, package)) in component.programs.iter().enumerate() {
            report.step(&format!(
                "building {program} of {} ({} of {})",
                component.title(),
                index + 1,
                component.programs.len()
            ));
            go(format!("build {program} of {}", component.title()))
                .dir(&work)
                .deadline(BUILD_DEADLINE)
                // The compiler spends memory rather than time.
                .env("GOGC", "400")
                .args(["build", "-o", &into.join(program).display().to_string()])
                .arg("-ldflags")
                .arg(&flags)
                .arg(package)
                .run()?;
        }
        std::fs::remove_dir_all(&work).map_err(ImageError::file("remove", work))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{components::Catalogue, error::Silent};

    #[test]
    fn every_component_of_this_way_has_its_module() {
        for component in Catalogue::builtin().unwrap().components {
            if component.way == "go" {
                let files = module(&component).unwrap();
                assert!(
                    files.iter().any(|(name, _)| *name == "go.mod"),
                    "{}",
                    component.name
                );
                assert!(!component.programs.is_empty());
            }
        }
    }

    #[test]
    fn the_same_program_comes_out_twice() {
        if go("look for Go".into()).arg("version").run().is_err() {
            eprintln!("skipped: Go is not installed");
            return;
        }
        let catalogue = Catalogue::builtin().unwrap();
        let pause = catalogue.find("pause", None).unwrap();
        let build = || {
            let dir = tempfile::tempdir().unwrap();
            let cache = Cache::at(dir.path().join("cache")).unwrap();
            let into = dir.path().join("into");
            std::fs::create_dir(&into).unwrap();
            Go.obtain(&cache, pause, &into, &Silent).unwrap();
            let names: Vec<_> = std::fs::read_dir(&into).unwrap().collect();
            assert_eq!(names.len(), 1);
            std::fs::read(into.join("pause")).unwrap()
        };
        let first = build();
        assert!(first.starts_with(b"\x7fELF") && first == build());
    }
}
