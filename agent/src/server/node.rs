//! Service `Node`.

use super::{Answers, answer_channel};
use crate::{error::AgentError, files, process, state::AgentState};
use continuum_proto as wire;
use sha2::{Digest, Sha256};
use std::{
    pin::Pin,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tonic::{Request, Response, Status, Streaming};
use wire::{exec_response, get_response, put_request};

const EXEC_DEADLINE: Duration = Duration::from_mins(1);
const EXEC_LONGEST: Duration = Duration::from_hours(1);
const CHUNK_BYTES: usize = 128 * 1024;
/// Silence after which all that a program printed before it ended has been read.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// For those whose output somebody else keeps writing to.
const LONGEST_LAST_WORDS: Duration = Duration::from_secs(30);

pub(super) struct Service(pub(super) Arc<AgentState>);

impl Service {
    fn files_dir(&self) -> std::path::PathBuf {
        self.0.config.data_dir.join("files")
    }
}

#[tonic::async_trait]
impl wire::node_server::Node for Service {
    type ExecStream = Answers<wire::ExecResponse>;
    type GetStream = Answers<wire::GetResponse>;
    type LogsStream = Answers<wire::LogsResponse>;

    async fn info(
        &self,
        request: Request<wire::InfoRequest>,
    ) -> Result<Response<wire::InfoResponse>, Status> {
        let request = request.into_inner();
        if request.protocol_version != wire::PROTOCOL_VERSION {
            return Err(Status::failed_precondition(format!(
                "controller {} speaks protocol {}, agent {} speaks {}; build the guest image anew \
                 with this controller: continuum-ctl image build",
                request.controller_version,
                request.protocol_version,
                env!("CARGO_PKG_VERSION"),
                wire::PROTOCOL_VERSION
            )));
        }
        let config = &self.0.config;
        let memory_bytes = sysinfo::System::new().map_or(0, |mut system| {
            system.refresh_memory();
            system.total_memory()
        });
        let mut components = Vec::new();
        for installer in crate::install::INSTALLERS {
            let usable = config.own_machine
                || !installer.needs_own_machine(&crate::install::InstallSpec::default());
            if usable && installer.is_installed(&crate::system::HostSystem).await {
                components.push(installer.name().to_owned());
            }
        }
        let boot_id = tokio::fs::read_to_string("/proc/sys/kernel/random/boot_id").await;
        Ok(Response::new(wire::InfoResponse {
            node: config.node.clone(),
            deployment_id: config.deployment_id.clone(),
            agent_version: env!("CARGO_PKG_VERSION").into(),
            protocol_version: wire::PROTOCOL_VERSION,
            hostname: sysinfo::System::host_name().unwrap_or_default(),
            os: sysinfo::System::long_os_version().unwrap_or_default(),
            kernel: sysinfo::System::kernel_version().unwrap_or_default(),
            cpus: std::thread::available_parallelism().map_or(0, |n| n.get() as u32),
            memory_bytes,
            uptime_s: sysinfo::System::uptime().unwrap_or_default(),
            boot_id: boot_id.unwrap_or_default().trim().to_owned(),
            capabilities: self
                .0
                .capabilities()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            components,
            pid: std::process::id(),
        }))
    }

    async fn exec(
        &self,
        request: Request<Streaming<wire::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let mut input = request.into_inner();
        let request = input.message().await?.unwrap_or_default();
        let Some(program) = request.argv.first() else {
            return Err(AgentError::Invalid("argv is empty".into()).into());
        };
        // Started through the helper, which could only tell this by its exit code.
        process::program(program)?;
        let deadline = match request.timeout_ms {
            0 => EXEC_DEADLINE,
            ms => Duration::from_millis(ms).min(EXEC_LONGEST),
        };
        tracing::info!(
            "exec {}: {}",
            request.id,
            request.argv.join(" ").escape_debug()
        );
        let mut child = process::command(self.0.config.helper()?)
            .arg("child")
            .arg(format!("--parent={}", std::process::id()))
            .arg("--")
            .args(&request.argv)
            .envs(&request.env)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(AgentError::start(program))?;
        let (sender, answers) = answer_channel();
        tokio::spawn(async move {
            let group = child.id();
            let stdin = child.stdin.take();
            let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
            let work = async {
                let activity = Activity::default();
                let out = forward(stdout, &sender, exec_response::Event::Stdout, &activity);
                let err = forward(stderr, &sender, exec_response::Event::Stderr, &activity);
                let said = async { tokio::join!(out, err) };
                tokio::pin!(said);
                let ended = async {
                    tokio::select! {
                        status = child.wait() => status,
                        never = feed(stdin, request.stdin, input) => match never {},
                    }
                };
                tokio::pin!(ended);
                // What it leaves behind may keep its output open for as long as it likes.
                let (status, dropped) = tokio::select! {
                    dropped = &mut said => (ended.await, Some(dropped)),
                    status = &mut ended => (status, last_words(said, &activity).await),
                };
                let (dropped_out, dropped_err) = dropped.unwrap_or_default();
                (status, dropped_out + dropped_err)
            };
            let exit = tokio::select! {
                (status, dropped_bytes) = work => {
                    let status = status.ok();
                    wire::ExecExit {
                        code: status.and_then(|s| s.code()),
                        signal: status.and_then(|s| std::os::unix::process::ExitStatusExt::signal(&s)),
                        timed_out: false,
                        dropped_bytes,
                    }
                }
                () = tokio::time::sleep(deadline) => {
                    process::kill_group(group);
                    wire::ExecExit { timed_out: true, ..wire::ExecExit::default() }
                }
                // The caller went away: nobody waits for this program any more.
                () = sender.closed() => {
                    process::kill_group(group);
                    return;
                }
            };
            let event = Some(exec_response::Event::Exit(exit));
            sender.send(Ok(wire::ExecResponse { event })).await.ok();
        });
        Ok(Response::new(answers))
    }

    async fn put(
        &self,
        request: Request<Streaming<wire::PutRequest>>,
    ) -> Result<Response<wire::PutResponse>, Status> {
        let mut stream = request.into_inner();
        let Some(wire::PutRequest {
            part: Some(put_request::Part::Header(header)),
        }) = stream.message().await?
        else {
            return Err(AgentError::Invalid("the first part must be the header".into()).into());
        };
        let target = files::below(&self.files_dir(), &header.path)?;
        let mut incoming = files::Incoming::begin(
            target,
            &header.path,
            &header.sha256,
            header.size_bytes,
            header.mode,
        )
        .await?;
        while let Some(message) = stream.message().await? {
            match message.part {
                Some(put_request::Part::Chunk(chunk)) => incoming.write(&chunk).await?,
                _ => return Err(AgentError::Invalid("a second header".into()).into()),
            }
        }
        let path = incoming.finish().await?;
        Ok(Response::new(wire::PutResponse {
            path: path.display().to_string(),
            size_bytes: header.size_bytes,
        }))
    }

    async fn get(
        &self,
        request: Request<wire::GetRequest>,
    ) -> Result<Response<Self::GetStream>, Status> {
        let name = request.into_inner().path;
        let path = files::below(&self.files_dir(), &name)?;
        let error = AgentError::file("read", &path);
        let mut file = files::open_plain(&path).await?;
        let mut hasher = Sha256::new();
        let mut size_bytes = 0_u64;
        let mut chunk = vec![0; CHUNK_BYTES];
        // Twice through the file, so that the digest can come first.
        loop {
            let n = file.read(&mut chunk).await.map_err(&error)?;
            if n == 0 {
                break;
            }
            hasher.update(chunk.get(..n).unwrap_or_default());
            size_bytes += n as u64;
        }
        let mode = file.metadata().await.map_err(&error)?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777;
        let file = files::open_plain(&path).await?;
        let header = wire::FileHeader {
            path: name,
            sha256: hex::encode(hasher.finalize()),
            size_bytes,
            mode,
        };
        let (sender, answers) = answer_channel();
        tokio::spawn(async move {
            let part = Some(get_response::Part::Header(header));
            if sender.send(Ok(wire::GetResponse { part })).await.is_err() {
                return;
            }
            let sent = send_file(file, |chunk| async {
                let part = Some(get_response::Part::Chunk(chunk));
                sender.send(Ok(wire::GetResponse { part })).await.is_ok()
            });
            if let Err(status) = sent.await {
                sender.send(Err(status)).await.ok();
            }
        });
        Ok(Response::new(answers))
    }

    async fn logs(
        &self,
        request: Request<wire::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let request = request.into_inner();
        let source = if request.source.is_empty() {
            "agent"
        } else {
            &request.source
        };
        let lines = self
            .0
            .logs
            .tail(source, request.tail_lines as usize)
            .ok_or_else(|| AgentError::NotFound {
                what: "log of",
                name: source.to_owned(),
                known: self.0.logs.sources(),
            })?;
        let batches: Vec<_> = lines
            .chunks(200)
            .map(|c| Ok(wire::LogsResponse { lines: c.to_vec() }))
            .collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(batches))))
    }

    async fn shutdown(
        &self,
        request: Request<wire::ShutdownRequest>,
    ) -> Result<Response<wire::ShutdownResponse>, Status> {
        let power_off = request.into_inner().power_off;
        if power_off && !self.0.config.own_machine {
            return Err(AgentError::Unsupported {
                doing: "power off",
                why: "it shares its machine with others",
            }
            .into());
        }
        let state = Arc::clone(&self.0);
        tokio::spawn(async move {
            if power_off {
                let argv = ["systemctl", "--no-block", "poweroff"];
                if let Err(error) = process::run(&argv, None, EXEC_DEADLINE).await {
                    tracing::error!("{}", crate::error::chain(&error));
                }
            }
            state.shutdown.cancel();
        });
        Ok(Response::new(wire::ShutdownResponse {}))
    }
}

/// Hands a program its input and closes it, which says nothing about the program's end.
async fn feed(
    pipe: Option<tokio::process::ChildStdin>,
    first: tonic::codegen::Bytes,
    mut input: Streaming<wire::ExecRequest>,
) -> std::convert::Infallible {
    if let Some(mut pipe) = pipe {
        let mut bytes = first;
        // One that reads no more says so by its exit code.
        while pipe.write_all(&bytes).await.is_ok() {
            match input.message().await {
                Ok(Some(more)) => bytes = more.stdin,
                Ok(None) => break,
                // A broken connection is no end of the input: the program is killed with its caller.
                Err(_) => std::future::pending().await,
            }
        }
    }
    std::future::pending().await
}

/// What goes on between a program's output and its caller.
#[derive(Default)]
struct Activity {
    reads: AtomicU64,
    sending: AtomicUsize,
}

/// The rest of a program's output, until nothing comes or all of it was read. A caller that reads slowly is waited for.
async fn last_words<T>(
    mut said: Pin<&mut impl Future<Output = T>>,
    activity: &Activity,
) -> Option<T> {
    let until = tokio::time::Instant::now() + LONGEST_LAST_WORDS;
    loop {
        let before = activity.reads.load(Ordering::Relaxed);
        if let Ok(said) = tokio::time::timeout(LAST_WORDS, said.as_mut()).await {
            return Some(said);
        }
        let is_silent = activity.sending.load(Ordering::Relaxed) == 0
            && activity.reads.load(Ordering::Relaxed) == before;
        if is_silent || tokio::time::Instant::now() > until {
            return None;
        }
    }
}

/// Sends what a program prints; beyond the limit it is read and counted, so that the program does not stall.
async fn forward(
    pipe: Option<impl AsyncRead + Unpin>,
    sender: &tokio::sync::mpsc::Sender<Result<wire::ExecResponse, Status>>,
    event: fn(tonic::codegen::Bytes) -> exec_response::Event,
    activity: &Activity,
) -> u64 {
    let Some(mut pipe) = pipe else { return 0 };
    let (mut sent, mut dropped) = (0_usize, 0_u64);
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(n) = pipe.read(&mut chunk).await {
        if n == 0 {
            break;
        }
        activity.reads.fetch_add(1, Ordering::Relaxed);
        let room = process::OUTPUT_LIMIT_BYTES.saturating_sub(sent).min(n);
        sent += room;
        dropped += (n - room) as u64;
        if room > 0 {
            let bytes = chunk.get(..room).unwrap_or_default().to_vec();
            let answer = wire::ExecResponse {
                event: Some(event(bytes.into())),
            };
            activity.sending.fetch_add(1, Ordering::Relaxed);
            let sent = sender.send(Ok(answer)).await;
            activity.sending.fetch_sub(1, Ordering::Relaxed);
            if sent.is_err() {
                break;
            }
        }
    }
    dropped
}

/// Reads a file to its end and hands it on in pieces until the reader is gone.
pub(super) async fn send_file<F: Future<Output = bool>>(
    mut file: tokio::fs::File,
    mut send: impl FnMut(tonic::codegen::Bytes) -> F,
) -> Result<(), Status> {
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(0) => return Ok(()),
            Ok(n) => {
                chunk.truncate(n);
                if !send(chunk.into()).await {
                    return Ok(());
                }
            }
            // A plain end of the stream would look like the end of the file.
            Err(error) => {
                return Err(Status::data_loss(format!(
                    "read a file being sent: {error}"
                )));
            }
        }
    }
}
