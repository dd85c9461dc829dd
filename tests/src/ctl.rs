//! `continuum-ctl` as a user types it, with a state directory of the test's own.

use crate::process::{command, end, pause, start_time, workspace_program};
use anyhow::{Context, bail, ensure};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

pub fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

pub fn example(name: &str) -> String {
    source().join("examples").join(name).display().to_string()
}

/// The program with its state.
#[derive(Debug)]
pub struct Ctl {
    state: PathBuf,
    env: Vec<(String, String)>,
    /// Options of commands that take a config.
    set: Vec<String>,
    /// What goes before the program: the way into a namespace.
    enter: Option<Vec<String>>,
    program: PathBuf,
    dir: PathBuf,
}

impl Ctl {
    /// In this process' own network.
    pub fn new(state: impl Into<PathBuf>) -> Self {
        Self {
            state: state.into(),
            env: Vec::new(),
            set: Vec::new(),
            enter: None,
            program: workspace_program("continuum-ctl"),
            dir: source(),
        }
    }

    /// Through another program, such as `nsenter`.
    #[must_use]
    pub fn through(mut self, command: &Command) -> Self {
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        let mut argv = vec![text(command.get_program())];
        argv.extend(command.get_args().map(text));
        self.enter = Some(argv);
        self
    }

    /// Through one more program, which runs what follows its arguments.
    #[must_use]
    pub fn and_through(mut self, argv: &[&str]) -> Self {
        let more = argv.iter().map(|word| (*word).to_owned());
        self.enter.get_or_insert_default().extend(more);
        self
    }

    /// From elsewhere than this workspace, started in a directory.
    #[must_use]
    pub fn installed(mut self, program: PathBuf, dir: &Path) -> Self {
        self.program = program;
        dir.clone_into(&mut self.dir);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// With one value of every config another one: `path=value`.
    #[must_use]
    pub fn set(mut self, value: impl Into<String>) -> Self {
        self.set.push(value.into());
        self
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut argv = self.enter.clone().unwrap_or_default();
        argv.push("env".into());
        argv.push(format!("CONTINUUM_STATE={}", self.state.display()));
        // Who tests what is measured asks for it.
        argv.push("CONTINUUM_VERIFY=off".into());
        argv.extend(
            self.env
                .iter()
                .map(|(name, value)| format!("{name}={value}")),
        );
        argv.push(self.program.display().to_string());
        let (program, first) = argv
            .split_first()
            .map_or(("env", [].as_slice()), |(p, r)| (p.as_str(), r));
        let mut command = command(program);
        command.args(first).args(arguments);
        if matches!(subcommand(arguments), Some("up" | "run" | "bench")) {
            command.args(self.set.iter().flat_map(|value| ["--set", value]));
        }
        command.current_dir(&self.dir).stdin(Stdio::null());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.command(arguments)
            .output()
            .context("start continuum-ctl")
    }

    /// Runs it with something to read.
    pub fn run_with(&self, input: &[u8], arguments: &[&str]) -> anyhow::Result<Output> {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("start continuum-ctl")?;
        let (pipe, input) = (child.stdin.take(), input.to_vec());
        // Beside it: it may answer before it has read all.
        let feed = std::thread::spawn(move || pipe.map(|mut pipe| pipe.write_all(&input)));
        let output = child.wait_with_output().context("hear continuum-ctl")?;
        // One that does not read all of it says so by its exit code.
        drop(feed.join());
        Ok(output)
    }

    /// Runs it on a terminal of so many columns: its exit code and all that it wrote there. `script` of util-linux has the
    /// terminal; a crate for it would build every program of the workspace anew with another libc.
    pub fn run_on_terminal(
        &self,
        columns: u16,
        arguments: &[&str],
    ) -> anyhow::Result<(Option<i32>, Vec<u8>)> {
        let own = self.command(arguments);
        let words = std::iter::once(own.get_program()).chain(own.get_args());
        let quoted: Vec<String> = words
            .map(|word| format!("'{}'", word.to_string_lossy().replace('\'', r"'\''")))
            .collect();
        let line = format!("stty cols {columns} rows 200; exec {}", quoted.join(" "));
        let mut child = command("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start script")?;
        // A terminal without input: it is kept open, and nothing is typed.
        let keyboard = child.stdin.take();
        let output = child.wait_with_output().context("hear script")?;
        drop(keyboard);
        Ok((output.status.code(), output.stdout))
    }

    /// Runs it; fails unless it ends with that code. Returns standard output.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?}: {} instead of {code}\n{}\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(text(&output.stdout))
    }

    /// The same for what must be refused; returns standard error.
    pub fn refused(&self, code: i32, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.run(arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(code),
            "{arguments:?}: {} instead of {code}\n{errors}",
            output.status
        );
        Ok(errors)
    }

    /// Its one JSON object.
    pub fn json(&self, code: i32, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let text = self.expect(code, &[&["--format", "json"], arguments].concat())?;
        serde_json::from_str(&text).with_context(|| format!("read as one JSON object: {text}"))
    }

    /// Starts it; what it says goes to a file of that name beside its state.
    pub fn start(&self, name: &str, arguments: &[&str]) -> anyhow::Result<Running> {
        let log = self.state.with_extension(format!("{name}.log"));
        let file =
            std::fs::File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = self
            .command(arguments)
            .stdout(file.try_clone().context("share the log")?)
            .stderr(file)
            .spawn()
            .context("start continuum-ctl")?;
        Ok(Running { child, log })
    }
}

/// The command itself, behind the options that all commands have.
fn subcommand<'a>(arguments: &[&'a str]) -> Option<&'a str> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match *word {
            "--format" => drop(words.next()),
            option if option.starts_with('-') => {}
            command => return Some(command),
        }
    }
    None
}

impl Drop for Ctl {
    fn drop(&mut self) {
        // A test that failed must not leave agents or machines behind.
        if self.state.exists() {
            self.run(&["--quiet", "down", "--all"]).ok();
        }
    }
}

#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has said something.
    pub fn wait_for(&mut self, part: &str, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        while !self.said().contains(part) {
            if let Some(status) = self.child.try_wait().context("look at continuum-ctl")? {
                // It may have said it with its last breath.
                ensure!(
                    self.said().contains(part),
                    "ended with {status} without {part:?}:\n{}",
                    self.said()
                );
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "no {part:?} within {within:?}:\n{}",
                self.said()
            );
            pause();
        }
        Ok(())
    }

    /// Waits until so many photos were answered.
    pub fn wait_for_answers(&mut self, photos: u64, within: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let said = self.said();
            let count = |line: &str| {
                line.split_once("] ")?
                    .1
                    .split(' ')
                    .next()?
                    .parse::<u64>()
                    .ok()
            };
            let counts = said
                .lines()
                .filter(|l| l.ends_with(" answered"))
                .filter_map(count);
            if counts.max().unwrap_or(0) >= photos {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("look at continuum-ctl")? {
                bail!("it ended with {status} before {photos} photos were answered:\n{said}");
            }
            ensure!(
                Instant::now() < deadline,
                "fewer than {photos} photos answered within {within:?}:\n{said}"
            );
            pause();
        }
    }

    /// Its process: `nsenter` and `env` become the program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) -> anyhow::Result<()> {
        let pid =
            rustix::process::Pid::from_raw(self.child.id().cast_signed()).context("its pid")?;
        rustix::process::kill_process(pid, signal).context("send a signal")
    }

    /// Waits for its end; its exit code.
    pub fn wait(&mut self, within: Duration) -> anyhow::Result<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().context("wait for continuum-ctl")? {
                let Some(code) = status.code() else {
                    bail!("it ended with {status}:\n{}", self.said());
                };
                return Ok(code);
            }
            ensure!(
                Instant::now() < deadline,
                "it did not end within {within:?}:\n{}",
                self.said()
            );
            pause();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(since) = start_time(self.child.id()) {
            end(self.child.id(), since, Duration::from_secs(5));
        }
        self.child.wait().ok();
    }
}
