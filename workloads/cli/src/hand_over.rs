//! From this program, which starts at once, to the one beside it in the bundle, which loads libtorch first.

use anyhow::Context;
use continuum_workload_core::application::RunError;
use std::{
    ffi::OsString,
    io::ErrorKind,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

const PROGRAM: &str = "continuum-workload-torch";
const LOADER: &str = "ld-linux-x86-64.so.2";

/// Becomes that program, with these arguments and the same pid; returns only why it could not.
pub(crate) fn to_torch(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Error {
    let exe = match std::env::current_exe().context("find this program") {
        Ok(exe) => exe,
        Err(error) => return error,
    };
    let (program, before) = command(&exe);
    #[expect(
        clippy::disallowed_methods,
        reason = "it takes this process's place, which whoever started this one ends"
    )]
    let source = Command::new(program).args(before).args(arguments).exec();
    if source.kind() == ErrorKind::NotFound {
        return RunError::NotBuiltIn { feature: "torch" }.into();
    }
    anyhow::Error::new(source).context(format!("start {PROGRAM}"))
}

/// What to start, and its first arguments. `exe` is this program, or the bundle's own loader, if that started it.
fn command(exe: &Path) -> (PathBuf, Vec<OsString>) {
    let bundle = exe.parent().and_then(Path::parent);
    let bundle = bundle.unwrap_or_else(|| Path::new("/"));
    let (lib, program) = (bundle.join("lib"), bundle.join("bin").join(PROGRAM));
    let loader = lib.join(LOADER);
    if loader.exists() {
        let before = ["--library-path".into(), lib.into(), program.into()];
        (loader, before.into())
    } else {
        (program, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_loader_of_the_bundle_where_it_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path();
        let words = |exe: &str| {
            let (program, before) = command(&bundle.join(exe));
            [vec![program.into_os_string()], before].concat()
        };
        let path = |name: &str| bundle.join(name).into_os_string();
        let program = path("bin/continuum-workload-torch");
        assert_eq!(words("bin/continuum-workload"), vec![program.clone()]);
        std::fs::create_dir(bundle.join("lib")).unwrap();
        std::fs::write(bundle.join("lib").join(LOADER), "").unwrap();
        let loader = path("lib/ld-linux-x86-64.so.2");
        let want = [loader, "--library-path".into(), path("lib"), program];
        assert_eq!(words("bin/continuum-workload"), want);
        assert_eq!(words("lib/ld-linux-x86-64.so.2"), want);
    }
}
