//! A process per request: the body on standard input, the answer from standard output.

use super::environment::environment;
use crate::{
    Body, BodyError, Handler, InFlight, answer, broken_body,
    config::{Config, Mode},
    full,
    programs::{Program, Programs},
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
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;

const CHUNK: usize = 64 << 10;

/// Starts the program for each call.
#[derive(Debug)]
pub struct Fork {
    argv: Vec<String>,
    config: Config,
    programs: Programs,
}

impl Fork {
    /// For the program of the options. One process has one of these: all processes without a parent come to it.
    ///
    /// # Errors
    /// No program.
    pub fn new(config: &Config) -> anyhow::Result<Self> {
        let argv = config.argv();
        anyhow::ensure!(!argv.is_empty(), "no program; set fprocess");
        Ok(Self {
            argv,
            config: config.clone(),
            programs: Programs::new(config),
        })
    }

    fn start(&self, request: &http::request::Parts) -> Result<Program, (StatusCode, String)> {
        let environment = if self.config.cgi_headers {
            environment(request).map_err(|why| (StatusCode::BAD_REQUEST, why))?
        } else {
            Vec::new()
        };
        let in_flight = request.extensions.get::<InFlight>().cloned();
        let started = self.programs.start(&self.argv, in_flight, |command| {
            command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(if self.config.combine_output {
                    Stdio::piped()
                } else {
                    // Into the log of the function.
                    self.programs.log()
                })
                .envs(environment);
        });
        started.map_err(|error| {
            let text = format!("start `{}`: {error}", self.argv[0]);
            tracing::error!("{text}");
            (StatusCode::INTERNAL_SERVER_ERROR, text)
        })
    }
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

impl Handler for Fork {
    async fn call(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let begun = Instant::now();
        tracing::info!("Forking fprocess - {}", self.argv.join(" "));
        let mut program = match self.start(&parts) {
            Ok(program) => program,
            Err((status, why)) => return answer(status, why),
        };
        if !self.config.combine_output {
            program.log(false);
        }
        let stdin = program.pipes().and_then(|child| child.stdin.take());
        let feeding = async {
            match stdin {
                Some(stdin) => feed(body, stdin).await,
                None => Ok(()),
            }
        };
        let hurried = program.hurried();
        let mut response = if self.config.mode == Mode::Streaming {
            self.stream(program, feeding, begun).await
        } else {
            tokio::select! {
                response = self.whole(program, feeding, begun) => response,
                never = hurried => match never {},
            }
        };
        if let Ok(value) = HeaderValue::from_str(&self.config.content_type)
            && response.status() == StatusCode::OK
        {
            response.headers_mut().insert(header::CONTENT_TYPE, value);
        }
        response
    }

    fn hurry(&self) {
        self.programs.hurry();
    }

    fn patience(&self) -> Duration {
        self.programs.patience()
    }

    async fn end(&self) {
        self.programs.end().await;
    }
}

impl Fork {
    fn failed(&self, status: ExitStatus, output: Vec<u8>) -> Response<Body> {
        if self.programs.is_hurried() {
            let after = self.config.write_timeout;
            let text = format!(
                "the call was ended: the function ends, and it took longer than {after:?} more"
            );
            tracing::error!("{text}: {status}");
            return answer(StatusCode::SERVICE_UNAVAILABLE, text);
        }
        let text = format!("the program failed: {status}");
        tracing::error!("{text}");
        if output.is_empty() {
            return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
        }
        let mut response = Response::new(full(output));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    }

    async fn whole(
        &self,
        mut program: Program,
        feeding: impl Future<Output = Result<(), BodyError>>,
        begun: Instant,
    ) -> Response<Body> {
        let pipes = program.pipes();
        let (out, err) = pipes.map_or((None, None), |c| (c.stdout.take(), c.stderr.take()));
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
        let status = program.ended().await;
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
            return self.failed(status, output);
        }
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!("Wrote {} Bytes - Duration: {seconds:.6}s", output.len());
        Response::new(full(output))
    }

    /// The first piece of output decides: a program that fails before it has said anything is a failure.
    async fn stream(
        &self,
        mut program: Program,
        feeding: impl Future<Output = Result<(), BodyError>> + Send + 'static,
        begun: Instant,
    ) -> Response<Body> {
        let Some(mut out) = program.pipes().and_then(|child| child.stdout.take()) else {
            return answer(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the program has no output",
            );
        };
        let mut feeding = Box::pin(feeding);
        let mut hurried = Box::pin(program.hurried());
        let mut first = BytesMut::with_capacity(CHUNK);
        let mut is_fed = false;
        let read = loop {
            tokio::select! {
                read = out.read_buf(&mut first) => break read,
                fed = &mut feeding, if !is_fed => match fed {
                    Ok(()) => is_fed = true,
                    Err(error) => return broken_body(&error),
                },
                never = &mut hurried => match never {},
            }
        };
        match read {
            Err(error) => {
                let text = format!("read what the program says: {error}");
                return answer(StatusCode::INTERNAL_SERVER_ERROR, text);
            }
            Ok(0) => match program.ended().await {
                Ok(status) if !status.success() => return self.failed(status, Vec::new()),
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
                () = hand_on(program, out, first, &sender, begun) => {}
                never = hurried => match never {},
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
    mut program: Program,
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
        Ok(()) => program.ended().await,
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
