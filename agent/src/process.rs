//! The only place that starts programs: argv, never a shell; a deadline, a limit on output, a process group of
//! its own that is ended as a whole.

use crate::error::AgentError;
use continuum_common::wait;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
};

/// Output of each stream that is kept.
pub const OUTPUT_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// What a program left.
#[derive(Debug, Clone, Default)]
pub struct Output {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Standard output, at most [`OUTPUT_LIMIT_BYTES`].
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Exit code 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// Exit code or signal in words.
    pub fn how(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(signal)) => format!("ended by signal {signal}"),
            (None, None) => "ended".into(),
        }
    }
}

/// A command ready to be extended: its own process group, no standard input.
#[expect(clippy::disallowed_methods, reason = "this is the place")]
pub fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Runs a program to its end. Anything but exit code 0 is an error with the end of what it said.
pub async fn run(
    argv: &[&str],
    input: Option<&[u8]>,
    deadline: Duration,
) -> Result<Output, AgentError> {
    let output = run_unchecked(argv, input, deadline).await?;
    if output.is_success() {
        return Ok(output);
    }
    let said = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    Err(AgentError::Program {
        program: argv.join(" "),
        how: output.how(),
        said: tail_text(said, 600),
    })
}

/// The same, whatever its exit code.
pub(crate) async fn run_unchecked(
    argv: &[&str],
    input: Option<&[u8]>,
    deadline: Duration,
) -> Result<Output, AgentError> {
    let [program, arguments @ ..] = argv else {
        return Err(AgentError::Invalid("an empty command".into()));
    };
    let mut command = command(program);
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().map_err(AgentError::start(*program))?;
    let group = child.id();
    let stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let feed = async {
            if let (Some(mut pipe), Some(bytes)) = (stdin, input) {
                // A program that does not read all of its input says so by its exit code.
                pipe.write_all(bytes).await.ok();
            }
        };
        let ((), stdout, stderr) = tokio::join!(feed, read_limited(stdout), read_limited(stderr));
        (child.wait().await, stdout, stderr)
    };
    let what = format!("`{}` to end", argv.join(" "));
    let waited = wait::within(deadline, what, work).await;
    let (status, stdout, stderr) = waited.inspect_err(|_| kill_group(group))?;
    let status = status.map_err(AgentError::start(*program))?;
    Ok(Output {
        code: status.code(),
        signal: std::os::unix::process::ExitStatusExt::signal(&status),
        stdout,
        stderr,
    })
}

async fn read_limited(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        let mut chunk = vec![0; 16 * 1024];
        while let Ok(n) = pipe.read(&mut chunk).await {
            if n == 0 {
                break;
            }
            let room = OUTPUT_LIMIT_BYTES.saturating_sub(kept.len()).min(n);
            kept.extend_from_slice(chunk.get(..room).unwrap_or_default());
        }
    }
    kept
}

/// Kills a whole process group; one that is gone already is fine.
pub(crate) fn kill_group(pid: Option<u32>) {
    signal_group(pid, rustix::process::Signal::KILL);
}

pub fn signal_group(pid: Option<u32>, signal: rustix::process::Signal) {
    let pid = pid
        .and_then(|p| i32::try_from(p).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        rustix::process::kill_process_group(pid, signal).ok();
    }
}

/// Ends a child: first politely, after `grace` for good.
pub async fn stop(child: &mut Child, grace: Duration) {
    let group = child.id();
    signal_group(group, rustix::process::Signal::TERM);
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        kill_group(group);
        child.wait().await.ok();
    }
}

/// The end of some output as one line.
pub(crate) fn tail_text(bytes: &[u8], limit: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    let mut start = text.len().saturating_sub(limit);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let tail = text.get(start..).unwrap_or_default().replace('\n', " | ");
    if tail.is_empty() {
        "nothing".into()
    } else {
        tail
    }
}

const DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// A program that is there and executable, by name in the usual directories or by path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    program(name).ok()
}

/// The same, or why it cannot be started.
pub(crate) fn program(name: &str) -> Result<PathBuf, AgentError> {
    let places: Vec<PathBuf> = if name.is_empty() {
        Vec::new()
    } else if name.contains('/') {
        vec![name.into()]
    } else {
        let places = DIRECTORIES.iter().map(|dir| Path::new(dir).join(name));
        places.filter(|path| path.exists()).collect()
    };
    let is_executable = |path: &&PathBuf| {
        path.is_file() && rustix::fs::access(*path, rustix::fs::Access::EXEC_OK).is_ok()
    };
    if let Some(path) = places.iter().find(is_executable) {
        return Ok(path.clone());
    }
    let why = if places.iter().any(|path| path.exists()) {
        rustix::io::Errno::ACCESS
    } else {
        rustix::io::Errno::NOENT
    };
    Err(AgentError::start(name)(why.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn output_exit_code_and_input() {
        let output = run(&["cat"], Some(b"hello"), Duration::from_secs(5))
            .await
            .unwrap();
        assert_eq!(output.stdout, b"hello");
        let error = run(&["ls", "/does/not/exist"], None, Duration::from_secs(5))
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("exit code 2") && text.contains("/does/not/exist"),
            "{text}"
        );
        assert!(matches!(
            run(&["no-such-program-xyz"], None, Duration::from_secs(5)).await,
            Err(AgentError::Start { .. })
        ));
    }

    #[test]
    fn what_cannot_be_started_is_no_program() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text");
        std::fs::write(&text, "no program").unwrap();
        let why =
            |name: &Path| crate::error::chain(&program(&name.display().to_string()).unwrap_err());
        for (name, said) in [
            (Path::new(""), "No such file"),
            (Path::new("/nosuch"), "No such file"),
            (Path::new("no-such-program-xyz"), "No such file"),
            (dir.path(), "Permission denied"),
            (&text, "Permission denied"),
        ] {
            assert!(
                why(name).contains(said),
                "{}: {}",
                name.display(),
                why(name)
            );
        }
        assert!(find_program("sh").is_some_and(|path| path.is_absolute()));
        assert!(find_program("/bin/sh").is_some());
    }

    #[tokio::test]
    async fn a_deadline_ends_it_and_says_what_it_waited_for() {
        let error = run(&["sleep", "30"], None, Duration::from_millis(100))
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "wait for `sleep 30` to end: gave up after 0.1 s"
        );
    }

    #[test]
    fn shell_characters_mean_nothing() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let output = runtime
            .block_on(run(
                &["echo", "$(id); `id` && id"],
                None,
                Duration::from_secs(5),
            ))
            .unwrap();
        assert_eq!(output.stdout, b"$(id); `id` && id\n");
    }
}
