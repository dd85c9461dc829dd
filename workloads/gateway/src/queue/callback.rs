//! Tells who asked for a call what came of it.

use super::Waiting;
use crate::config::Config;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header, uri::Authority};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
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

pub(super) async fn tell(
    config: &Config,
    callback: &str,
    call: &Waiting,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(), String> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = address(config, callback)?;
    let own = request.headers_mut();
    own.extend(headers);
    own.remove(header::CONTENT_LENGTH);
    for (name, value) in [
        ("x-call-id", &*call.id),
        ("x-function-name", &*call.key.name),
        ("x-function-status", status.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            own.insert(name, value);
        }
    }
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    match tokio::time::timeout(DEADLINE, client.request(request)).await {
        Err(_) => Err(format!("no answer within {DEADLINE:?}")),
        Ok(Err(error)) => Err(error.to_string()),
        Ok(Ok(response)) if response.status().is_server_error() => {
            Err(format!("it answered {}", response.status()))
        }
        Ok(Ok(_)) => Ok(()),
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
}
