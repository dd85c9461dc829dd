//! The guest's programs, compiled in the build root with the host's toolchain and crates, offline.

use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
    sandbox::Sandbox,
    spec::SourceTree,
};
use std::{
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
pub const TORCH: &str = "continuum-workload-torch";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const COMPILE_DEADLINE: Duration = Duration::from_hours(1);

/// Programs for guests and bundles.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The agent.
    pub agent: PathBuf,
    /// The workload program, which hands over what needs libtorch.
    pub workload: PathBuf,
    /// To this one.
    pub workload_torch: PathBuf,
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
        cache: &Cache,
        source: &SourceTree,
        tree: &Path,
        into: &Path,
    ) -> Result<(), ImageError> {
        fetch(source)?;
        let target = cache.subdir("build-root-target")?;
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
            .sandbox(self.doing, tree, source, &target)
            .env("RUSTFLAGS", self.flags)
            .command(usual.iter().chain(self.arguments).copied())
            .deadline(COMPILE_DEADLINE)
            .run()?;
        for (name, kept) in self.programs {
            let from = target.join(self.place).join(name);
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
            .run(cache, source, tree, partial)?;
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
pub fn build_static(
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
        .run(cache, source, tree, partial)
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
    let target = cache.subdir("build-root-target")?;
    Toolchain::of_host(source)?
        .sandbox("run cargo in the build root", tree, source, &target)
        .command(["cargo"].iter().chain(arguments).copied())
        .shown()
        .deadline(COMPILE_DEADLINE)
        .run()
        .map(|_| ())
}
