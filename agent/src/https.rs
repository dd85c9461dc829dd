//! A question over HTTPS to a server of the cluster, whose authority is known.

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

/// Of an answer that says why not.
const MOST_BYTES: usize = 16 << 10;

type Reason = Box<dyn std::error::Error + Send + Sync>;

/// `Ok` when `path` of `address:port` is answered with success; else why not. The authority is a certificate as PEM text.
///
/// # Errors
/// No connection, a certificate of somebody else's, or an answer that is not a success, with its text.
pub(crate) async fn get(socket: &str, path: &str, authority: &str) -> Result<(), Reason> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (host, _) = socket.rsplit_once(':').ok_or("no port")?;
    let name = ServerName::try_from(host.to_owned())?;
    let stream = TcpStream::connect(socket).await?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(path)
        .header("host", socket)
        .body(Empty::<Bytes>::new())?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect();
        if status.is_success() {
            return Ok(());
        }
        let text = body
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Err(format!("{status}: {}", String::from_utf8_lossy(&text).trim()).into())
    };
    // A connection that ends before the answer fails the exchange, too.
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::{
        TlsAcceptor,
        rustls::{ServerConfig, pki_types::PrivateKeyDer},
    };

    /// Answers each connection with the same text; returns its address and its certificate.
    async fn server(answer: &'static str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that does not know the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut question = [0; 512];
                let _read = stream.read(&mut question).await;
                let _written = stream.write_all(answer.as_bytes()).await;
                let _closed = stream.shutdown().await;
            }
        });
        (socket, made.cert.pem())
    }

    #[tokio::test]
    async fn a_healthy_server_is_told_from_one_that_says_why_not_and_from_a_strangers() {
        let (healthy, certificate) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        get(&healthy, "/livez", &certificate).await.unwrap();
        let (sick, other) =
            server("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 9\r\n\r\n[-]rbac x")
                .await;
        let error = get(&sick, "/livez", &other).await.unwrap_err().to_string();
        assert!(error.contains("500") && error.contains("rbac"), "{error}");
        let error = get(&sick, "/livez", &certificate).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        let (mute, certificate) = server("").await;
        get(&mute, "/livez", &certificate).await.unwrap_err();
        get("127.0.0.1:1", "/livez", &certificate)
            .await
            .unwrap_err();
    }
}
