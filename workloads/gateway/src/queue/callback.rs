//! Tells who asked for a call what came of it.

use super::Waiting;
use crate::config::Config;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use continuum_http_service::{Connector, chain, connector};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use percent_encoding::percent_decode_str;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

pub(super) const DEADLINE: Duration = Duration::from_secs(30);
/// The gateway's Service, by which functions and their callers name it.
const OWN_NAME: &str = "gateway";

/// The gateway's own listener as it is reached from here.
fn listener(config: &Config) -> SocketAddr {
    let mut address = config.listen;
    match address.ip() {
        ip if !ip.is_unspecified() => {}
        IpAddr::V4(_) => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(_) => address.set_ip(Ipv6Addr::LOCALHOST.into()),
    }
    address
}

fn is_own(host: &str, namespace: &str) -> bool {
    let service = format!("{OWN_NAME}.{namespace}");
    let names = ["", ".svc", ".svc.cluster.local"].map(|zone| format!("{service}{zone}"));
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == OWN_NAME || names.contains(&host)
}

/// Where a callback goes. The gateway is on its node's network, whose DNS knows no names of the cluster: of those, its own
/// is the one that callbacks have, for a function that is to take the answer.
fn address(config: &Config, callback: &str) -> Result<Uri, String> {
    let asked: Uri = callback.parse().map_err(|e| format!("its address: {e}"))?;
    if !asked
        .host()
        .is_some_and(|host| is_own(host, &config.queue_namespace))
    {
        return Ok(asked);
    }
    let own: Authority = listener(config)
        .to_string()
        .parse()
        .map_err(|e| format!("the gateway's own address: {e}"))?;
    let mut parts = asked.into_parts();
    parts.authority = Some(own);
    Uri::from_parts(parts).map_err(|e| format!("its address: {e}"))
}

/// The name and password that an address has before its host, as a header says them.
fn credentials(address: &Uri) -> Option<HeaderValue> {
    let (user, _) = address.authority()?.as_str().rsplit_once('@')?;
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut both: Vec<u8> = percent_decode_str(name).collect();
    both.push(b':');
    both.extend(percent_decode_str(password));
    HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(both))).ok()
}

/// An address for the log, without its password.
pub(super) fn public(callback: &str) -> String {
    let user = callback.parse::<Uri>().ok().and_then(|address| {
        let (user, _) = address.authority()?.as_str().rsplit_once('@')?;
        Some(format!("{user}@"))
    });
    user.map_or_else(
        || callback.to_owned(),
        |user| callback.replacen(&user, "", 1),
    )
}

/// Tells callers what came of their calls.
pub(super) struct Callbacks {
    config: Config,
    /// Or why nobody can be told.
    client: Result<Client<Connector, Full<Bytes>>, String>,
}

impl Callbacks {
    pub(super) fn new(config: &Config) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        let connector = connector(http).map_err(|error| format!("{error:#}"));
        let mut builder = Client::builder(TokioExecutor::new());
        // Each goes somewhere else.
        builder.pool_max_idle_per_host(0);
        Self {
            config: config.clone(),
            client: connector.map(|connector| builder.build(connector)),
        }
    }

    /// An error is why it was not taken.
    pub(super) async fn tell(
        &self,
        callback: &str,
        call: &Waiting,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = address(&self.config, callback)?;
        let credentials = credentials(request.uri());
        let own = request.headers_mut();
        own.extend(headers);
        own.remove(header::CONTENT_LENGTH);
        if let Some(credentials) = credentials {
            own.insert(header::AUTHORIZATION, credentials);
        }
        for (name, value) in [
            ("x-call-id", &*call.id),
            ("x-function-name", &*call.key.name),
            ("x-function-status", status.as_str()),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                own.insert(name, value);
            }
        }
        let client = self.client.as_ref().map_err(Clone::clone)?;
        match tokio::time::timeout(DEADLINE, client.request(request)).await {
            Err(_) => Err(format!("no answer within {DEADLINE:?}")),
            Ok(Err(error)) => Err(chain(&error)),
            Ok(Ok(response)) if response.status().is_success() => Ok(()),
            // Redirections, too: who asked knows where he wants to be told.
            Ok(Ok(response)) => Err(format!("it answered {}", response.status())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_callback_to_the_gateway_goes_to_its_own_listener() {
        let config = Config::parse_from(["gateway", "--listen=0.0.0.0:8088"]);
        let goes = |to: &str| address(&config, to).unwrap().to_string();
        for own in [
            "http://gateway:8080/function/f?a=1",
            "http://gateway.openfaas:8080/function/f?a=1",
            "http://Gateway.openfaas.svc.cluster.local.:8080/function/f?a=1",
        ] {
            assert_eq!(goes(own), "http://127.0.0.1:8088/function/f?a=1", "{own}");
        }
        for other in ["http://gateway.example.org/x", "http://10.0.0.7:9000/x"] {
            assert_eq!(goes(other), other);
        }
        let bound = Config::parse_from(["gateway", "--listen=127.0.0.9:8088"]);
        let goes = address(&bound, "http://gateway/x").unwrap();
        assert_eq!(goes.to_string(), "http://127.0.0.9:8088/x");
    }

    #[test]
    fn a_password_in_an_address_is_sent_and_not_told() {
        for (to, sent, told) in [
            ("http://h:1/a", None, "http://h:1/a"),
            (
                "https://me:w%40rd@h/a?b=1",
                Some("Basic bWU6d0ByZA=="),
                "https://h/a?b=1",
            ),
            ("http://me@h/", Some("Basic bWU6"), "http://h/"),
        ] {
            let found = credentials(&to.parse().unwrap());
            assert_eq!(found, sent.map(HeaderValue::from_static), "{to}");
            assert_eq!(public(to), told);
        }
    }

    #[tokio::test]
    async fn a_callback_is_taken_or_its_status_is_told() {
        let answer = |status: u16| async move { http::StatusCode::from_u16(status).unwrap() };
        let router = axum::Router::new().route(
            "/{status}",
            axum::routing::post(
                async move |axum::extract::Path(status): axum::extract::Path<u16>| {
                    answer(status).await
                },
            ),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = hyper_util::service::TowerToHyperService::new(router);
        let limits = continuum_http_service::Limits {
            connections: 10,
            silence: DEADLINE,
        };
        let never = std::future::pending();
        tokio::spawn(continuum_http_service::accept(
            listener, service, limits, never, DEADLINE,
        ));
        let callbacks = Callbacks::new(&Config::parse_from(["gateway"]));
        let call = Waiting {
            object: Waiting::new_object(),
            id: "1".into(),
            key: crate::functions::Key::parse("f", "fn"),
            method: Method::POST,
            path: "/".into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            callback: None,
            attempts: 1,
        };
        let tell = async |to: &str| {
            let (headers, body) = (HeaderMap::new(), Bytes::from_static(b"answer"));
            callbacks
                .tell(to, &call, StatusCode::OK, headers, body)
                .await
        };
        for status in [200, 202, 204] {
            assert_eq!(tell(&format!("http://{address}/{status}")).await, Ok(()));
        }
        for status in [301, 308, 400, 404, 410, 500, 503] {
            let why = tell(&format!("http://{address}/{status}"))
                .await
                .unwrap_err();
            assert!(why.contains(&status.to_string()), "{status}: {why}");
        }
        // It speaks no TLS.
        let why = tell(&format!("https://{address}/200")).await.unwrap_err();
        assert!(why.len() > "client error (Connect)".len(), "{why}");
    }
}
