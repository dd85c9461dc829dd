//! The workload bundle: both workload programs with every library they need, weights and photos. Guests carry it; on any
//! other Linux it runs through its own loader, so the host needs no libtorch.

use crate::{
    binaries::{Binaries, TORCH},
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
    sandbox::Sandbox,
    spec::SourceTree,
};
use std::path::{Component, Path, PathBuf};

/// Grows when the layout changes.
const FORMAT: &str = "2";
const LOADER: &str = "ld-linux-x86-64.so.2";
/// Loaded by `OpenBLAS`' name; the reference BLAS would make the network several times slower.
const BLAS: &str = "libblas.so.3";

/// Makes the bundle, or returns the one made of the same parts.
pub(crate) fn build(
    cache: &Cache,
    source: &SourceTree,
    tree: &Path,
    tree_key: &str,
    programs: &Binaries,
    weights: &Path,
    report: &dyn Report,
) -> Result<PathBuf, ImageError> {
    let photos = source.path("images/photos");
    let key = hash::texts([
        FORMAT,
        tree_key,
        &hash::file(&programs.workload)?,
        &hash::file(&programs.workload_torch)?,
        &hash::file(weights)?,
        &hash::tree(&photos)?,
    ]);
    cache.get_or_make("bundles", &key, |partial| {
        report.step("collecting the workload's libraries, weights and photos");
        for dir in ["bin", "lib", "weights", "photos"] {
            let path = partial.join(dir);
            std::fs::create_dir(&path).map_err(ImageError::file("create", &path))?;
        }
        let bin = partial.join("bin");
        copy(&programs.workload, &bin.join("continuum-workload"))?;
        copy(&programs.workload_torch, &bin.join(TORCH))?;
        let mut libraries = closure(tree, &programs.workload)?;
        libraries.extend(closure(tree, &programs.workload_torch)?);
        for (name, path) in libraries {
            copy(&path, &partial.join("lib").join(name))?;
        }
        if !partial.join("lib").join(BLAS).exists() {
            return Err(ImageError::Missing {
                what: format!("{BLAS} among the workload's libraries"),
                hint: "the build root must have libopenblas0-pthread".into(),
            });
        }
        let entries = std::fs::read_dir(&photos).map_err(ImageError::file("list", &photos))?;
        for entry in entries {
            let path = entry.map_err(ImageError::file("list", &photos))?.path();
            if let Some(name) = path.file_name() {
                copy(&path, &partial.join("photos").join(name))?;
            }
        }
        run(partial, "convert the network's weights")
            .args(["convert-weights", &weights.display().to_string()])
            .arg(
                partial
                    .join("weights/efficientnet-lite0.safetensors")
                    .display()
                    .to_string(),
            )
            .run()
            .map(|_| ())
    })
}

/// The bundle's program with libtorch through the bundle's own loader.
pub(crate) fn run(bundle: &Path, doing: &str) -> Program {
    Program::new(
        doing,
        &bundle.join("lib").join(LOADER).display().to_string(),
    )
    .args(["--library-path", &bundle.join("lib").display().to_string()])
    .arg(bundle.join("bin").join(TORCH).display().to_string())
    .env("OMP_NUM_THREADS", "1")
    .env("OPENBLAS_NUM_THREADS", "1")
}

fn copy(from: &Path, to: &Path) -> Result<(), ImageError> {
    std::fs::copy(from, to)
        .map(|_| ())
        .map_err(ImageError::file("copy", from))
}

/// Names and files of all libraries of a program, as the tree's own loader finds them.
fn closure(tree: &Path, program: &Path) -> Result<Vec<(String, PathBuf)>, ImageError> {
    let name = |path: String| path.rsplit('/').next().unwrap_or(&path).to_owned();
    let all = libraries(tree, program)?;
    Ok(all
        .into_iter()
        .map(|(inside, file)| (name(inside), file))
        .collect())
}

/// Paths, as a program looks for them, and files of all libraries of a program, as the tree's own loader finds them.
pub(crate) fn libraries(tree: &Path, program: &Path) -> Result<Vec<(String, PathBuf)>, ImageError> {
    let text = Sandbox::new("list a program's libraries", tree, false)
        .read(program, "/mnt/program")
        .command(["ldd", "/mnt/program"])
        .run()?;
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(path) = parse_ldd(line)? {
            let file = resolve(tree, Path::new(&path), 0)?;
            found.push((path, file));
        }
    }
    Ok(found)
}

/// `libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x…)`, or the loader without an arrow.
fn parse_ldd(line: &str) -> Result<Option<String>, ImageError> {
    let line = line.trim();
    let target = line.split_once(" => ").map_or(line, |(_, t)| t);
    let path = target.split_whitespace().next().unwrap_or_default();
    if target.starts_with("not found") {
        return Err(ImageError::Missing {
            what: format!("a library of the workload: {line}"),
            hint: "its package is missing in images/packages.toml".into(),
        });
    }
    Ok(path.starts_with('/').then(|| path.to_owned()))
}

/// Follows links inside the tree: /etc/alternatives holds absolute ones, which would lead out of it.
fn resolve(tree: &Path, inside: &Path, depth: u32) -> Result<PathBuf, ImageError> {
    let mut done = PathBuf::from("/");
    let mut parts = inside.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
            Component::ParentDir => {
                done.pop();
            }
            Component::Normal(name) => {
                let next = done.join(name);
                let host = tree.join(next.strip_prefix("/").unwrap_or(&next));
                if let Ok(target) = std::fs::read_link(&host) {
                    if depth > 40 {
                        return Err(ImageError::Missing {
                            what: format!("the end of links at `{}`", inside.display()),
                            hint: "they go in a circle".into(),
                        });
                    }
                    let rest: PathBuf = parts.collect();
                    return resolve(tree, &done.join(target).join(rest), depth + 1);
                }
                done = next;
            }
        }
    }
    Ok(tree.join(done.strip_prefix("/").unwrap_or(&done)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_lines() {
        let libz = parse_ldd("\tlibz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f)").unwrap();
        assert_eq!(libz.unwrap(), "/lib/x86_64-linux-gnu/libz.so.1");
        let loader = parse_ldd("\t/lib64/ld-linux-x86-64.so.2 (0x00007f)")
            .unwrap()
            .unwrap();
        assert_eq!(loader, "/lib64/ld-linux-x86-64.so.2");
        assert!(
            parse_ldd("\tlinux-vdso.so.1 (0x00007ffd)")
                .unwrap()
                .is_none()
        );
        assert!(parse_ldd("\tlibx.so => not found").is_err());
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path();
        std::fs::create_dir_all(tree.join("etc/alternatives")).unwrap();
        std::fs::create_dir_all(tree.join("usr/lib/openblas")).unwrap();
        std::fs::write(tree.join("usr/lib/openblas/libblas.so.3"), "real").unwrap();
        std::os::unix::fs::symlink("usr/lib", tree.join("lib")).unwrap();
        std::os::unix::fs::symlink(
            "/etc/alternatives/libblas",
            tree.join("usr/lib/libblas.so.3"),
        )
        .unwrap();
        std::os::unix::fs::symlink(
            "/usr/lib/openblas/libblas.so.3",
            tree.join("etc/alternatives/libblas"),
        )
        .unwrap();
        let path = resolve(tree, Path::new("/lib/libblas.so.3"), 0).unwrap();
        assert_eq!(path, tree.join("usr/lib/openblas/libblas.so.3"));
        std::os::unix::fs::symlink("loop", tree.join("usr/loop")).unwrap();
        assert!(resolve(tree, Path::new("/usr/loop"), 0).is_err());
    }
}
