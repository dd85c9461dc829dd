//! The bundle and the image themselves.

use crate::fixture::Fixture;
use anyhow::{Context, ensure};
use continuum_images::store;
use continuum_tests::{
    ctl::{Ctl, source},
    process::command,
    skip,
};
use std::path::PathBuf;

fn current_bundle() -> anyhow::Result<PathBuf> {
    Ok(store::current_bundle(&skip::cache()?)?)
}

/// The bundle brings everything that it loads, and its BLAS is OpenBLAS: the default one is five times slower.
pub(crate) fn own_libraries() -> anyhow::Result<()> {
    let bundle = current_bundle()?;
    let (loader, lib) = (bundle.join("lib/ld-linux-x86-64.so.2"), bundle.join("lib"));
    let program = bundle.join("bin/continuum-workload");
    let with_torch = bundle.join("bin/continuum-workload-torch");
    // What needs no libtorch does not wait for it.
    for (program, has_torch) in [(&program, false), (&with_torch, true)] {
        let list = command(&loader)
            .args(["--list", "--library-path"])
            .arg(&lib)
            .arg(program)
            .output()?;
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let paths: Vec<&str> = list
            .lines()
            .filter_map(|l| l.split_once("=> ")?.1.split(' ').next())
            .collect();
        ensure!(paths.len() > if has_torch { 5 } else { 2 }, "{list}");
        ensure!(
            paths.iter().any(|p| p.contains("libtorch")) == has_torch,
            "{list}"
        );
        for path in paths {
            ensure!(
                path.starts_with(&lib.display().to_string()),
                "{path} is not of the bundle"
            );
        }
    }
    let time = command(&loader)
        .arg("--library-path")
        .arg(&lib)
        .arg(&program)
        .args(["time", "--count", "20", "--bundle"])
        .arg(&bundle)
        .env("OPENBLAS_NUM_THREADS", "1")
        .output()?;
    let text = String::from_utf8_lossy(&time.stdout).into_owned();
    let report: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("read {text}"))?;
    eprintln!("{report}");
    ensure!(report["blas"].to_string().contains("openblas"), "{report}");
    ensure!(
        !report["blas"].to_string().contains("libblas.so"),
        "the slow BLAS is loaded too: {report}"
    );
    Ok(())
}

/// An image built again from the same packages and programs has the same bytes.
pub(crate) fn same_image_again() -> anyhow::Result<()> {
    let cache = skip::cache()?.path("");
    let other = tempfile::tempdir_in(&cache).context("make a directory in the cache")?;
    // Everything but the guest's tree and the image itself.
    for kind in [
        "apt",
        "debs",
        "roots",
        "binaries",
        "build-root-target",
        "bundles",
        "weights",
    ] {
        std::os::unix::fs::symlink(cache.join(kind), other.path().join(kind))?;
    }
    let key = std::fs::read_to_string(cache.join("images/current"))?;
    let manifest = cache.join("images").join(key.trim()).join("manifest.json");
    let first: serde_json::Value = serde_json::from_slice(&std::fs::read(manifest)?)?;
    let fixture = Fixture::new()?;
    let ctl =
        Ctl::new(fixture.ctl.state()).env("CONTINUUM_CACHE", other.path().display().to_string());
    let source = source().display().to_string();
    let again = ctl.json(0, &["image", "build", "--source", &source])?;
    let again = &again["manifest"];
    // A mirror with newer packages, or another state of the sources, makes another image.
    ensure!(
        again["key"] == first["key"],
        "the inputs have changed; make image, and test again"
    );
    ensure!(
        again["files"] == first["files"],
        "{}\n{}",
        again["files"],
        first["files"]
    );
    Ok(())
}
