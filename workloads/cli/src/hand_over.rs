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

/// For libtorch, oneDNN and OpenBLAS on a processor that QEMU emulates: each lane of a wide instruction is computed by
/// itself there, and a fused multiply-add takes longer than its two halves. What else is done differently on an emulated
/// machine stands in the agent's `machine` module; this program runs without an agent too, and looks for itself.
const EMULATED: [(&str, &str); 3] = [
    ("ATEN_CPU_CAPABILITY", "default"),
    ("DNNL_MAX_CPU_ISA", "SSE41"),
    ("OPENBLAS_CORETYPE", "Nehalem"),
];

/// Debian's libtorch is linked with MPI, whose communication library watches memory by writing over the C library's code.
/// Nothing of it is used; under User Mode Linux, where addresses are small, it writes wrong code and the program ends.
const ALWAYS: [(&str, &str); 1] = [("UCX_MEM_MMAP_HOOK_MODE", "none")];

fn is_emulated(cpuinfo: &str) -> bool {
    cpuinfo.contains("QEMU TCG CPU")
}

fn environment(is_emulated: bool) -> impl Iterator<Item = (&'static str, &'static str)> {
    let emulated = EMULATED.into_iter().filter(move |_| is_emulated);
    ALWAYS.into_iter().chain(emulated)
}

/// Becomes that program, with these arguments and the same pid; returns only why it could not.
pub(crate) fn to_torch(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Error {
    let exe = match std::env::current_exe().context("find this program") {
        Ok(exe) => exe,
        Err(error) => return error,
    };
    let (program, before) = command(&exe);
    // Where nothing can be read, nothing is known.
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let env = environment(is_emulated(&cpuinfo));
    let env = env.filter(|(name, _)| std::env::var_os(name).is_none());
    #[expect(
        clippy::disallowed_methods,
        reason = "it takes this process's place, which whoever started this one ends"
    )]
    let source = Command::new(program)
        .args(before)
        .args(arguments)
        .envs(env)
        .exec();
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
    fn libtorch_watches_no_memory_and_is_narrow_only_where_it_is_emulated() {
        let names = |is_emulated| {
            environment(is_emulated)
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(false), ["UCX_MEM_MMAP_HOOK_MODE"]);
        assert_eq!(names(true).len(), 4, "{:?}", names(true));
    }

    #[test]
    fn an_emulated_processor_says_so() {
        assert!(is_emulated("model name\t: QEMU TCG CPU version 2.5+\n"));
        assert!(!is_emulated("model name\t: AMD EPYC\nflags\t: avx2\n"));
    }

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
