//! Files of a directory.

use crate::{Body, BodyError, Handler, answer, config::Config};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::{Mutex, PoisonError},
    task::{Context, Poll},
};
use tower_http::services::ServeDir;

/// Answers with files; a directory is its `index.html`.
#[derive(Debug)]
pub struct Static {
    files: ServeDir,
}

impl Static {
    /// Those of the options' directory.
    ///
    /// # Errors
    /// It is no directory.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let path = &config.static_path;
        anyhow::ensure!(
            path.is_dir(),
            "static_path `{}` is no directory",
            path.display()
        );
        Ok(Self {
            files: ServeDir::new(path),
        })
    }
}

/// Whether there is nothing that could be read.
fn is_none(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotADirectory | NotFound | PermissionDenied)
}

impl Handler for Static {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        // Whatever a caller sends with it is not looked at.
        let request = request.map(|_| Empty::<Bytes>::new());
        match self.files.clone().try_call(request).await {
            Ok(response) => response.map(|body| {
                let body = body.map_err(BodyError::from).boxed_unsync();
                BodyExt::boxed(OneReader(Mutex::new(body)))
            }),
            Err(error) if is_none(&error) => answer(StatusCode::NOT_FOUND, "there is no such file"),
            Err(error) => {
                let text = format!("read a file: {error}");
                tracing::error!("{text}");
                answer(StatusCode::INTERNAL_SERVER_ERROR, text)
            }
        }
    }
}

/// A file's body. Only its owner reads it, and so it may be shared.
struct OneReader(Mutex<UnsyncBoxBody<Bytes, BodyError>>);

impl HttpBody for OneReader {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let body = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        Pin::new(body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        body.size_hint()
    }
}
