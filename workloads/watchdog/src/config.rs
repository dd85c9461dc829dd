//! Options, from the environment, as images for functions set them.

use clap::{Parser, ValueEnum};
use continuum_http_service::duration;
use std::time::Duration;

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" | "True" | "TRUE" => Ok(true),
        "" | "0" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err("it must be true or false".into()),
    }
}

/// What runs behind the watchdog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// A process per request, whose output is handed on as it comes
    Streaming,
    /// A process per request, whose output is handed on when it has ended well
    Serializing,
    /// One process that is an HTTP server itself
    Http,
}

/// How the watchdog works.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "continuum-watchdog",
    version,
    about = "Makes a program a function: HTTP on one side, a process per request or a server on the other",
    after_help = "Example: fprocess=cat port=8080 continuum-watchdog"
)]
pub struct Config {
    /// The program with its arguments, separated by spaces; no shell reads them
    #[arg(long, env = "fprocess", default_value = "")]
    pub fprocess: String,
    /// The same under its other name
    #[arg(long, env = "function_process", default_value = "", hide = true)]
    pub function_process: String,
    /// What runs behind it
    #[arg(long, env = "mode", value_enum, default_value = "serializing")]
    pub mode: Mode,
    /// Port
    #[arg(long, env = "port", default_value_t = 8080)]
    pub port: u16,
    /// Where the program listens in http mode
    #[arg(long, env = "upstream_url", default_value = "http://127.0.0.1:3000")]
    pub upstream_url: String,
    /// The same under its other name
    #[arg(long, env = "http_upstream_url", default_value = "", hide = true)]
    pub http_upstream_url: String,
    /// A call may take so long; 0 = as long as it likes
    #[arg(long, env = "exec_timeout", default_value = "0s", value_parser = duration)]
    pub exec_timeout: Duration,
    /// A caller may be silent for so long in a request, and take nothing for so long of an answer
    #[arg(long, env = "read_timeout", default_value = "60s", value_parser = duration)]
    pub read_timeout: Duration,
    /// After a wish to end, calls in flight may take so long
    #[arg(long, env = "write_timeout", default_value = "60s", value_parser = duration)]
    pub write_timeout: Duration,
    /// After a wish to end, new calls are still taken for so long: not everyone has heard of it
    #[arg(long, env = "healthcheck_interval", default_value = "2s", value_parser = duration)]
    pub healthcheck_interval: Duration,
    /// Calls at a time; others get 429; 0 = as many as come
    #[arg(long, env = "max_inflight", default_value_t = 0)]
    pub max_inflight: usize,
    /// Content-Type of answers
    #[arg(long, env = "content_type", default_value = "application/octet-stream")]
    pub content_type: String,
    /// What the program says on standard error goes into the answer too
    #[arg(long, env = "combine_output", default_value = "false", value_parser = flag, action = clap::ArgAction::Set)]
    pub combine_output: bool,
    /// The request's headers are in the program's environment
    #[arg(long, env = "cgi_headers", default_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub cgi_headers: bool,
}

impl Config {
    /// The program and its arguments.
    pub fn argv(&self) -> Vec<String> {
        let text = if self.fprocess.trim().is_empty() {
            &self.function_process
        } else {
            &self.fprocess
        };
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// How long a call may take.
    pub fn limit(&self) -> Duration {
        if self.exec_timeout.is_zero() {
            // A timer can hold this, and nobody lives to see it.
            Duration::from_secs(u64::from(u32::MAX))
        } else {
            self.exec_timeout
        }
    }

    /// Where the program listens in http mode.
    pub fn upstream(&self) -> &str {
        if self.http_upstream_url.is_empty() {
            &self.upstream_url
        } else {
            &self.http_upstream_url
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_understood() {
        let config = Config::parse_from([
            "watchdog",
            "--fprocess=sh -c  true",
            "--exec-timeout=1m30s",
            "--mode=http",
            "--cgi-headers=false",
        ]);
        assert_eq!(config.argv(), ["sh", "-c", "true"]);
        assert_eq!(config.exec_timeout, Duration::from_secs(90));
        assert_eq!((config.mode, config.cgi_headers), (Mode::Http, false));
        assert_eq!(config.upstream(), "http://127.0.0.1:3000");
        assert!(Config::try_parse_from(["watchdog", "--exec-timeout=soon"]).is_err());
    }
}
