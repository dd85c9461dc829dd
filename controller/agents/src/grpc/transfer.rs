//! Files to and from a node: size and digest announced, checked at the end.

use super::{GrpcAgent, LONG_CALL_DEADLINE, convert::to_artifact};
use crate::types::{ArtifactSource, InstallStep};
use continuum_common::files::NewFile;
use continuum_host::error::Error;
use continuum_proto as wire;
use sha2::{Digest, Sha256};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const CHUNK_BYTES: usize = 128 * 1024;
/// How often a transfer says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(10);
/// Samples of a day at a hundred photos a second; what is longer is not ours.
const LARGEST_COLLECTED: usize = 2 << 30;

impl GrpcAgent {
    pub(super) async fn upload(
        &self,
        artifact: &ArtifactSource,
        steps: &(dyn Fn(InstallStep) + Send + Sync),
    ) -> Result<(), Error> {
        let file = tokio::fs::File::open(&artifact.path)
            .await
            .map_err(Error::file("read", &artifact.path))?;
        let (sender, receiver) = mpsc::channel(8);
        let header = wire::UploadRequest {
            part: Some(wire::upload_request::Part::Artifact(to_artifact(artifact))),
        };
        let sent = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&sent);
        tokio::spawn(async move {
            if sender.send(header).await.is_ok() {
                send_chunks(file, |chunk: Vec<u8>| {
                    counter.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    let part = Some(wire::upload_request::Part::Chunk(chunk.into()));
                    sender.send(wire::UploadRequest { part })
                })
                .await;
            }
        });
        let mut client = wire::install_client::InstallClient::new(self.channel.clone());
        let doing = format!("take {}", artifact.name);
        let call = client.upload(ReceiverStream::new(receiver));
        let call = self.call(&doing, LONG_CALL_DEADLINE, call);
        tokio::pin!(call);
        loop {
            tokio::select! {
                result = &mut call => return result.map(|_| ()),
                () = tokio::time::sleep(SAY_EVERY) => steps(InstallStep {
                    step: "transfer".to_owned(),
                    state: "running",
                    detail: format!(
                        "{}: {} of {} MB",
                        artifact.name,
                        sent.load(Ordering::Relaxed) / 1_000_000,
                        artifact.size_bytes / 1_000_000
                    ),
                }),
            }
        }
    }

    pub(super) async fn send(&self, source: &Path, path: &str) -> Result<String, Error> {
        let about = tokio::fs::metadata(source)
            .await
            .map_err(Error::file("read", source))?;
        // A device or a pipe has no size that could be announced.
        if !about.is_file() {
            let why = std::io::Error::other("it is no plain file");
            return Err(Error::file("send", source)(why));
        }
        let bytes = about.len();
        let sha256 = continuum_images::hash::file(source)?;
        let file = tokio::fs::File::open(source)
            .await
            .map_err(Error::file("read", source))?;
        let (sender, receiver) = mpsc::channel(8);
        let header = wire::FileHeader {
            path: path.to_owned(),
            sha256,
            size_bytes: bytes,
            mode: 0o644,
        };
        tokio::spawn(async move {
            let part = Some(wire::put_request::Part::Header(header));
            if sender.send(wire::PutRequest { part }).await.is_ok() {
                send_chunks(file, |chunk| {
                    let part = Some(wire::put_request::Part::Chunk(chunk.into()));
                    sender.send(wire::PutRequest { part })
                })
                .await;
            }
        });
        let mut client = self.node_client();
        let call = client.put(ReceiverStream::new(receiver));
        let answer = self
            .call(&format!("write `{path}`"), LONG_CALL_DEADLINE, call)
            .await?;
        Ok(answer.into_inner().path)
    }

    pub(super) async fn fetch(&self, path: &str, target: &Path) -> Result<u64, Error> {
        let doing = format!("send `{path}`");
        let request = wire::GetRequest {
            path: path.to_owned(),
        };
        // What is there already stays until the new content is whole and right.
        let write = || Error::file("write", target);
        let mut new = NewFile::of(target, None).map_err(write())?;
        let file = new.file().try_clone().map_err(write())?;
        let fetched = self.fetch_into(request, file.into(), target);
        let (want, have, bytes) = self.call(&doing, LONG_CALL_DEADLINE, fetched).await?;
        if have != want {
            return Err(Error::Agent {
                doing,
                node: self.node.clone(),
                why: "what came does not have the digest that was announced".into(),
            });
        }
        new.put().map_err(write())?;
        Ok(bytes)
    }

    /// Returns the digest announced, that of what came, and how much came.
    async fn fetch_into(
        &self,
        request: wire::GetRequest,
        mut file: tokio::fs::File,
        target: &Path,
    ) -> Result<(String, String, u64), Status> {
        let failed =
            |e: std::io::Error| Status::aborted(format!("write `{}`: {e}", target.display()));
        let mut stream = self.node_client().get(request).await?.into_inner();
        let (mut want, mut bytes) = (String::new(), 0_u64);
        let mut hasher = Sha256::new();
        while let Some(answer) = stream.message().await? {
            match answer.part {
                Some(wire::get_response::Part::Header(header)) => want = header.sha256,
                Some(wire::get_response::Part::Chunk(chunk)) => {
                    hasher.update(&chunk);
                    bytes += chunk.len() as u64;
                    file.write_all(&chunk).await.map_err(failed)?;
                }
                None => {}
            }
        }
        file.flush().await.map_err(failed)?;
        Ok((want, hex::encode(hasher.finalize()), bytes))
    }

    pub(super) async fn collect_file(&self, id: &str, name: &str) -> Result<Vec<u8>, Error> {
        let doing = format!("send {name} of run {id}");
        let request = wire::CollectWorkloadRequest {
            id: id.to_owned(),
            name: name.to_owned(),
        };
        let mut client = self.workload();
        let work = async {
            let mut stream = client.collect(request).await?.into_inner();
            let mut bytes = Vec::new();
            while let Some(answer) = stream.message().await? {
                bytes.extend(answer.chunk);
                if bytes.len() > LARGEST_COLLECTED {
                    return Err(Status::out_of_range(format!(
                        "it is longer than {} MB",
                        LARGEST_COLLECTED >> 20
                    )));
                }
            }
            Ok(bytes)
        };
        self.call(&doing, LONG_CALL_DEADLINE, work).await
    }
}

async fn send_chunks<F, E>(mut file: tokio::fs::File, mut send: impl FnMut(Vec<u8>) -> F)
where
    F: Future<Output = Result<(), E>>,
{
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        match file.read(&mut chunk).await {
            Ok(n) if n > 0 => {
                chunk.truncate(n);
                if send(chunk).await.is_err() {
                    return;
                }
            }
            // A file that shrinks while being read fails at the other end: size and digest were announced.
            _ => return,
        }
    }
}
