//! The only place of this crate that starts programs: argv, never a shell, always with a deadline.

use crate::error::ImageError;
use std::{
    io::{Read, Seek, SeekFrom},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

#[derive(Debug, Clone)]
pub(crate) struct Program {
    argv: Vec<String>,
    env: Vec<(String, String)>,
    dir: Option<PathBuf>,
    deadline: Duration,
    doing: String,
    is_shown: bool,
}

impl Program {
    /// `doing` says what it is for, as in "failed to `doing`".
    pub(crate) fn new(doing: impl Into<String>, program: &str) -> Self {
        Self {
            argv: vec![program.to_owned()],
            env: Vec::new(),
            dir: None,
            deadline: Duration::from_mins(10),
            doing: doing.into(),
            is_shown: false,
        }
    }

    /// What it says goes to standard error as it says it, and is not kept: for programs that the user asked for.
    #[must_use]
    pub(crate) fn shown(mut self) -> Self {
        self.is_shown = true;
        self
    }

    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.argv.push(arg.into());
        self
    }

    #[must_use]
    pub(crate) fn args<I: Into<String>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.argv.extend(args.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub(crate) fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Longest time it may take.
    #[must_use]
    pub(crate) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn spawn(&self) -> Result<Started, ImageError> {
        // Output goes to files, so that a program that prints much cannot stall on a full pipe.
        let temporary =
            || tempfile().map_err(ImageError::file("create a temporary file in", "/tmp"));
        let (out, err) = (temporary()?, temporary()?);
        let clone_error = ImageError::file("share", "standard output");
        let (out_child, err_child) = out
            .try_clone()
            .and_then(|o| Ok((o, err.try_clone()?)))
            .map_err(clone_error)?;
        let to = |kept: std::fs::File| -> Stdio {
            if self.is_shown {
                std::io::stderr().into()
            } else {
                kept.into()
            }
        };
        let (program, arguments) = self.argv.split_first().ok_or_else(|| ImageError::Missing {
            what: "a program to run".into(),
            hint: "this is a bug".into(),
        })?;
        // `setpriv` ends the program when this process ends, however it ends.
        #[expect(clippy::disallowed_methods, reason = "this is the place")]
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments);
        command.envs(self.env.iter().cloned());
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(to(out_child))
            .stderr(to(err_child))
            .spawn()
            .map_err(|source| ImageError::Start {
                program: "setpriv".into(),
                package: "util-linux",
                source,
            })?;
        Ok(Started {
            program: program.clone(),
            child,
            out,
            err,
        })
    }

    /// Starts it, to be ended when that is dropped.
    pub(crate) fn start(self) -> Result<Background, ImageError> {
        let started = self.spawn()?;
        Ok(Background {
            doing: self.doing,
            started,
        })
    }

    /// Runs it; returns its standard output. Anything but exit code 0 is an error.
    pub(crate) fn run(self) -> Result<String, ImageError> {
        let Started {
            program,
            mut child,
            mut out,
            mut err,
        } = self.spawn()?;
        let program = &program;
        let begun = Instant::now();
        let status = loop {
            let waited = child
                .try_wait()
                .map_err(ImageError::file("wait for", program))?;
            if let Some(status) = waited {
                break status;
            }
            if begun.elapsed() > self.deadline {
                child.kill().ok();
                child.wait().ok();
                return Err(ImageError::Deadline {
                    doing: self.doing,
                    program: program.clone(),
                    after: self.deadline,
                });
            }
            pause(begun.elapsed());
        };
        let stdout = content(&mut out);
        if status.success() {
            return Ok(stdout);
        }
        let stderr = content(&mut err);
        if status.code() == Some(127)
            && let Some(missing) = not_executed(&stderr)
        {
            return Err(ImageError::Start {
                program: missing.to_owned(),
                package: package_of(missing),
                source: std::io::Error::from(std::io::ErrorKind::NotFound),
            });
        }
        Err(ImageError::Program {
            doing: self.doing,
            program: program.clone(),
            how: how(status),
            said: tail(if stderr.trim().is_empty() {
                &stdout
            } else {
                &stderr
            }),
        })
    }
}

#[derive(Debug)]
struct Started {
    program: String,
    child: Child,
    out: std::fs::File,
    err: std::fs::File,
}

/// A program that runs beside us.
#[derive(Debug)]
pub(crate) struct Background {
    doing: String,
    started: Started,
}

impl Background {
    /// Fails, with its last words, when it has ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), ImageError> {
        let started = &mut self.started;
        let waited = started
            .child
            .try_wait()
            .map_err(ImageError::file("wait for", &started.program))?;
        match waited {
            None => Ok(()),
            Some(status) => Err(ImageError::Program {
                doing: self.doing.clone(),
                program: started.program.clone(),
                how: how(status),
                said: tail(&content(&mut started.err)),
            }),
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.started.child.kill().ok();
        self.started.child.wait().ok();
    }
}

/// Looks until something is so; `false` when the deadline passes first.
pub(crate) fn wait_until(deadline: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if is_so() {
            return true;
        }
        if begun.elapsed() > deadline {
            return false;
        }
        pause(begun.elapsed());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the standard library has no wait with a deadline"
)]
fn pause(so_far: Duration) {
    // Short programs are noticed at once, long ones cost nothing.
    std::thread::sleep((so_far / 20).clamp(Duration::from_millis(2), Duration::from_millis(200)));
}

fn tempfile() -> std::io::Result<std::fs::File> {
    let flags =
        rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let fd = rustix::fs::open("/tmp", flags, rustix::fs::Mode::from_raw_mode(0o600))?;
    Ok(fd.into())
}

fn content(file: &mut std::fs::File) -> String {
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(0)).is_ok() {
        file.read_to_end(&mut bytes).ok();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".into(),
    }
}

/// The last lines, on one.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.trim().lines().collect();
    let from = lines.len().saturating_sub(15);
    let tail = lines.get(from..).unwrap_or_default().join(" | ");
    if tail.is_empty() {
        "nothing".into()
    } else {
        tail
    }
}

/// The program that `setpriv`, or `unshare` behind it, did not find.
fn not_executed(said: &str) -> Option<&str> {
    let (_, after) = said.rsplit_once("failed to execute ")?;
    after.split(':').next()
}

/// Programs used here, with their Debian packages; all others are of coreutils.
const PACKAGES: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("bwrap", "bubblewrap"),
    ("curl", "curl"),
    ("go", "golang-go"),
    ("qemu-img", "qemu-utils"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
    ("dpkg-deb", "dpkg"),
    ("python3", "python3-pip"),
    ("apt-get", "apt"),
    ("cargo", "rustup"),
    ("rustc", "rustup"),
];

fn package_of(program: &str) -> &'static str {
    let mut known = PACKAGES.iter();
    let known = known.find(|(name, _)| *name == program);
    known.map_or("coreutils", |(_, package)| package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_errors_and_deadlines() {
        let out = Program::new("list", "printf")
            .arg("%s-")
            .args(["a", "$(id)"])
            .run()
            .unwrap();
        assert_eq!(out, "a-$(id)-");
        let error = Program::new("look", "ls")
            .arg("/does/not/exist")
            .run()
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("look: `ls` ended with exit code 2")
                && text.contains("/does/not/exist"),
            "{text}"
        );
        let error = Program::new("look", "no-such-program-xyz")
            .run()
            .unwrap_err();
        assert!(matches!(error, ImageError::Start { .. }), "{error}");
        // The one that is missing is named, not the one that was to start it; an exit code of its own is no absence.
        let text = "unshare: failed to execute mmdebstrap: No such file or directory";
        assert_eq!(not_executed(text).map(package_of), Some("mmdebstrap"));
        let error = Program::new("ask", "env").arg("no-such-program-xyz").run();
        assert!(
            matches!(error, Err(ImageError::Program { .. })),
            "{error:?}"
        );
        let error = Program::new("doze", "sleep")
            .arg("30")
            .deadline(Duration::from_millis(50))
            .run()
            .unwrap_err();
        assert!(matches!(error, ImageError::Deadline { .. }), "{error}");
    }
}
