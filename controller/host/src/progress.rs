//! What long work says while it goes on: a spinner on a terminal, lines otherwise; always to standard error.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One stage with its time.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StageTime {
    pub stage: String,
    /// How long it took.
    pub seconds: f64,
}

/// How far a command is.
#[derive(Debug, Clone, Default)]
pub struct ProgressState {
    /// What it is at.
    pub stage: Option<String>,
    /// What is over.
    pub stages: Vec<StageTime>,
    /// Inputs that were answered, and how many there are, if that is known.
    pub answered: (u64, Option<u64>),
}

/// The spinner that is on the terminal. Of the process, like the terminal: whoever writes there must know of it.
static SPINNER: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Writes to the terminal while the spinner is away, so that nothing of it stays between the lines.
pub fn beside_the_spinner<R>(write: impl FnOnce() -> R) -> R {
    let spinner = SPINNER.lock().unwrap_or_else(PoisonError::into_inner);
    match &*spinner {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Takes the spinner off the terminal for good: what is written next may end in the middle of a line, which the spinner
/// would take for its own.
pub fn end_spinner() {
    let spinner = SPINNER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(bar) = spinner {
        bar.finish_and_clear();
    }
}

/// One line for people, on standard error.
pub fn note(text: &str) {
    beside_the_spinner(|| writeln!(std::io::stderr(), "{text}").ok());
}

/// Progress of one command.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<ProgressState>,
    quiet: bool,
}

impl Progress {
    /// On a terminal a spinner, else lines.
    pub fn new(quiet: bool) -> Self {
        let is_terminal = std::io::stderr().is_terminal() && !quiet;
        Self::with(is_terminal.then(ProgressBar::new_spinner), quiet)
    }

    fn with(bar: Option<ProgressBar>, quiet: bool) -> Self {
        if let Some(bar) = &bar {
            // Not wider than the terminal: of a line that goes on below, only the last part would be taken away.
            if let Ok(style) = ProgressStyle::with_template("{spinner} [{elapsed}] {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            *SPINNER.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        }
        Self {
            bar,
            begun: Instant::now(),
            state: Mutex::default(),
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
        self.lock().stage = Some(name.to_owned());
        let result = work.await;
        let seconds = begun.elapsed().as_secs_f64();
        let word = if result.is_ok() { "done" } else { "failed" };
        self.line(&format!("{name}: {word} in {seconds:.1} s"));
        let mut state = self.lock();
        state.stage = None;
        state.stages.push(StageTime {
            stage: name.to_owned(),
            seconds,
        });
        drop(state);
        result
    }

    /// All stages so far.
    pub fn stages(&self) -> Vec<StageTime> {
        self.lock().stages.clone()
    }

    /// How far it is.
    pub fn state(&self) -> ProgressState {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, ProgressState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Inputs that were answered so far. Where lines cannot be taken back, one that says nothing new is in the way.
    pub fn answered(&self, done: u64, total: u64) {
        let mut state = self.lock();
        let is_new = state.answered.0 != done || state.answered.1.is_none();
        state.answered = (done, Some(total));
        drop(state);
        if is_new {
            self.say(&format!("{done} of {total} answered"));
        }
    }

    /// Takes the spinner away before tables are printed.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl continuum_images::error::Report for Progress {
    fn step(&self, text: &str) {
        self.line(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};

    #[test]
    fn nothing_of_the_spinner_stays_between_lines() {
        for columns in [40, 80, 200] {
            let terminal = InMemoryTerm::new(20, columns);
            let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), 255);
            let bar = ProgressBar::with_draw_target(None, target);
            let progress = Progress::with(Some(bar.clone()), false);
            progress.say(
                "a message that is longer than the forty columns of the first of these terminals",
            );
            bar.tick();
            assert!(terminal.contents().contains("a message"), "no spinner");
            beside_the_spinner(|| terminal.write_line("warning: beside it")).unwrap();
            bar.tick();
            progress.line("stage: done");
            drop(progress);
            let seen = terminal.contents();
            let mut lines = seen.lines();
            assert_eq!(
                lines.next(),
                Some("warning: beside it"),
                "{columns}: {seen}"
            );
            let last = lines.next().unwrap_or_default();
            assert!(last.ends_with(" s] stage: done"), "{columns}: {seen}");
            assert_eq!(lines.next(), None, "{columns}: {seen}");
        }
    }
}
