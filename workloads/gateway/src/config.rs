//! Options. Names in the environment are those of `OpenFaaS` where it has them.

use clap::Parser;
use continuum_http_service::duration;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// How the gateway works.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "continuum-gateway",
    version,
    about = "A gateway and provider for functions on Kubernetes that speaks OpenFaaS's REST API",
    after_help = "Durations are written as 500ms, 30s or 5m; a plain number is seconds."
)]
pub struct Config {
    /// Address of the API and of functions
    #[arg(long, env = "listen", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address of Prometheus metrics
    #[arg(long, env = "metrics_listen", default_value = "0.0.0.0:8082")]
    pub(crate) metrics_listen: SocketAddr,
    /// Namespace of functions that name none
    #[arg(long, env = "function_namespace", default_value = "openfaas-fn")]
    pub function_namespace: String,
    /// Namespace where calls wait that were made asynchronously
    #[arg(long, env = "queue_namespace", default_value = "openfaas")]
    pub queue_namespace: String,
    /// Directory with the files `basic-auth-user` and `basic-auth-password`
    #[arg(long, env = "secret_mount_path", default_value = "/var/secrets")]
    pub secret_mount_path: PathBuf,
    /// Ask for a password on /system
    #[arg(long, env = "basic_auth", default_value_t = true, action = clap::ArgAction::Set)]
    pub basic_auth: bool,
    /// A caller may be silent for so long in the middle of a request, and take nothing for so long of an answer
    #[arg(long, env = "read_timeout", default_value = "60s", value_parser = duration)]
    pub read_timeout: Duration,
    /// A log may be followed for so long
    #[arg(long, env = "write_timeout", default_value = "5m", value_parser = duration)]
    pub write_timeout: Duration,
    /// A call may take so long, the wait for a replica included
    #[arg(long, env = "upstream_timeout", default_value = "60s", value_parser = duration)]
    pub upstream_timeout: Duration,
    /// Largest body of a call
    #[arg(long, env = "max_body_bytes", default_value_t = 32 << 20)]
    pub(crate) max_body_bytes: u64,
    /// Connections served at a time; others wait
    #[arg(long, env = "max_connections", default_value_t = 10_000)]
    pub max_connections: usize,
    /// How nodes get images: Always, `IfNotPresent` or Never
    #[arg(long, env = "image_pull_policy", default_value = "IfNotPresent")]
    pub image_pull_policy: String,
    /// Port of functions
    #[arg(long, env = "function_port", default_value_t = 8080)]
    pub function_port: u16,
    /// Calls that may wait in the queue
    #[arg(long, env = "max_queued", default_value_t = 1000)]
    pub(crate) max_queued: usize,
    /// Calls of the queue that are made at a time
    #[arg(long, env = "max_inflight", default_value_t = 4)]
    pub(crate) queue_workers: usize,
    /// Attempts of a call of the queue
    #[arg(long, env = "max_retry_attempts", default_value_t = 10)]
    pub(crate) retry_attempts: u32,
    /// Pause before the second attempt; it doubles
    #[arg(long, env = "initial_retry_wait", default_value = "1s", value_parser = duration)]
    pub(crate) retry_wait: Duration,
    /// Longest pause between attempts
    #[arg(long, env = "max_retry_wait", default_value = "2m", value_parser = duration)]
    pub(crate) retry_wait_max: Duration,
    /// How long load must be low before replicas are taken away
    #[arg(long, env = "scale_down_window", default_value = "30s", value_parser = duration)]
    pub(crate) scale_down_window: Duration,
    /// Idle time before a function with `com.openfaas.scale.zero=true` has no replica
    #[arg(long, env = "inactivity_duration", default_value = "15m", value_parser = duration)]
    pub(crate) zero_after: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_defaults_are_those_of_openfaas() {
        let config =
            Config::parse_from(["gateway", "--read-timeout", "5m30s", "--upstream-timeout=7"]);
        assert_eq!(config.read_timeout, Duration::from_secs(330));
        assert_eq!(config.upstream_timeout, Duration::from_secs(7));
        assert_eq!(config.listen.port(), 8080);
        assert!(Config::try_parse_from(["gateway", "--read-timeout", "soon"]).is_err());
    }
}
