//! A package tree from a lock, with mmdebstrap and nothing but the .debs in the cache.

use crate::{
    SOURCE_DATE_EPOCH,
    apt::deb_path,
    cache::Cache,
    error::{ImageError, Report},
    hash,
    package_lock::Lock,
    process::Program,
};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
    time::Duration,
};

/// Grows when the way trees are made changes.
const FORMAT: &str = "1";

/// Documentation and translations stay out of guests.
const EXCLUDED: [&str; 5] = [
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
];

/// Returns the tree for a lock; read-only by convention, copy it before changing anything.
pub fn tree(cache: &Cache, lock: &Lock, report: &dyn Report) -> Result<PathBuf, ImageError> {
    let key = hash::texts([FORMAT, &lock.digest()]);
    cache
        .get_or_make("roots", &key, |partial| {
            report.step(&format!(
                "unpacking {} packages of {}",
                lock.packages.len(),
                lock.suite
            ));
            let repository = partial.join("repository");
            make_repository(cache, lock, &repository)?;
            let tree = partial.join("tree");
            mmdebstrap(lock, &repository, &tree)?;
            crate::cache::remove(&repository)
        })
        .map(|dir| dir.join("tree"))
}

/// A flat repository of links to the .debs. mmdebstrap finds the release by the code name in `Release`.
fn make_repository(cache: &Cache, lock: &Lock, dir: &Path) -> Result<(), ImageError> {
    std::fs::create_dir_all(dir).map_err(ImageError::file("create", dir))?;
    let mut index = String::new();
    for package in &lock.packages {
        let deb = deb_path(cache, package);
        hash::verify(&deb, &package.sha256)?;
        let name = package.file_name();
        let link = dir.join(&name);
        std::fs::hard_link(&deb, &link).map_err(ImageError::file("link to", &link))?;
        let control = Program::new("read a package", "dpkg-deb")
            .args(["--field", &deb.display().to_string()])
            .run()?;
        index.push_str(control.trim_end());
        write!(
            index,
            "\nFilename: ./{name}\nSize: {}\nSHA256: {}\n\n",
            package.size_bytes, package.sha256
        )
        .ok();
    }
    let path = dir.join("Packages");
    std::fs::write(&path, &index).map_err(ImageError::file("write", &path))?;
    let release = format!(
        "Origin: lock\nLabel: lock\nSuite: stable\nCodename: {}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n\
         Architectures: amd64 all\nComponents: main\nSHA256:\n {} {} Packages\n",
        lock.suite,
        hash::file(&path)?,
        index.len()
    );
    let path = dir.join("Release");
    std::fs::write(&path, release).map_err(ImageError::file("write", &path))
}

fn mmdebstrap(lock: &Lock, repository: &Path, tree: &Path) -> Result<(), ImageError> {
    let mut program = Program::new("unpack Debian packages", "unshare")
        .deadline(Duration::from_mins(20))
        .env("SOURCE_DATE_EPOCH", SOURCE_DATE_EPOCH.to_string())
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        // Own mounts and processes: whatever happens to it, nothing stays mounted below the tree.
        // No network: the .debs in the lock must suffice.
        .args([
            "--net",
            "--mount",
            "--propagation=private",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args([
            "mmdebstrap",
            "--mode=root",
            "--variant=essential",
            "--format=directory",
        ])
        .args(["--architectures=amd64", "--quiet"])
        .args([
            "--aptopt=Apt::Install-Recommends \"false\"",
            "--aptopt=Acquire::Languages \"none\"",
        ])
        .arg("--dpkgopt=force-unsafe-io");
    for pattern in EXCLUDED {
        program = program.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    program
        .arg("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        .arg(format!("--include={}", lock.asked.join(",")))
        .args([lock.suite.clone(), tree.display().to_string()])
        .arg(format!(
            "deb [trusted=yes arch=amd64] copy:{} ./",
            repository.display()
        ))
        .run()
        .map(|_| ())
}
