//! Connections to servers, with and without TLS.

use anyhow::Context;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use std::sync::Arc;

/// Connects by the scheme of an address.
pub type Connector = HttpsConnector<HttpConnector>;

/// Who is believed: the authorities of this system (or of `SSL_CERT_FILE`), and where there are none, as in an image
/// that holds one program, those that browsers believe.
fn authorities() -> RootCertStore {
    let mut believed = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (_, ignored) = believed.add_parsable_certificates(found.certs);
    if ignored > 0 {
        tracing::debug!("{ignored} certificates of this system cannot be read");
    }
    if believed.is_empty() {
        believed.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    believed
}

/// A connector that speaks TLS to `https`, and none to `http`.
///
/// # Errors
/// A system without any way to speak TLS.
pub fn connector(http: HttpConnector) -> anyhow::Result<Connector> {
    believing(authorities(), http)
}

fn believing(authorities: RootCertStore, mut http: HttpConnector) -> anyhow::Result<Connector> {
    http.enforce_http(false);
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .context("set up TLS")?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_or_http()
        .enable_http1()
        .wrap_connector(http))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain;
    use bytes::Bytes;
    use http_body_util::Empty;
    use hyper_util::{client::legacy::Client, rt::TokioExecutor};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsAcceptor;

    /// A server with a certificate of its own, which is given.
    async fn server() -> (String, rustls::pki_types::CertificateDer<'static>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Who does not believe it goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                stream.read_buf(&mut request).await.ok();
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                stream.write_all(answer).await.ok();
            }
        });
        (format!("https://localhost:{port}/"), certificate)
    }

    async fn ask(address: &str, believed: RootCertStore) -> Result<http::StatusCode, String> {
        let connector = believing(believed, HttpConnector::new()).unwrap();
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector);
        let asked = client.get(address.parse().unwrap()).await;
        let answered = asked.map_err(|error| chain(&error))?;
        Ok(answered.status())
    }

    #[tokio::test]
    async fn servers_are_believed_by_their_certificates_and_not_without() {
        let (address, certificate) = server().await;
        let mut believed = RootCertStore::empty();
        believed.add(certificate).unwrap();
        let status = ask(&address, believed).await;
        assert_eq!(status, Ok(http::StatusCode::NO_CONTENT));
        let refused = ask(&address, authorities()).await.unwrap_err();
        assert!(refused.contains("certificate"), "{refused}");
        assert!(!authorities().is_empty());
    }
}
