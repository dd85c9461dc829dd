//! The raw form of an image's disk.

use crate::{
    cache::Cache,
    error::{ImageError, Report},
    process::Program,
    store::Image,
};
use std::path::PathBuf;

/// The disk of an image as a raw, sparse, read-only file, made once.
pub fn base(copies: &Cache, image: &Image, report: &dyn Report) -> Result<PathBuf, ImageError> {
    let dir = copies.get_or_make("bases", &image.manifest.key, |partial| {
        report.step("unpacking the guest's disk");
        let raw = partial.join("disk.raw");
        Program::new("unpack the guest's disk", "qemu-img")
            .args([
                "convert",
                "-O",
                "raw",
                &image.file("disk.qcow2").display().to_string(),
                &raw.display().to_string(),
            ])
            .run()?;
        Ok(())
    })?;
    Ok(dir.join("disk.raw"))
}
