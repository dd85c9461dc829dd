//! Connections, from the first to the last.

use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{
    sync::CancellationToken,
    task::{TaskTracker, task_tracker::TaskTrackerToken},
};

/// Before a socket is asked again that gave an error, as one without free file descriptors does.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Of one connection, whatever its caller sends: as large as headers may be.
const BUFFER_BYTES: usize = 64 << 10;

/// Of one request or answer; how long they are together has a limit of its own.
pub const MAX_HEADERS: usize = 1000;

/// A caller who says nothing for so long is asked whether he is still there, so often, and is let go.
const KEEPALIVE_AFTER: Duration = Duration::from_mins(1);
const KEEPALIVE_EACH: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMES: u32 = 4;

/// What connections may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At a time; others wait.
    pub connections: usize,
    /// A caller who sends no headers, or takes nothing of his answer, is let go after so long.
    pub silence: Duration,
}

/// Who calls: in the extensions of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The connection that a request came over, in its extensions: who goes on with it, as a `WebSocket` does, holds a clone.
#[derive(Debug, Clone)]
pub struct Connection {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    ending: CancellationToken,
    _slot: OwnedSemaphorePermit,
    _task: TaskTrackerToken,
}

impl Connection {
    /// Until nobody is let in any more.
    pub async fn ending(&self) {
        self.held.ending.cancelled().await;
    }
}

/// Callers that vanish without a word are noticed, even those who only listen.
fn set_up(stream: &TcpStream) -> std::io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_AFTER)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_EACH)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_TIMES)?;
    Ok(())
}

/// Serves connections until `stop`; calls that are in flight then may take `longest` to be answered.
pub async fn accept<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    stop: impl Future<Output = ()>,
    longest: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<AnyError>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    let tasks = TaskTracker::new();
    let ending = CancellationToken::new();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = async {
                let slot = Arc::clone(&slots).acquire_owned().await;
                (listener.accept().await, slot)
            } => accepted,
        };
        let (stream, peer, slot) = match accepted {
            (Ok((stream, peer)), Ok(slot)) => (stream, peer, slot),
            (Err(error), _) => {
                tracing::warn!("accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
            (_, Err(_)) => break,
        };
        // One that is gone already says so when it is used.
        set_up(&stream).ok();
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.silence));
        let held = Arc::new(Held {
            ending: ending.clone(),
            _slot: slot,
            _task: tasks.token(),
        });
        let service = service.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let held = Arc::clone(&held);
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(Connection { held });
            service.call(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.silence)
            .max_buf_size(BUFFER_BYTES)
            .max_headers(MAX_HEADERS)
            .serve_connection(TokioIo::new(Box::pin(stream)), service)
            .with_upgrades();
        let ending = ending.clone();
        tokio::spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = ending.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!("connection: {error}");
            }
        });
    }
    drop(listener);
    ending.cancel();
    tasks.close();
    tokio::time::timeout(longest, tasks.wait()).await.ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::Full;
    use std::convert::Infallible;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    const LARGE: usize = 64 << 20;

    async fn start(silence_ms: u64) -> (SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let limits = Limits {
            connections: 2,
            silence: Duration::from_millis(silence_ms),
        };
        let service = service_fn(async |request: Request<Incoming>| {
            let body = match request.uri().path() {
                "/large" => Bytes::from(vec![0; LARGE]),
                _ => format!("{:?}", request.extensions().get::<Peer>()).into(),
            };
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        });
        let stopped = stop.clone();
        tokio::spawn(async move {
            let stop = stopped.cancelled();
            accept(listener, service, limits, stop, Duration::from_secs(1)).await;
        });
        (address, stop)
    }

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    #[tokio::test]
    async fn a_request_knows_who_calls() {
        let (address, _stop) = start(5000).await;
        let mut stream = ask(address, "/").await;
        let own = stream.local_addr().unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(&own.to_string()), "{answer}");
    }

    #[tokio::test]
    async fn headers_fill_no_more_than_a_buffer() {
        let (address, _stop) = start(5000).await;
        for (length, status) in [(BUFFER_BYTES / 2, "200"), (2 * BUFFER_BYTES, "431")] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!(
                "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nlong: {}\r\n\r\n",
                "x".repeat(length)
            );
            // It may be refused before it is sent.
            stream.write_all(request.as_bytes()).await.ok();
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.unwrap();
            assert_eq!(
                String::from_utf8_lossy(&answer),
                format!("HTTP/1.1 {status}")
            );
        }
    }

    #[tokio::test]
    async fn headers_may_be_many() {
        let (address, _stop) = start(5000).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let headers: Vec<_> = (0..500).map(|i| format!("x-{i}: v\r\n")).collect();
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\n{}\r\n", headers.concat());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }

    #[tokio::test]
    async fn who_takes_nothing_of_his_answer_or_says_nothing_is_let_go() {
        let (address, _stop) = start(300).await;
        let mut idle = ask(address, "/large").await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        // Both places are taken until they are.
        let mut third = ask(address, "/").await;
        let mut answer = String::new();
        third.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        // One of the two is gone; the other follows.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut got = Vec::new();
        // What was on its way comes, and then the end.
        idle.read_to_end(&mut got).await.ok();
        assert!(got.len() < LARGE, "{}", got.len());
        assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn after_the_end_nobody_is_let_in() {
        let (address, stop) = start(5000).await;
        drop(ask(address, "/").await);
        stop.cancel();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(TcpStream::connect(address).await.is_err());
    }
}
