//! The committed code must be what the `.proto` files give.

#![expect(clippy::unwrap_used, reason = "helpers of a test")]

use std::path::{Path, PathBuf};

fn crate_dir() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn proto_files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(crate_dir().join("proto/continuum/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "proto"))
        .collect();
    files.sort();
    files
}

fn generate(out: &Path) {
    let fds = protox::compile(proto_files(), [crate_dir().join("proto")]).unwrap();
    // Comments matter only for the Rust code, not for reflection.
    let mut slim = fds.clone();
    for file in &mut slim.file {
        file.source_code_info = None;
    }
    std::fs::write(out.join("descriptor.bin"), prost_types_encode(&slim)).unwrap();
    tonic_prost_build::configure()
        .out_dir(out)
        .bytes(".")
        .compile_fds(fds)
        .unwrap();
}

fn prost_types_encode(fds: &prost_types::FileDescriptorSet) -> Vec<u8> {
    prost::Message::encode_to_vec(fds)
}

#[test]
fn generated_code_is_up_to_date() {
    let committed = crate_dir().join("src/generated");
    if std::env::var_os("UPDATE_PROTO").is_some() {
        generate(&committed);
        return;
    }
    let fresh = tempfile::tempdir().unwrap();
    generate(fresh.path());
    for name in ["continuum.v1.rs", "descriptor.bin"] {
        let want = std::fs::read(fresh.path().join(name)).unwrap();
        let have = std::fs::read(committed.join(name)).unwrap();
        assert!(
            want == have,
            "{name} is not what the .proto files give: run UPDATE_PROTO=1 cargo test -p continuum-proto"
        );
    }
}
