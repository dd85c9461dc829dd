//! What long work says while it goes on: a spinner on a terminal, lines otherwise; always to standard error.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// One stage with its time.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StageTime {
    /// Name.
    pub stage: String,
    /// How long it took.
    pub seconds: f64,
}

/// One line for people, on standard error.
pub fn note(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}

/// Progress of one command.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    stages: Mutex<Vec<StageTime>>,
    quiet: bool,
}

impl Progress {
    /// On a terminal a spinner, else lines.
    pub fn new(quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !quiet;
        let bar = is_terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed}] {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            begun: Instant::now(),
            stages: Mutex::default(),
            quiet,
        }
    }

    /// Something that is going on.
    pub fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        } else {
            self.line(text);
        }
    }

    /// Something worth keeping on the screen.
    pub fn line(&self, text: &str) {
        if self.quiet {
            return;
        }
        let line = format!("[{:6.1} s] {text}", self.begun.elapsed().as_secs_f64());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(&line),
        }
    }

    /// Runs a stage, says when it begins and how long it took.
    pub async fn stage<T>(
        &self,
        name: &str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        self.say(&format!("{name} …"));
        let result = work.await;
        let seconds = begun.elapsed().as_secs_f64();
        let word = if result.is_ok() { "done" } else { "failed" };
        self.line(&format!("{name}: {word} in {seconds:.1} s"));
        self.stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(StageTime {
                stage: name.to_owned(),
                seconds,
            });
        result
    }

    /// All stages so far.
    pub fn stages(&self) -> Vec<StageTime> {
        self.stages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes the spinner away before tables are printed.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl continuum_images::error::Report for Progress {
    fn step(&self, text: &str) {
        self.line(text);
    }
}
