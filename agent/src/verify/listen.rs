//! Ports that peers measure with.

use super::{
    Hello, Token,
    train::{self, Trains},
    transfer,
};
use crate::error::AgentError;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::OwnedSemaphorePermit,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// For who connects to say who it is.
const HELLO_DEADLINE: Duration = Duration::from_secs(10);
/// More peers at a time are none of a measurement.
const MOST_CONNECTIONS: usize = 64;

/// Where peers measure, and what admits them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub tcp: u16,
    pub udp: u16,
    pub token: Token,
}

/// Opens the ports of an address for so long; they keep their place among those that are open.
pub(crate) async fn listen(
    address: IpAddr,
    open: Duration,
    most_bytes: u64,
    shutdown: CancellationToken,
    place: OwnedSemaphorePermit,
) -> Result<Ports, AgentError> {
    let any_port = SocketAddr::new(address, 0);
    let failed = |source: std::io::Error| AgentError::Serve {
        listen: any_port,
        source: Box::new(source),
    };
    let tcp = TcpListener::bind(any_port).await.map_err(failed)?;
    let udp = UdpSocket::bind(any_port).await.map_err(failed)?;
    let ports = Ports {
        tcp: tcp.local_addr().map_err(failed)?.port(),
        udp: udp.local_addr().map_err(failed)?.port(),
        token: uuid::Uuid::new_v4().into_bytes(),
    };
    let trains = Arc::new(Trains::default());
    let serve = serve(tcp, udp, ports.token, most_bytes, trains);
    tokio::spawn(async move {
        tokio::select! {
            ended = tokio::time::timeout(open, serve) => {
                if let Ok(Err(error)) = ended {
                    tracing::warn!("measuring with peers: {error}");
                }
            }
            () = shutdown.cancelled() => {}
        }
        drop(place);
    });
    Ok(ports)
}

/// Until somebody drops it: with it go all its connections.
async fn serve(
    tcp: TcpListener,
    udp: UdpSocket,
    token: Token,
    most_bytes: u64,
    trains: Arc<Trains>,
) -> std::io::Result<()> {
    let mut connections = JoinSet::new();
    let datagrams = train::receive(udp, token, Arc::clone(&trains));
    let accept = async {
        loop {
            let (stream, peer) = tcp.accept().await?;
            while connections.try_join_next().is_some() {}
            if connections.len() >= MOST_CONNECTIONS {
                continue;
            }
            let trains = Arc::clone(&trains);
            connections.spawn(async move {
                if let Err(error) = answer(stream, token, most_bytes, &trains).await {
                    tracing::warn!("measuring with {peer}: {error}");
                }
            });
        }
    };
    tokio::select! {
        ended = accept => ended,
        ended = datagrams => ended,
    }
}

async fn answer(
    mut stream: TcpStream,
    token: Token,
    most_bytes: u64,
    trains: &Trains,
) -> std::io::Result<()> {
    let mut hello = [0; Hello::BYTES];
    tokio::time::timeout(HELLO_DEADLINE, stream.read_exact(&mut hello)).await??;
    match Hello::decode(&hello, token) {
        Some(Hello::Transfer { skip_ms, count_ms }) => {
            transfer::receive(&mut stream, skip_ms, count_ms, most_bytes).await
        }
        Some(Hello::Report { train }) => stream.write_all(&trains.report(train)).await,
        None => Err(std::io::Error::other(
            "its token is not the one that was given",
        )),
    }
}
