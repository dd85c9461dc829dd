//! `samples.csv`, written as it comes: whatever ends the run, what there was until then is in the file.

use continuum_common::files;
use continuum_workload_core::{
    application::RunError,
    photo_sample::{SAMPLE_COLUMNS, Sample},
};
use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

const FILE: &str = "samples.csv";

/// A file that grows by a record whenever something is known; the last one about a photo counts.
pub(crate) struct SampleFile {
    path: PathBuf,
    file: File,
    failed: Option<std::io::Error>,
}

impl SampleFile {
    pub(crate) fn create(out: &Path) -> Result<Self, RunError> {
        let path = out.join(FILE);
        let file = File::create(&path).and_then(|mut file| {
            writeln!(file, "{SAMPLE_COLUMNS}")?;
            Ok(file)
        });
        match file {
            Ok(file) => Ok(Self {
                path,
                file,
                failed: None,
            }),
            Err(source) => Err(file_error(&path)(source)),
        }
    }

    /// One more record. A disk that is full is told at the end: the photos go on.
    pub(crate) fn add(&mut self, sample: &Sample) {
        if self.failed.is_none()
            && let Err(error) = self.file.write_all(sample.to_csv().as_bytes())
        {
            tracing::warn!("write `{}`: {error}", self.path.display());
            self.failed = Some(error);
        }
    }

    /// Whether everything is in the file.
    pub(crate) fn check(&mut self) -> Result<(), RunError> {
        self.failed
            .take()
            .map_or(Ok(()), |source| Err(file_error(&self.path)(source)))
    }

    /// In the place of all records one for each photo, as it was in the end.
    pub(crate) fn replace(&mut self, samples: &[Sample]) -> Result<(), RunError> {
        let mut text = format!("{SAMPLE_COLUMNS}\n");
        text.extend(samples.iter().map(Sample::to_csv));
        files::replace(&self.path, None, text).map_err(file_error(&self.path))
    }
}

fn file_error(path: &Path) -> impl Fn(std::io::Error) -> RunError {
    move |source| RunError::File {
        doing: "write",
        path: path.display().to_string(),
        source,
    }
}
