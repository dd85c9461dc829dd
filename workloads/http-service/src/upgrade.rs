//! Connections that change their protocol, as that of a `WebSocket` does: afterwards only bytes are handed on.

use crate::accept::Connection;
use http::{Extensions, HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

const CHUNK: usize = 16 << 10;
/// When the server is to end, connections that have been silent for so long are closed.
const SILENT: Duration = Duration::from_secs(1);

/// What a caller asks for who wants another protocol.
#[derive(Debug)]
pub struct Upgrade {
    protocol: HeaderValue,
    caller: OnUpgrade,
    connection: Connection,
}

impl Upgrade {
    /// What a request asks for, which must be a `WebSocket`: other protocols are refused by not being mentioned.
    pub fn asked(headers: &HeaderMap, extensions: &mut Extensions) -> Option<Self> {
        let connection = headers.get_all(header::CONNECTION);
        let mut words = connection
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','));
        let protocol = headers.get(header::UPGRADE)?;
        let is_wanted = words.any(|w| w.trim().eq_ignore_ascii_case("upgrade"))
            && protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
        if !is_wanted {
            return None;
        }
        Some(Self {
            protocol: protocol.clone(),
            connection: extensions.get::<Connection>()?.clone(),
            caller: extensions.remove::<OnUpgrade>()?,
        })
    }

    /// Puts it into headers that are handed on.
    pub fn announce(&self, headers: &mut HeaderMap) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, self.protocol.clone());
    }

    /// Joins the caller with who answered 101, whose answer is told on; `held` lives as long as they talk.
    pub fn join<B>(self, response: &mut Response<B>, held: impl Send + 'static) {
        debug_assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        let server = hyper::upgrade::on(&mut *response);
        self.announce(response.headers_mut());
        let Self {
            caller, connection, ..
        } = self;
        tokio::spawn(async move {
            let _held = held;
            match tokio::try_join!(caller, server) {
                Err(error) => tracing::debug!("change the protocol: {error}"),
                Ok((caller, server)) => {
                    let (caller, server) = (TokioIo::new(caller), TokioIo::new(server));
                    talk(caller, server, &connection).await;
                }
            }
        });
    }
}

async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &AtomicU64,
) -> std::io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let n = from.read(&mut buffer).await?;
        if n == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..n]).await?;
        to.flush().await?;
        moved.fetch_add(n as u64, Ordering::Relaxed);
    }
}

async fn talk(
    caller: impl AsyncRead + AsyncWrite,
    server: impl AsyncRead + AsyncWrite,
    connection: &Connection,
) {
    let moved = AtomicU64::new(0);
    let (from_caller, to_caller) = split(caller);
    let (from_server, to_server) = split(server);
    let both = async {
        tokio::try_join!(
            pump(from_caller, to_server, &moved),
            pump(from_server, to_caller, &moved)
        )
    };
    let silence = async {
        connection.ending().await;
        loop {
            let before = moved.load(Ordering::Relaxed);
            tokio::time::sleep(SILENT).await;
            if moved.load(Ordering::Relaxed) == before {
                break;
            }
        }
    };
    tokio::select! {
        done = both => if let Err(error) = done {
            tracing::debug!("a WebSocket: {error}");
        },
        () = silence => {}
    }
}
