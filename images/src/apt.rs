//! Resolves package sets and downloads them, with apt and private directories: the host's own state is not touched.

use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    package_lock::{Lock, LockedPackage},
    process::Program,
    spec::PackageSet,
};
use std::path::{Path, PathBuf};

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// apt with its own sources and directories.
#[derive(Debug)]
pub(crate) struct Apt {
    config: PathBuf,
    archives: PathBuf,
    suite: String,
}

/// Where the host gets Debian from.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mirror {
    main: String,
    security: Option<String>,
}

impl Apt {
    /// For a Debian release, from the mirror that the host's apt is configured with.
    pub(crate) fn new(cache: &Cache, suite: &str) -> Result<Self, ImageError> {
        Self::of(cache, suite, None)
    }

    /// For a Debian release and one that is served beside it, such as its backports. Its own directories again, so that
    /// nobody who wants the plain release at the same time gets the other one.
    pub(crate) fn beside(cache: &Cache, suite: &str, other: &str) -> Result<Self, ImageError> {
        Self::of(cache, suite, Some(other))
    }

    fn of(cache: &Cache, suite: &str, other: Option<&str>) -> Result<Self, ImageError> {
        let mirror = host_mirror()?;
        let name = other.map_or_else(|| "apt".to_owned(), |other| format!("apt-{other}"));
        let dir = cache.subdir(&name)?;
        for sub in ["state/lists/partial", "cache/archives/partial", "etc"] {
            cache.subdir(Path::new(&name).join(sub))?;
        }
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text)
                .map_err(ImageError::file("write", &path))
                .map(|()| path)
        };
        write("status", "")?;
        write("etc/sources.list", &sources(&mirror, suite, other))?;
        let config = write("apt.conf", &configuration(&dir))?;
        Ok(Self {
            config,
            archives: dir.join("cache/archives"),
            suite: suite.to_owned(),
        })
    }

    fn apt_get(&self, doing: &str) -> Program {
        self.apt(doing, "apt-get")
    }

    fn apt(&self, doing: &str, program: &str) -> Program {
        Program::new(doing, program)
            .env("APT_CONFIG", self.config.display().to_string())
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("LC_ALL", "C.UTF-8")
    }

    /// Gets the newest package lists.
    pub(crate) fn update(&self) -> Result<(), ImageError> {
        self.apt_get("get Debian's package lists")
            .args(["-qq", "update"])
            .run()
            .map(|_| ())
    }

    /// Resolves sets together into one lock.
    pub(crate) fn resolve(&self, sets: &[&PackageSet]) -> Result<Lock, ImageError> {
        let mut asked: Vec<String> = sets.iter().flat_map(|s| s.packages.clone()).collect();
        asked.sort();
        asked.dedup();
        let uris = self
            .apt_get("resolve Debian packages")
            .args([
                "-y",
                "--no-install-recommends",
                "-o",
                "Acquire::ForceHash=SHA256",
            ])
            .args(["--print-uris", "install", "?essential?architecture(amd64)"])
            .args(asked.clone())
            .run()?;
        let mut packages: Vec<LockedPackage> = uris.lines().filter_map(parse_uri_line).collect();
        packages.sort();
        if packages.is_empty() {
            return Err(ImageError::Missing {
                what: format!("packages {}", asked.join(" ")),
                hint: "apt printed no addresses; look at the host's apt sources".into(),
            });
        }
        Ok(Lock {
            suite: self.suite.clone(),
            asked,
            packages,
        })
    }

    /// The package with the greatest number in its name that is served; `wanted` has `*` where the number is, or is a
    /// name. `None` = there is none.
    pub(crate) fn newest(&self, wanted: &str) -> Result<Option<LockedPackage>, ImageError> {
        let prefix = wanted.trim_end_matches('*');
        let names = self
            .apt("list Debian packages", "apt-cache")
            .args(["pkgnames", prefix])
            .run()?;
        for name in by_number(&names, wanted) {
            // A name alone is no package: others may only speak of it.
            let served = self
                .apt_get("look for a Debian package")
                .args(["-o", "Acquire::ForceHash=SHA256", "--print-uris"])
                .args(["download", name])
                .run();
            if let Some(package) = served.ok().and_then(|t| t.lines().find_map(parse_uri_line)) {
                return Ok(Some(package));
            }
        }
        Ok(None)
    }

    /// Downloads what the cache lacks, and checks every digest.
    pub(crate) fn download(
        &self,
        cache: &Cache,
        lock: &Lock,
        report: &dyn Report,
    ) -> Result<(), ImageError> {
        let missing: Vec<_> = lock
            .packages
            .iter()
            .filter(|p| !deb_path(cache, p).exists())
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let bytes: u64 = missing.iter().map(|p| p.size_bytes).sum();
        report.step(&format!(
            "downloading {} packages, {} MB",
            missing.len(),
            bytes / 1_000_000
        ));
        let wanted = missing.iter().map(|p| format!("{}={}", p.name, p.version));
        self.apt_get("download Debian packages")
            .dir(&self.archives)
            .args(["-qq", "download"])
            .args(wanted)
            .run()?;
        for package in missing {
            let from = find_archive(&self.archives, package)?;
            hash::verify(&from, &package.sha256)?;
            let target = deb_path(cache, package);
            cache.subdir(Path::new("debs").join(&package.sha256))?;
            std::fs::rename(&from, &target).map_err(ImageError::file("rename to", &target))?;
        }
        Ok(())
    }
}

/// Where a package file lies in the cache, or would.
pub fn deb_path(cache: &Cache, package: &LockedPackage) -> PathBuf {
    let file = Path::new("debs")
        .join(&package.sha256)
        .join(package.file_name());
    cache.find(&file).unwrap_or_else(|| cache.path(file))
}

fn find_archive(dir: &Path, package: &LockedPackage) -> Result<PathBuf, ImageError> {
    // apt writes a colon as %3a, and sometimes leaves the epoch out.
    let with_epoch = format!(
        "{}_{}_{}.deb",
        package.name,
        package.version.replace(':', "%3a"),
        package.architecture
    );
    [with_epoch, package.file_name()]
        .into_iter()
        .map(|name| dir.join(name))
        .find(|path| path.exists())
        .ok_or_else(|| ImageError::Missing {
            what: format!(
                "the downloaded package {} {}",
                package.name, package.version
            ),
            hint: "apt said nothing; try again".into(),
        })
}

/// `'URI' name_version_arch.deb size SHA256:hex`
fn parse_uri_line(line: &str) -> Option<LockedPackage> {
    let mut fields = line
        .strip_prefix('\'')?
        .split_once('\'')?
        .1
        .split_whitespace();
    let (file, size, digest) = (fields.next()?, fields.next()?, fields.next()?);
    let mut parts = file.strip_suffix(".deb")?.split('_');
    let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
    Some(LockedPackage {
        name: name.to_owned(),
        version: version.replace("%3a", ":"),
        architecture: architecture.to_owned(),
        sha256: digest.strip_prefix("SHA256:")?.to_ascii_lowercase(),
        size_bytes: size.parse().ok()?,
    })
}

/// Of some names those that are wanted, the greatest number first: 7.10 is greater than 7.9.
fn by_number<'a>(names: &'a str, wanted: &str) -> Vec<&'a str> {
    let prefix = wanted.strip_suffix('*');
    let number = |name: &str| -> Option<Vec<u32>> {
        let Some(prefix) = prefix else {
            return (name == wanted).then(Vec::new);
        };
        let parts = name.strip_prefix(prefix)?.split('.');
        parts.map(|part| part.parse().ok()).collect()
    };
    let mut found: Vec<_> = names
        .lines()
        .filter_map(|name| Some((number(name)?, name)))
        .collect();
    found.sort();
    found.reverse();
    found.into_iter().map(|(_, name)| name).collect()
}

fn sources(mirror: &Mirror, suite: &str, other: Option<&str>) -> String {
    let line = |uri: &str, suite: &str| {
        format!("deb [arch=amd64 signed-by={KEYRING}] {uri} {suite} main\n")
    };
    let mut text = line(&mirror.main, suite) + &line(&mirror.main, &format!("{suite}-updates"));
    if let Some(security) = &mirror.security {
        text.push_str(&line(security, &format!("{suite}-security")));
    }
    if let Some(other) = other {
        text.push_str(&line(&mirror.main, other));
    }
    text
}

fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "Dir::State \"{dir}/state\"; Dir::State::status \"{dir}/status\"; Dir::Cache \"{dir}/cache\";\n\
         Dir::Etc::SourceList \"{dir}/etc/sources.list\"; Dir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\"; Dir::Etc::PreferencesParts \"/dev/null\";\n\
         Dir::Etc::Trusted \"/dev/null\"; Dir::Etc::TrustedParts \"/dev/null\"; Dir::Etc::Parts \"/dev/null\";\n\
         APT::Architecture \"amd64\"; APT::Architectures {{ \"amd64\"; }};\n\
         APT::Install-Recommends \"false\"; APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\"; Acquire::Retries \"3\"; Acquire::http::Timeout \"30\";\n"
    )
}

/// Asks the host's apt; the answer may be Debian's own mirrors or a local one.
fn host_mirror() -> Result<Mirror, ImageError> {
    let targets = Program::new("ask apt for the host's Debian mirror", "apt-get")
        .args([
            "indextargets",
            "--format",
            "$(LABEL)|$(CODENAME)|$(REPO_URI)",
            "Created-By: Packages",
        ])
        .run()?;
    parse_mirror(&targets).ok_or_else(|| ImageError::Missing {
        what: "a Debian mirror in the host's apt sources".into(),
        hint: "add one to /etc/apt/sources.list.d and run apt-get update".into(),
    })
}

fn parse_mirror(targets: &str) -> Option<Mirror> {
    let by_label = |wanted: &str| {
        targets.lines().find_map(|line| {
            let mut fields = line.split('|');
            let (label, _codename, uri) = (fields.next()?, fields.next()?, fields.next()?);
            (label == wanted).then(|| uri.to_owned())
        })
    };
    Some(Mirror {
        main: by_label("Debian")?,
        security: by_label("Debian-Security"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_lines_are_read() {
        let line = "'http://mirror.example/pool/main/a/apt/apt_3.0.3_amd64.deb' apt_1%3a3.0.3_amd64.deb 1400000 SHA256:ABCD";
        let package = parse_uri_line(line).unwrap();
        assert_eq!(package.version, "1:3.0.3");
        assert_eq!(package.sha256, "abcd");
        assert_eq!(package.file_name(), "apt_3.0.3_amd64.deb");
        assert!(parse_uri_line("Reading package lists...").is_none());
    }

    #[test]
    fn the_greatest_number_comes_first_and_other_names_do_not() {
        let names = "linux-source-7.9\nlinux-source-7.10\nlinux-source-7.2-rt\nlinux-source-7.x\nlinux-source-6.12\n";
        assert_eq!(
            by_number(names, "linux-source-7.*"),
            ["linux-source-7.10", "linux-source-7.9"]
        );
        assert_eq!(by_number(names, "linux-source-6.12"), ["linux-source-6.12"]);
        assert!(by_number(names, "linux-source-6.1").is_empty());
    }

    #[test]
    fn the_mirror_is_the_hosts() {
        let text = "Other|stable|http://other.example/\nDebian|bookworm|http://mirror.example/debian/\n\
                    Debian-Security|bookworm-security|http://mirror.example/security/\n";
        let mirror = parse_mirror(text).unwrap();
        assert_eq!(mirror.main, "http://mirror.example/debian/");
        let plain = sources(&mirror, "trixie", None);
        assert_eq!(plain.lines().count(), 3);
        assert!(plain.contains("http://mirror.example/security/ trixie-security main"));
        let both = sources(&mirror, "trixie", Some("trixie-backports"));
        assert!(both.ends_with("http://mirror.example/debian/ trixie-backports main\n"));
        assert!(both.starts_with(&plain));
        assert!(parse_mirror("Other|x|y").is_none());
    }
}
