//! A process per request: the body on standard input, the answer from standard output.

use crate::{
    Body, BodyError, Handler, answer, broken_body,
    config::{Config, Mode},
    full, program,
};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use rustix::process::{Pid, Signal};
use std::{
    process::{ExitStatus, Stdio},
    time::Instant,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::mpsc,
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

/// A program, with whatever it started: all of it is killed when nobody waits for it any more.
struct Group {
    child: Child,
    /// None = it is over.
    leader: Option<Pid>,
}

impl Group {
    fn new(child: Child) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        Self {
            child,
            leader: leader.and_then(Pid::from_raw),
        }
    }

    /// It ended, and has said all that it had to say.
    async fn ended(&mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.leader = None;
        status
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            rustix::process::kill_process_group(leader, Signal::KILL).ok();
        }
    }
}

impl Handler for Fork {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let begun = Instant::now();
        tracing::info!("Forking fprocess - {}", self.argv.join(" "));
        let spawned = self.command(&parts).spawn();
        let mut group = match spawned {
            Ok(child) => Group::new(child),
            Err(error) => {
                let text = format!("start `{}`: {error}", self.argv[0]);
                tracing::error!("{text}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
        };
        let feeding = group.child.stdin.take().map(|stdin| feed(body, stdin));
        let mut response = match self.config.mode {
            Mode::Streaming => self.stream(group, feeding, begun).await,
            _ => self.whole(group, feeding, begun).await,
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
    async fn whole(
        &self,
        mut group: Group,
        feeding: Option<impl Future<Output = Result<(), BodyError>>>,
        begun: Instant,
    ) -> Response<Body> {
        let (out, err) = (group.child.stdout.take(), group.child.stderr.take());
        let feeding = async {
            match feeding {
                Some(feeding) => feeding.await,
                None => Ok(()),
            }
        };
        let outputs = async { tokio::join!(read_all(out), read_all(err)) };
        let mut outputs = std::pin::pin!(outputs);
        let (out, err) = tokio::select! {
            // Whatever it was still to be told, it has answered.
            both = &mut outputs => both,
            fed = feeding => match fed {
                Ok(()) => outputs.await,
                Err(error) => return broken_body(&error),
            },
        };
        let status = group.ended().await;
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
        mut group: Group,
        feeding: Option<impl Future<Output = Result<(), BodyError>> + Send + 'static>,
        begun: Instant,
    ) -> Response<Body> {
        let Some(mut out) = group.child.stdout.take() else {
            return answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the program has no output",
            );
        };
        let mut feeding = Box::pin(async move {
            match feeding {
                Some(feeding) => feeding.await,
                None => Ok(()),
            }
        });
        let mut first = BytesMut::with_capacity(CHUNK);
        let mut is_fed = false;
        let read = loop {
            tokio::select! {
                read = out.read_buf(&mut first) => break read,
                fed = &mut feeding, if !is_fed => match fed {
                    Ok(()) => is_fed = true,
                    Err(error) => return broken_body(&error),
                },
            }
        };
        match read {
            Err(error) => {
                let text = format!("read what the program says: {error}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
            Ok(0) => match group.ended().await {
                Ok(status) if !status.success() => return failed(status, Vec::new()),
                _ => return Response::new(full(Bytes::new())),
            },
            Ok(_) => {}
        }
        let (sender, receiver) = mpsc::channel::<Result<Frame<Bytes>, BodyError>>(4);
        tokio::spawn(async move {
            tokio::select! {
                // The caller is gone, or the call's time is over; the program goes with this task.
                () = sender.closed() => tracing::warn!("nobody waits for the answer any more"),
                // Half a question has no answer.
                error = breaks(feeding, is_fed) => {
                    tracing::error!("the request's body broke off: {error}");
                    sender.send(Err(error)).await.ok();
                }
                () = hand_on(group, out, first, &sender, begun) => {}
            }
        });
        Response::new(StreamBody::new(ReceiverStream::new(receiver)).boxed())
    }
}

/// Ends only when the request's body does not come whole.
async fn breaks(feeding: impl Future<Output = Result<(), BodyError>>, is_fed: bool) -> BodyError {
    if !is_fed && let Err(error) = feeding.await {
        return error;
    }
    std::future::pending().await
}

/// Everything that a program says, from its first piece on.
async fn hand_on(
    mut group: Group,
    mut out: ChildStdout,
    mut buffer: BytesMut,
    sender: &mpsc::Sender<Result<Frame<Bytes>, BodyError>>,
    begun: Instant,
) {
    let mut wrote = 0;
    let read = loop {
        let piece = buffer.split().freeze();
        wrote += piece.len();
        if sender.send(Ok(Frame::data(piece))).await.is_err() {
            return;
        }
        buffer.reserve(CHUNK);
        match out.read_buf(&mut buffer).await {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    let ended = match read {
        Ok(()) => group.ended().await,
        Err(error) => Err(error),
    };
    let why = match ended {
        Ok(status) if status.success() => {
            let seconds = begun.elapsed().as_secs_f64();
            tracing::info!("Wrote {wrote} Bytes - Duration: {seconds:.6}s");
            return;
        }
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    tracing::error!("the program failed: {why}");
    sender.send(Err(why.into())).await.ok();
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
