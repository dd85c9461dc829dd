//! What is sent.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use continuum_image_recognition::{dataset::Dataset, function::Question};
use continuum_workload_core::{application::RunError, spec::CallBody};
use std::path::Path;

/// Bodies of one function's calls.
#[derive(Debug)]
pub(crate) enum Bodies {
    Photos(Dataset),
    Text(Bytes),
}

#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) body: Bytes,
    /// Its photo, if it has one.
    pub(crate) photo: Option<String>,
}

impl Bodies {
    pub(crate) fn open(body: &CallBody, bundle: &Path) -> Result<Self, RunError> {
        match body {
            CallBody::Photos { dataset } => Ok(Self::Photos(Dataset::open(&bundle.join(dataset))?)),
            CallBody::Text { text } => Ok(Self::Text(text.clone().into())),
        }
    }

    pub(crate) async fn make(&self, id: u64, now_unix_ns: i64) -> Result<Made, RunError> {
        let dataset = match self {
            Self::Text(text) => {
                return Ok(Made {
                    body: text.clone(),
                    photo: None,
                });
            }
            Self::Photos(dataset) => dataset,
        };
        let (path, photo) = dataset.file(id);
        let jpeg = tokio::fs::read(path)
            .await
            .map_err(|source| RunError::File {
                doing: "read photo",
                path: path.display().to_string(),
                source,
            })?;
        let question = Question {
            image: STANDARD.encode(jpeg),
            time: now_unix_ns.to_string(),
        };
        let body = serde_json::to_vec(&question)
            .map_err(|e| RunError::other(format!("write the body for {photo}"), e))?;
        Ok(Made {
            body: body.into(),
            photo: Some(photo),
        })
    }
}
