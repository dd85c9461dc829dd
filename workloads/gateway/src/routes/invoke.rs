//! `/function/NAME`: any method, any path behind it.

use super::Context;
use crate::{
    error::ApiError,
    functions::Key,
    proxy::{Call, Limits, Source},
};
use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use continuum_http_service::{Peer, Upgrade};
use http::{Uri, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;

/// The function that an address means, and the path as the function is to see it.
pub(super) fn target(uri: &Uri, prefix: &str, default_namespace: &str) -> (Key, String) {
    let rest = uri.path().strip_prefix(prefix).unwrap_or_default();
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    (
        Key::parse(name, default_namespace),
        format!("/{path}{query}"),
    )
}

pub(super) async fn invoke(
    State(context): State<Context>,
    request: Request,
) -> Result<Response, ApiError> {
    let config = &context.proxy.config;
    let (mut parts, body) = request.into_parts();
    let (key, path) = target(&parts.uri, "/function/", &config.function_namespace);
    let announced = parts.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.or(body.size_hint().exact()) > Some(config.max_body_bytes) {
        return Err(context.proxy.too_large());
    }
    let limits = Limits {
        bytes: config.max_body_bytes,
        silence: config.read_timeout,
    };
    let upgrade = Upgrade::asked(&parts.headers, &mut parts.extensions);
    let call = Call {
        key,
        method: parts.method,
        path,
        headers: parts.headers,
        body: Source::stream(body.boxed_unsync(), limits),
        peer: parts.extensions.get::<Peer>().map(|p| p.0),
        upgrade,
    };
    let response = context.proxy.call(call).await?;
    Ok(response.map(|reply| Body::new(reply.map_err(axum::Error::new))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Duration};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn the_function_sees_what_is_behind_its_name() {
        let of = |text: &str| {
            let (key, path) = target(&text.parse().unwrap(), "/function/", "fn");
            format!("{key} {path}")
        };
        assert_eq!(of("/function/a"), "a.fn /");
        assert_eq!(of("/function/a/"), "a.fn /");
        assert_eq!(of("/function/a.other/b/c?d=1"), "a.other /b/c?d=1");
        assert_eq!(of("/function/a?x=%20"), "a.fn /?x=%20");
    }

    /// A gateway with one function, whose only replica is at an address.
    async fn gateway(function_port: u16) -> std::net::SocketAddr {
        let nobody = axum::Router::new();
        let mut context = Context::of_cluster(kube::Client::new(nobody, "fn")).unwrap();
        let proxy = std::sync::Arc::get_mut(&mut context.proxy).unwrap();
        proxy.config.function_port = function_port;
        proxy.config.upstream_timeout = Duration::from_millis(400);
        let key = Key::parse("f", &proxy.config.function_namespace);
        let deployment = serde_json::from_value(serde_json::json!({
            "metadata": {}, "spec": { "replicas": 1, "selector": {}, "template": {} } }));
        let pod = serde_json::from_value(serde_json::json!({
            "metadata": { "name": "f-1" }, "status": { "podIP": "127.0.0.1",
            "conditions": [{ "type": "Ready", "status": "True" }] } }));
        let replica = crate::registry::Replica::of(&pod.unwrap(), Arc::default());
        let deployment = Arc::new(deployment.unwrap());
        proxy.registry.change(&key, |state| {
            state.deployment = Some(deployment);
            state.replicas.insert("f-1".to_owned(), Arc::new(replica));
        });
        for _ in 0..2 {
            proxy.registry.note_synced();
        }
        let router = crate::routes::router(context, crate::auth::Credentials::nobody_asks());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router);
        let limits = continuum_http_service::Limits {
            connections: 10,
            silence: Duration::from_secs(5),
        };
        let never = std::future::pending();
        let serving =
            continuum_http_service::accept(listener, service, limits, never, limits.silence);
        tokio::spawn(serving);
        address
    }

    async fn read_until(stream: &mut TcpStream, ending: &str) -> String {
        let mut all = Vec::new();
        while !String::from_utf8_lossy(&all).contains(ending) {
            let read = stream.read_buf(&mut all).await.unwrap();
            assert!(read > 0, "{}", String::from_utf8_lossy(&all));
        }
        String::from_utf8_lossy(&all).to_lowercase()
    }

    async fn reflect(mut stream: TcpStream) {
        let request = read_until(&mut stream, "\r\n\r\n").await;
        if request.contains("connection: upgrade") && request.contains("upgrade: websocket") {
            let answer = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                connection: upgrade\r\nsec-websocket-accept: x\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.ok();
        } else {
            let plain = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nplain";
            stream.write_all(plain).await.unwrap();
        }
    }

    /// A replica that changes its protocol when it is asked to, and then says everything back.
    async fn replica() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(reflect(stream));
            }
        });
        port
    }

    #[tokio::test]
    async fn a_websocket_goes_through_beyond_the_time_of_calls() {
        let address = gateway(replica().await).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let ask = |upgrade: &str| {
            format!(
                "GET /function/f/talk HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\n\
                     upgrade: {upgrade}\r\nsec-websocket-key: x\r\n\r\n"
            )
        };
        stream.write_all(ask("websocket").as_bytes()).await.unwrap();
        let head = read_until(&mut stream, "\r\n\r\n").await;
        for word in [
            "http/1.1 101",
            "upgrade: websocket",
            "sec-websocket-accept: x",
            "x-call-id",
        ] {
            assert!(head.contains(word), "`{word}` is not in {head}");
        }
        for word in ["one", "two"] {
            tokio::time::sleep(Duration::from_millis(300)).await;
            stream.write_all(word.as_bytes()).await.unwrap();
            assert_eq!(read_until(&mut stream, word).await, word);
        }
        let mut other = TcpStream::connect(address).await.unwrap();
        other.write_all(ask("h2c").as_bytes()).await.unwrap();
        let plain = read_until(&mut other, "plain").await;
        assert!(plain.starts_with("http/1.1 200"), "{plain}");
    }
}
