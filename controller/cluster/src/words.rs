//! What errors of the API server mean to somebody who waits for it: their own words are those of programs.

use std::io::ErrorKind;

/// In a few plain words, without numbers that differ from one time to the next.
pub(crate) fn plain(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return match status.code {
            401 | 403 => "the API server does not know yet who we are".to_owned(),
            429 | 500.. => "the API server answers, and is not ready yet".to_owned(),
            _ => format!("the API server refuses: {}", status.message),
        };
    }
    match io_kind(error) {
        Some(ErrorKind::ConnectionRefused) => "the API server does not listen yet".to_owned(),
        Some(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof) => {
            "the API server broke off the connection".to_owned()
        }
        Some(ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::TimedOut) => {
            NO_ANSWER.to_owned()
        }
        _ => continuum_host::error::chain(error),
    }
}

/// Of one that was asked and said nothing.
pub(crate) const NO_ANSWER: &str = "no answer from the API server";

/// What the kernel said of the connection.
fn io_kind(error: &(dyn std::error::Error + 'static)) -> Option<ErrorKind> {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.find_map(|cause| Some(cause.downcast_ref::<std::io::Error>()?.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::Node;
    use kube::{Api, Client, Config, api::ListParams};

    fn refusal(code: u16, message: &str) -> kube::Error {
        kube::Error::Api(Box::new(kube::core::Status {
            code,
            message: message.to_owned(),
            ..kube::core::Status::default()
        }))
    }

    #[tokio::test]
    async fn who_waits_is_told_in_plain_words() {
        let anonymous = "nodes is forbidden: User \"system:anonymous\" cannot list resource";
        let said = plain(&refusal(403, anonymous));
        assert_eq!(said, "the API server does not know yet who we are");
        let said = plain(&refusal(503, "apiserver not ready"));
        assert_eq!(said, "the API server answers, and is not ready yet");
        let said = plain(&refusal(404, "no such thing"));
        assert!(said.ends_with("no such thing"), "{said}");
        // Nobody listens there.
        let config = Config::new("http://127.0.0.1:1".parse().unwrap());
        let nodes: Api<Node> = Api::all(Client::try_from(config).unwrap());
        let error = nodes.list(&ListParams::default()).await.unwrap_err();
        assert_eq!(plain(&error), "the API server does not listen yet");
    }
}
