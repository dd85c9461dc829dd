//! A server that speaks TLS, with a certificate of its own.

use anyhow::Context;
use std::{
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

/// Starts one that says to each request, given as text, what `answer` says, whole; it runs as long as this process. Where it
/// listens, and its certificate as PEM.
pub fn start(
    address: IpAddr,
    answer: impl Fn(&str) -> String + Send + 'static,
) -> anyhow::Result<(SocketAddr, String)> {
    let made = rcgen::generate_simple_self_signed([address.to_string()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der());
    let key = key.map_err(|why| anyhow::anyhow!("{why}"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener =
        TcpListener::bind((address, 0)).with_context(|| format!("listen on {address}"))?;
    let listening_at = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(serve(listener, acceptor, answer))
    });
    Ok((listening_at, made.cert.pem()))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    answer: impl Fn(&str) -> String,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        // Who only looks whether it listens says nothing.
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        let mut request = [0; 4096];
        // One read is all of so short a request; who goes away in the middle of it is no fault of the next.
        let Ok(length) = stream.read(&mut request).await else {
            continue;
        };
        let text = String::from_utf8_lossy(&request[..length]);
        stream.write_all(answer(&text).as_bytes()).await.ok();
        stream.shutdown().await.ok();
    }
}
