//! A process per request: the body on standard input, the answer from standard output.

use crate::{
    Body, BodyError, Handler, answer,
    config::{Config, Mode},
    full, program,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::{
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
};
use tokio_stream::wrappers::ReceiverStream;

const CHUNK: usize = 64 << 10;

/// Starts the program for each call.
#[derive(Debug)]
pub struct Fork {
    argv: Vec<String>,
    config: Config,
}

impl Fork {
    /// For the program of the options.
    ///
    /// # Errors
    /// No program.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let argv = config.argv();
        anyhow::ensure!(!argv.is_empty(), "no program; set fprocess");
        Ok(Self {
            argv,
            config: config.clone(),
        })
    }

    fn command(&self, request: &http::request::Parts) -> Command {
        let mut command = program::command(&self.argv);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(if self.config.combine_output {
                Stdio::piped()
            } else {
                // Into the log of the function.
                Stdio::inherit()
            })
            .process_group(0);
        if self.config.cgi_headers {
            command.envs(environment(request));
        }
        command
    }

    /// The deadline, if there is one.
    fn limit(&self) -> Duration {
        if self.config.exec_timeout.is_zero() {
            Duration::from_secs(u64::from(u32::MAX))
        } else {
            self.config.exec_timeout
        }
    }
}

/// `x-call-id` is `X_Call_Id`, as Go writes it.
fn canonical(name: &str) -> String {
    let part = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| {
            first.to_ascii_uppercase().to_string() + letters.as_str()
        })
    };
    let parts: Vec<String> = name.split('-').map(part).collect();
    parts.join("_")
}

/// What a program learns of its call, under the names that `OpenFaaS` gives.
fn environment(request: &http::request::Parts) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = request
        .headers
        .iter()
        // Programs take HTTP_PROXY for their own proxy, in whatever case.
        .filter(|(name, _)| *name != "proxy")
        .filter_map(|(name, value)| {
            let value = value.to_str().ok()?.to_owned();
            Some((format!("Http_{}", canonical(name.as_str())), value))
        })
        .collect();
    let length = request.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|v| v.to_str().ok()).unwrap_or("-1");
    let host = request.headers.get(header::HOST);
    for (name, value) in [
        ("Http_Method", request.method.as_str()),
        ("Http_Path", request.uri.path()),
        ("Http_Query", request.uri.query().unwrap_or_default()),
        ("Http_ContentLength", length),
        ("Http_Content_Length", length),
        (
            "Http_Host",
            host.and_then(|v| v.to_str().ok()).unwrap_or_default(),
        ),
    ] {
        if !value.is_empty() {
            all.push((name.to_owned(), value.to_owned()));
        }
    }
    all
}

/// Hands the body on. A program that does not read all of it is no fault.
async fn feed(mut body: Body, mut stdin: ChildStdin) -> Result<(), BodyError> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data()
            && stdin.write_all(&data).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

async fn read_all(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    if let Some(mut from) = from {
        from.read_to_end(&mut all).await?;
    }
    Ok(all)
}

/// The whole group, so that what the program started ends with it.
fn kill(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
        rustix::process::kill_process_group(pid, rustix::process::Signal::KILL).ok();
    }
    child.start_kill().ok();
}

impl Handler for Fork {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let begun = Instant::now();
        tracing::info!("Forking fprocess - {}", self.argv.join(" "));
        let spawned = self.command(&parts).spawn();
        let mut child = match spawned {
            Ok(child) => child,
            Err(error) => {
                let text = format!("start `{}`: {error}", self.argv[0]);
                tracing::error!("{text}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
        };
        let feeding = child.stdin.take().map(|stdin| feed(body, stdin));
        let mut response = match self.config.mode {
            Mode::Streaming => self.stream(child, feeding, begun).await,
            _ => self.whole(child, feeding, begun).await,
        };
        if let Ok(value) = HeaderValue::from_str(&self.config.content_type)
            && response.status() == StatusCode::OK
        {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        response
    }
}

fn failed(status: ExitStatus, output: Vec<u8>) -> Response<Body> {
    let text = format!("the program failed: {status}");
    tracing::error!("{text}");
    if output.is_empty() {
        return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
    }
    let mut response = Response::new(full(output));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

impl Fork {
    fn late(&self, child: &mut Child) -> Response<Body> {
        kill(child);
        let text = format!(
            "the program was ended: it took longer than {:?}",
            self.config.exec_timeout
        );
        tracing::error!("{text}");
        answer(StatusCode::GATEWAY_TIMEOUT, text)
    }

    async fn whole(
        &self,
        mut child: Child,
        feeding: Option<impl Future<Output = Result<(), BodyError>>>,
        begun: Instant,
    ) -> Response<Body> {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let feeding = async {
            match feeding {
                Some(feeding) => feeding.await,
                None => Ok(()),
            }
        };
        let all = async { tokio::join!(feeding, read_all(out), read_all(err), child.wait()) };
        let ended = tokio::time::timeout(self.limit(), all).await;
        let Ok((fed, out, err, status)) = ended else {
            return self.late(&mut child);
        };
        if let Err(error) = fed {
            return answer(
                StatusCode::BAD_REQUEST,
                format!("the request's body broke off: {error}"),
            );
        }
        let (mut output, status) = match (out, status) {
            (Ok(output), Ok(status)) => (output, status),
            (Err(error), _) | (_, Err(error)) => {
                let text = format!("read what the program says: {error}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
        };
        if self.config.combine_output {
            output.extend(err.unwrap_or_default());
        }
        if !status.success() {
            return failed(status, output);
        }
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!("Wrote {} Bytes - Duration: {seconds:.6}s", output.len());
        Response::new(full(output))
    }

    /// The first piece of output decides: a program that fails before it has said anything is a failure.
    async fn stream(
        &self,
        mut child: Child,
        feeding: Option<impl Future<Output = Result<(), BodyError>> + Send + 'static>,
        begun: Instant,
    ) -> Response<Body> {
        let Some(mut out) = child.stdout.take() else {
            return answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the program has no output",
            );
        };
        if let Some(feeding) = feeding {
            tokio::spawn(async move {
                if let Err(error) = feeding.await {
                    tracing::warn!("the request's body broke off: {error}");
                }
            });
        }
        let deadline = tokio::time::Instant::now() + self.limit();
        let mut buffer = BytesMut::with_capacity(CHUNK);
        let first = tokio::time::timeout_at(deadline, out.read_buf(&mut buffer)).await;
        match first {
            Err(_) => return self.late(&mut child),
            Ok(Err(error)) => {
                let text = format!("read what the program says: {error}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
            Ok(Ok(0)) => match tokio::time::timeout_at(deadline, child.wait()).await {
                Err(_) => return self.late(&mut child),
                Ok(Ok(status)) if !status.success() => return failed(status, Vec::new()),
                Ok(_) => return Response::new(full(Bytes::new())),
            },
            Ok(Ok(_)) => {}
        }
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, BodyError>>(4);
        tokio::spawn(async move {
            let mut wrote = 0;
            let end = loop {
                let piece = buffer.split().freeze();
                wrote += piece.len();
                if sender.send(Ok(Frame::data(piece))).await.is_err() {
                    kill(&mut child);
                    return;
                }
                buffer.reserve(CHUNK);
                match tokio::time::timeout_at(deadline, out.read_buf(&mut buffer)).await {
                    Ok(Ok(0)) => break None,
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => break Some(error.to_string()),
                    Err(_) => break Some("its time is over".to_owned()),
                }
            };
            if end.is_some() {
                kill(&mut child);
            }
            let end = match (end, tokio::time::timeout_at(deadline, child.wait()).await) {
                (None, Ok(Ok(status))) if !status.success() => Some(status.to_string()),
                (None, Err(_)) => Some("its time is over".to_owned()),
                (end, _) => end,
            };
            if let Some(why) = end {
                kill(&mut child);
                tracing::error!("the program failed: {why}");
                sender.send(Err(why.into())).await.ok();
            } else {
                let seconds = begun.elapsed().as_secs_f64();
                tracing::info!("Wrote {wrote} Bytes - Duration: {seconds:.6}s");
            }
        });
        Response::new(StreamBody::new(ReceiverStream::new(receiver)).boxed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_learns_of_its_call_under_the_known_names() {
        let request = Request::builder()
            .method("POST")
            .uri("/a/b?x=1")
            .header("x-call-id", "7")
            .header("content-length", "3")
            .body(())
            .unwrap();
        let all = environment(&request.into_parts().0);
        let of = |name: &str| {
            let found = all.iter().find(|(n, _)| n == name);
            found.map(|(_, v)| v.as_str())
        };
        assert_eq!(of("Http_X_Call_Id"), Some("7"));
        assert_eq!(of("Http_Method"), Some("POST"));
        assert_eq!(of("Http_Path"), Some("/a/b"));
        assert_eq!(of("Http_Query"), Some("x=1"));
        assert_eq!(of("Http_ContentLength"), Some("3"));
    }
}
