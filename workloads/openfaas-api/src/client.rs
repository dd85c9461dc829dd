//! Asking a gateway.

use crate::{
    DeleteFunctionRequest, FunctionDeployment, FunctionStatus, GatewayInfo, LogMessage,
    ScaleServiceRequest,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use std::{fmt::Write, time::Duration};

/// A gateway that answers at all does so within this time.
const ASK_DEADLINE: Duration = Duration::from_secs(30);
/// A function whose predecessor is being removed is made when that has finished its calls: the gateway waits for them as
/// long as for any call, which are five minutes unless it was told otherwise.
const DEPLOY_DEADLINE: Duration = Duration::from_mins(6);

/// What bodies are that nobody says anything else of.
pub const JSON: &str = "application/json";

/// Why a gateway was of no help.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the gateway answered {status}: {text}")]
    Refused { status: StatusCode, text: String },
    /// It could not be asked, or its answer was none.
    #[error("{0}")]
    NoAnswer(String),
}

impl ClientError {
    fn none(error: impl Into<anyhow::Error>) -> Self {
        // With all its causes.
        Self::NoAnswer(format!("{:#}", error.into()))
    }

    /// In a few plain words, for who waits until it answers.
    pub fn plain(&self) -> String {
        match self {
            Self::Refused { status, .. } if status.is_server_error() => {
                "the gateway answers, and is not ready yet".to_owned()
            }
            Self::Refused { .. } => self.to_string(),
            Self::NoAnswer(_) => "the gateway does not answer yet".to_owned(),
        }
    }

    /// The status, if it refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::NoAnswer(_) => None,
        }
    }
}

/// What a function answered.
#[derive(Debug, Clone)]
pub struct Invoked {
    pub status: StatusCode,
    pub body: Bytes,
    /// It waited for a replica to start.
    pub is_cold: bool,
    pub pod: String,
}

#[derive(Debug, Clone)]
pub struct Gateway {
    http: Client<HttpConnector, Full<Bytes>>,
    address: String,
    authorization: String,
}

impl Gateway {
    /// At `address:port`, with the password of its user `admin`.
    pub fn new(address: &str, password: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        Self {
            http: Client::builder(TokioExecutor::new()).build(connector),
            address: address.to_owned(),
            authorization: format!("Basic {}", STANDARD.encode(format!("admin:{password}"))),
        }
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header(header::CONTENT_TYPE, content_type);
        // The password is the gateway's; functions see the headers of their calls.
        if !path.starts_with("/function/") {
            request = request.header(header::AUTHORIZATION, &self.authorization);
        }
        let request = request.body(Full::new(body)).map_err(ClientError::none)?;
        self.http.request(request).await.map_err(ClientError::none)
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Bytes, ClientError> {
        self.ask_within(ASK_DEADLINE, method, path, body).await
    }

    async fn ask_within(
        &self,
        deadline: Duration,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Bytes, ClientError> {
        let asking = async {
            let response = self.send(method, path, JSON, body).await?;
            let status = response.status();
            let body = response.into_body().collect().await;
            let body = body.map_err(ClientError::none)?.to_bytes();
            if status.is_success() {
                return Ok(body);
            }
            let text = String::from_utf8_lossy(&body).trim().to_owned();
            Err(ClientError::Refused { status, text })
        };
        tokio::time::timeout(deadline, asking)
            .await
            .unwrap_or_else(|_| {
                Err(ClientError::NoAnswer(format!(
                    "no answer within {deadline:?}"
                )))
            })
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let body = self.ask(Method::GET, path, Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(ClientError::none)
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        value: &impl serde::Serialize,
    ) -> Result<(), ClientError> {
        let body = serde_json::to_vec(value).map_err(ClientError::none)?;
        self.ask(method, path, body.into()).await.map(|_| ())
    }

    /// Whether it takes calls.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.ask(Method::GET, "/healthz", Bytes::new())
            .await
            .map(|_| ())
    }

    pub async fn info(&self) -> Result<GatewayInfo, ClientError> {
        self.read("/system/info").await
    }

    pub async fn list(&self) -> Result<Vec<FunctionStatus>, ClientError> {
        self.read("/system/functions").await
    }

    pub async fn status(&self, name: &str) -> Result<FunctionStatus, ClientError> {
        self.read(&format!("/system/function/{name}")).await
    }

    /// Makes a function what is wanted, whether it is there or not.
    pub async fn deploy(&self, wanted: &FunctionDeployment) -> Result<(), ClientError> {
        let body: Bytes = serde_json::to_vec(wanted)
            .map_err(ClientError::none)?
            .into();
        let deploy =
            |method| self.ask_within(DEPLOY_DEADLINE, method, "/system/functions", body.clone());
        let done = match deploy(Method::PUT).await {
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {
                deploy(Method::POST).await
            }
            other => other,
        };
        done.map(|_| ())
    }

    pub async fn remove(&self, name: &str) -> Result<(), ClientError> {
        let request = DeleteFunctionRequest {
            function_name: name.to_owned(),
            namespace: None,
        };
        self.write(Method::DELETE, "/system/functions", &request)
            .await
    }

    pub async fn scale(&self, name: &str, replicas: u64) -> Result<(), ClientError> {
        let request = ScaleServiceRequest {
            service_name: name.to_owned(),
            replicas,
            namespace: None,
        };
        let path = format!("/system/scale-function/{name}");
        self.write(Method::POST, &path, &request).await
    }

    /// Calls a function with a body of a type, and waits for its answer as long as the gateway does.
    pub async fn invoke(
        &self,
        name: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Invoked, ClientError> {
        let path = format!("/function/{name}");
        let response = self.send(Method::POST, &path, content_type, body).await?;
        let status = response.status();
        let text = |name: &str| {
            let value = response.headers().get(name);
            let value = value.and_then(|v| v.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (is_cold, pod) = (text(crate::COLD_START) == "true", text(crate::SERVED_BY));
        let body = response.into_body().collect().await;
        Ok(Invoked {
            status,
            body: body.map_err(ClientError::none)?.to_bytes(),
            is_cold,
            pod,
        })
    }

    /// Lines of a function's replicas, each given to `say` as it comes.
    pub async fn logs(
        &self,
        name: &str,
        tail: Option<u64>,
        follow: bool,
        say: &(dyn Fn(LogMessage) + Sync),
    ) -> Result<(), ClientError> {
        let mut path = format!("/system/logs?name={name}&follow={follow}");
        if let Some(tail) = tail {
            write!(path, "&tail={tail}").ok();
        }
        let response = self.send(Method::GET, &path, JSON, Bytes::new()).await?;
        let status = response.status();
        let mut body = response.into_body();
        let mut rest = Vec::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(ClientError::none)?.into_data() else {
                continue;
            };
            rest.extend_from_slice(&data);
            while status.is_success()
                && let Some(end) = rest.iter().position(|b| *b == b'\n')
            {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let message = serde_json::from_slice(&line);
                say(message.map_err(ClientError::none)?);
            }
        }
        if status.is_success() {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&rest).trim().to_owned();
        Err(ClientError::Refused { status, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    #[tokio::test]
    async fn a_body_goes_with_its_type_and_without_the_password() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"photo") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0);
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ncat";
            stream.write_all(answer).await.unwrap();
            String::from_utf8_lossy(&request).into_owned()
        });
        let gateway = Gateway::new(&address, "secret");
        let photo = Bytes::from_static(b"photo");
        let done = gateway.invoke("image", "image/jpeg", photo).await.unwrap();
        assert_eq!(&*done.body, b"cat");
        let request = server.await.unwrap();
        assert!(request.contains("content-type: image/jpeg"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
        let broken = gateway.invoke("image", "a\nb", Bytes::new()).await;
        assert!(broken.is_err());
    }
}
