//! The guest's programs, compiled in the build root with the host's toolchain and crates, offline.

use crate::{
    cache::{self, Cache},
    error::{ImageError, Report},
    hash,
    process::Program,
    sandbox::Sandbox,
    spec::SourceTree,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the programs are made of; a change elsewhere does not rebuild them.
const SOURCES: [&str; 6] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "proto",
    "agent",
    "workloads",
];
/// Likewise of those that are linked statically.
const STATIC_SOURCES: [&str; 4] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "workloads",
];
/// Grows when other programs are made of the same sources.
const FORMAT: &str = "2";
/// The workload program that is linked with libtorch.
pub(crate) const TORCH: &str = "continuum-workload-torch";
/// How the names of all crates of this project begin.
const OWN_CRATES: &[u8] = b"continuum-";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const COMPILE_DEADLINE: Duration = Duration::from_hours(1);

/// Programs for guests and bundles.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub agent: PathBuf,
    /// The workload program, which hands over what needs libtorch.
    pub workload: PathBuf,
    /// To this one.
    pub(crate) workload_torch: PathBuf,
}

/// Where cargo finds its things.
struct Toolchain {
    sysroot: PathBuf,
    registry: PathBuf,
}

impl Toolchain {
    fn of_host(source: &SourceTree) -> Result<Self, ImageError> {
        let sysroot = Program::new("ask for the Rust toolchain", "rustc")
            .args(["--print", "sysroot"])
            .dir(source.path(""))
            .run()?;
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cargo")))
            .ok_or_else(|| ImageError::Missing {
                what: "cargo's directory".into(),
                hint: "set HOME or CARGO_HOME".into(),
            })?;
        Ok(Self {
            sysroot: sysroot.trim().into(),
            registry: home.join("registry"),
        })
    }

    /// A sandbox in which cargo works. Paths inside never change: a changed path would rebuild everything.
    fn sandbox(&self, doing: &str, tree: &Path, source: &SourceTree, target: &Path) -> Sandbox {
        Sandbox::new(doing, tree, false)
            .read(&self.sysroot, "/mnt/rust")
            .read(&self.registry, "/mnt/cargo/registry")
            .read(&source.path(""), "/mnt/src")
            .write(target, "/mnt/target")
            .env("PATH", "/mnt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("CARGO_HOME", "/mnt/cargo")
            .env("CARGO_TARGET_DIR", "/mnt/target")
            .env("LIBTORCH", "/usr")
            .dir("/mnt/src")
    }
}

fn fetch(source: &SourceTree) -> Result<(), ImageError> {
    Program::new("fetch crates", "cargo")
        .args(["fetch", "--quiet", "--locked", "--target", TARGET])
        .dir(source.path(""))
        .run()
        .map(|_| ())
}

fn key_of(source: &SourceTree, tree_key: &str, sources: &[&str]) -> Result<String, ImageError> {
    let mut parts = vec![tree_key.to_owned()];
    for relative in sources {
        let path = source.path(relative);
        parts.push(if path.is_dir() {
            hash::tree(&path)?
        } else {
            hash::file(&path)?
        });
    }
    Ok(hash::texts(parts.iter().map(String::as_str)))
}

/// Where cargo keeps what it compiles in the build root, and nobody else does meanwhile.
struct Target {
    dir: PathBuf,
    _lock: File,
}

impl Target {
    /// Cargo goes by the times of files: sources that are older than what it compiled last, as those of another checkout
    /// or of an archive may be, would count as compiled. So what it knows of our own crates is forgotten.
    fn take(cache: &Cache) -> Result<Self, ImageError> {
        let dir = cache.subdir("build-root-target")?;
        let path = dir.join(".continuum.lock");
        let lock = File::create(&path).map_err(ImageError::file("create", &path))?;
        cache::wait_for_lock(&lock, &path, cache::WITHIN)?;
        forget_own_crates(&dir, 2)?;
        Ok(Self { dir, _lock: lock })
    }
}

/// In the directory of a profile, and in those of targets, which have profiles.
fn forget_own_crates(dir: &Path, depth: usize) -> Result<(), ImageError> {
    let entries = |dir: &Path| {
        let entries = std::fs::read_dir(dir).map_err(ImageError::file("list", dir))?;
        let paths = entries.map(|e| e.map(|e| e.path()));
        paths
            .collect::<Result<Vec<_>, _>>()
            .map_err(ImageError::file("list", dir))
    };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
    for inner in entries(dir)?.iter().filter(|path| path.is_dir()) {
        if name(inner) == ".fingerprint" {
            let known = entries(inner)?.into_iter();
            let mut own = known.filter(|p| name(p).as_encoded_bytes().starts_with(OWN_CRATES));
            own.try_for_each(|p| cache::remove(&p))?;
        } else if depth > 0 {
            forget_own_crates(inner, depth - 1)?;
        }
    }
    Ok(())
}

/// A cargo call in the build root whose programs are kept.
struct Compile<'a> {
    doing: &'a str,
    arguments: &'a [&'a str],
    flags: &'a str,
    /// Below the target directory.
    place: &'a str,
    /// Names, and names that they are kept under.
    programs: &'a [(&'a str, &'a str)],
}

impl Compile<'_> {
    fn run(
        &self,
        target: &Target,
        source: &SourceTree,
        tree: &Path,
        into: &Path,
    ) -> Result<(), ImageError> {
        fetch(source)?;
        let usual = [
            "cargo",
            "build",
            "--quiet",
            "--offline",
            "--locked",
            "--profile",
            "guest",
        ];
        Toolchain::of_host(source)?
            .sandbox(self.doing, tree, source, &target.dir)
            .env("RUSTFLAGS", self.flags)
            .command(usual.iter().chain(self.arguments).copied())
            .deadline(COMPILE_DEADLINE)
            .run()?;
        for (name, kept) in self.programs {
            let from = target.dir.join(self.place).join(name);
            std::fs::copy(&from, into.join(kept)).map_err(ImageError::file("copy", &from))?;
        }
        Ok(())
    }
}

/// Compiles, or takes what was compiled from the same sources before.
pub fn build(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    tree_key: &str,
    report: &dyn Report,
) -> Result<Binaries, ImageError> {
    let key = key_of(source, tree_key, &SOURCES)?;
    let key = hash::texts([FORMAT, &*key]);
    let dir = cache.get_or_make("binaries", &key, |partial| {
        report.step("compiling agent and workload in the Debian 13 build root");
        let target = Target::take(cache)?;
        let both = ["-p", "continuum-agent", "-p", "continuum-workload"];
        let torch = ["--features", "continuum-workload/torch"];
        let agent = ("continuum-agent", "continuum-agent");
        // With the agent again, so that most crates have the same features in both, and are compiled once.
        let ways: [(&[&str], &[_]); 2] = [
            (&torch, &[agent, ("continuum-workload", TORCH)]),
            (&[], &[("continuum-workload", "continuum-workload")]),
        ];
        for (features, programs) in ways {
            Compile {
                doing: "compile agent and workload",
                arguments: &[&both[..], features].concat(),
                flags: "",
                place: "guest",
                programs,
            }
            .run(&target, source, tree, partial)?;
        }
        Ok(())
    })?;
    Ok(Binaries {
        agent: dir.join("continuum-agent"),
        workload_torch: dir.join(TORCH),
        workload: dir.join("continuum-workload"),
    })
}

/// Programs that stand alone in a container image: linked statically, C library and all.
pub(crate) fn build_static(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    tree_key: &str,
    report: &dyn Report,
) -> Result<PathBuf, ImageError> {
    let key = key_of(source, tree_key, &STATIC_SOURCES)?;
    let key = hash::texts(["static", &*key]);
    cache.get_or_make("binaries", &key, |partial| {
        report.step("compiling gateway, watchdog and functions in the Debian 13 build root");
        let target = Target::take(cache)?;
        Compile {
            doing: "compile gateway, watchdog and functions",
            arguments: &[
                "--target",
                TARGET,
                "-p",
                "continuum-gateway",
                "-p",
                "continuum-watchdog",
                "-p",
                "continuum-functions",
            ],
            flags: "-C target-feature=+crt-static",
            place: &format!("{TARGET}/guest"),
            programs: &[
                ("continuum-gateway", "continuum-gateway"),
                ("continuum-watchdog", "continuum-watchdog"),
                ("continuum-function", "continuum-function"),
            ],
        }
        .run(&target, source, tree, partial)
    })
}

/// Runs cargo in the build root for the crates that need libtorch, to lint and test them.
pub fn cargo_with_torch(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    arguments: &[&str],
) -> Result<(), ImageError> {
    fetch(source)?;
    let target = Target::take(cache)?;
    Toolchain::of_host(source)?
        .sandbox("run cargo in the build root", tree, source, &target.dir)
        .command(["cargo"].iter().chain(arguments).copied())
        .shown()
        .deadline(COMPILE_DEADLINE)
        .run()
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_crates_are_compiled_anew_and_others_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path()).unwrap();
        let target = dir.path().join("build-root-target");
        let known = |place: &str| target.join(place);
        let (own, own_static, other) = (
            known("guest/.fingerprint/continuum-agent-a6b8"),
            known("x86_64-unknown-linux-gnu/guest/.fingerprint/continuum-gateway-1"),
            known("guest/.fingerprint/clap-d1ae"),
        );
        for dir in [&own, &own_static, &other] {
            std::fs::create_dir_all(dir).unwrap();
        }
        drop(Target::take(&cache).unwrap());
        assert!(!own.exists() && !own_static.exists() && other.exists());
    }
}
