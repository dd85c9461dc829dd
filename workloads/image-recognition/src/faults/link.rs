//! A link to the broker that can be slow, cut, and reset.

use super::must;
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::AbortHandle,
};

#[derive(Clone, Copy, PartialEq)]
enum State {
    Up,
    /// Nothing passes, and nobody is told.
    Cut,
    /// Connections end.
    Reset,
}

pub(super) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
    task: AbortHandle,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link {
    /// To a broker; `bytes_per_s` is what goes up.
    pub(super) fn to(broker: SocketAddr, bytes_per_s: Option<u32>) -> Self {
        let (listener, address) = must("listen", listen());
        let (state, watched) = watch::channel(State::Up);
        let task = tokio::spawn(accept(listener, broker, bytes_per_s, watched)).abort_handle();
        Self {
            address,
            state,
            task,
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub(super) fn restore(&self) {
        self.state.send_replace(State::Up);
    }

    /// Ends what there is, and everything that comes, until it is restored.
    pub(super) fn reset(&self) {
        self.state.send_replace(State::Reset);
    }
}

fn listen() -> std::io::Result<(TcpListener, SocketAddr)> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    // What a slow link takes is not what a buffer takes.
    socket.set_recv_buffer_size(16 * 1024)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = socket.listen(64)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(
    listener: TcpListener,
    broker: SocketAddr,
    bytes_per_s: Option<u32>,
    state: watch::Receiver<State>,
) {
    while let Ok((client, _)) = listener.accept().await {
        let mut state = state.clone();
        tokio::spawn(async move {
            if *state.borrow_and_update() == State::Reset {
                return;
            }
            let Ok(server) = TcpStream::connect(broker).await else {
                return;
            };
            client.set_nodelay(true).ok();
            server.set_nodelay(true).ok();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            let mut up = state.clone();
            let mut down = state.clone();
            tokio::select! {
                () = pump(from_client, to_server, bytes_per_s, &mut up) => {}
                () = pump(from_server, to_client, None, &mut down) => {}
                _ = state.wait_for(|s| *s == State::Reset) => {}
            }
        });
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    bytes_per_s: Option<u32>,
    state: &mut watch::Receiver<State>,
) {
    let mut bytes = vec![0; if bytes_per_s.is_some() { 4096 } else { 65536 }];
    loop {
        if state.wait_for(|s| *s == State::Up).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            _ = state.changed() => continue,
        };
        let Ok(count @ 1..) = read else { return };
        if let Some(rate) = bytes_per_s {
            tokio::time::sleep(Duration::from_secs_f64(count as f64 / f64::from(rate))).await;
        }
        if state.wait_for(|s| *s == State::Up).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            return;
        }
    }
}
