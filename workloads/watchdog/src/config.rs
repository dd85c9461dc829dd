//! Options, from the environment, as images for functions set them.

use clap::{Parser, ValueEnum};
use continuum_http_service::duration;
use std::{ffi::OsString, path::PathBuf, time::Duration};

fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "True" | "TRUE" => Ok(true),
        "" | "0" | "f" | "F" | "false" | "False" | "FALSE" => Ok(false),
        _ => Err("it must be true or false".into()),
    }
}

/// Bytes of a line; none = as many as it has.
fn line_bytes(text: &str) -> Result<Option<usize>, String> {
    match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(bytes) if bytes > 0 => Ok(usize::try_from(bytes).ok()),
        _ => Err("it must be a number of bytes, or -1".into()),
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
    /// No process: files of a directory
    Static,
}

/// How the watchdog works.
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
#[derive(Debug, Clone, Parser)]
#[command(
    name = "continuum-watchdog",
    version,
    about = "Makes a program a function: HTTP on one side, a process per request or a server on the other",
    after_help = "A variable that is empty is one that is not set.\nExample: fprocess=cat port=8080 continuum-watchdog"
)]
pub struct Config {
    /// The program with its arguments, separated by spaces; no shell reads them
    #[arg(long, env = "fprocess", default_value = "")]
    pub fprocess: String,
    /// The same under its other name, which goes before
    #[arg(long, env = "function_process", default_value = "", hide = true)]
    pub function_process: String,
    /// What runs behind it
    #[arg(long, env = "mode", value_enum, default_value = "serializing")]
    pub mode: Mode,
    /// Port
    #[arg(long, env = "port", default_value_t = 8080)]
    pub port: u16,
    /// Where the program listens in http mode; paths of calls are put behind its path
    #[arg(long, env = "upstream_url", default_value = "http://127.0.0.1:3000")]
    pub upstream_url: String,
    /// The same under its other name, which goes before
    #[arg(long, env = "http_upstream_url", default_value = "", hide = true)]
    pub(crate) http_upstream_url: String,
    /// In http mode, bodies are handed on when they are whole, with their length: many servers read no chunks
    #[arg(long, env = "http_buffer_req_body", default_value = "false", value_parser = flag, action = clap::ArgAction::Set)]
    pub http_buffer_req_body: bool,
    /// The same under its older name
    #[arg(long, env = "buffer_http", default_value = "false", value_parser = flag, action = clap::ArgAction::Set, hide = true)]
    pub buffer_http: bool,
    /// Directory of files in static mode
    #[arg(long, env = "static_path", default_value = "/home/app/public")]
    pub static_path: PathBuf,
    /// A call may take so long; 0 = as long as it likes. A caller may ask for less in the header X-Timeout
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
    /// A program that was asked to end (SIGTERM) is killed after so long
    #[arg(long, env = "kill_after", default_value = "5s", value_parser = duration)]
    pub kill_after: Duration,
    /// Calls at a time; others get 429; 0 = as many as come
    #[arg(long, env = "max_inflight", default_value_t = 0)]
    pub max_inflight: usize,
    /// Whether calls can be made is asked at this path of the function; empty = it can when it has begun
    #[arg(long, env = "ready_path", default_value = "")]
    pub ready_path: String,
    /// Content-Type of answers of programs
    #[arg(long, env = "content_type", default_value = "application/octet-stream")]
    pub content_type: String,
    /// What the program says on standard error goes into the answer too
    #[arg(long, env = "combine_output", default_value = "false", value_parser = flag, action = clap::ArgAction::Set)]
    pub combine_output: bool,
    /// The request's headers are in the program's environment
    #[arg(long, env = "cgi_headers", default_value = "true", value_parser = flag, action = clap::ArgAction::Set)]
    pub(crate) cgi_headers: bool,
    /// Lines of the program have the time and the name of their stream before them
    #[arg(long, env = "prefix_logs", default_value = "false", value_parser = flag, action = clap::ArgAction::Set)]
    pub prefix_logs: bool,
    /// Lines of the program are broken after so many bytes; -1 = never; without it they are not looked at
    #[arg(long, env = "log_buffer_size", value_parser = line_bytes, allow_hyphen_values = true)]
    pub log_buffer_size: Option<LineBytes>,
}

/// Bytes of a line; none = as many as it has.
pub(crate) type LineBytes = Option<usize>;

impl Config {
    /// Reads the environment, and arguments after the program's name.
    ///
    /// # Errors
    /// What clap says.
    pub fn read(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, clap::Error> {
        continuum_http_service::parse(arguments)
    }

    /// The program and its arguments.
    pub fn argv(&self) -> Vec<String> {
        let text = if self.function_process.trim().is_empty() {
            &self.fprocess
        } else {
            &self.function_process
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

    /// Whether bodies are handed on whole.
    pub(crate) fn buffers(&self) -> bool {
        self.http_buffer_req_body || self.buffer_http
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
            "--log-buffer-size=-1",
        ]);
        assert_eq!(config.argv(), ["sh", "-c", "true"]);
        assert_eq!(config.exec_timeout, Duration::from_secs(90));
        assert_eq!((config.mode, config.cgi_headers), (Mode::Http, false));
        assert_eq!(config.upstream(), "http://127.0.0.1:3000");
        assert_eq!(config.log_buffer_size, Some(None));
        for bad in [
            "--exec-timeout=soon",
            "--log-buffer-size=0",
            "--mode=inproc",
        ] {
            assert!(Config::try_parse_from(["watchdog", bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_newer_names_go_before_the_older_ones() {
        let config = Config::parse_from([
            "watchdog",
            "--fprocess=cat",
            "--function-process=tac",
            "--http-upstream-url=http://127.0.0.1:1",
            "--buffer-http=true",
        ]);
        assert_eq!(config.argv(), ["tac"]);
        assert_eq!(config.upstream(), "http://127.0.0.1:1");
        assert!(config.buffers());
    }
}
