//! What long work says while it goes on: a spinner on a terminal, lines otherwise; always to standard error.

use crate::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::time::Instant;

/// Where lines cannot be taken back, a count is told so often until it is done.
const TOLD_OF_A_COUNT: u64 = 10;

#[derive(Debug, Clone, serde::Serialize)]
pub struct StageTime {
    pub stage: String,
    /// How long it took.
    pub seconds: f64,
}

/// How far a command is.
#[derive(Debug, Clone, Default)]
pub struct ProgressState {
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

#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<ProgressState>,
    quiet: bool,
    /// What was said last.
    said: Mutex<String>,
    /// Of what is counted, in parts of [`TOLD_OF_A_COUNT`].
    counted: AtomicU64,
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
            said: Mutex::default(),
            counted: AtomicU64::new(u64::MAX),
        }
    }

    /// Whether only results and errors are to be said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Something that is going on. Where lines cannot be taken back, one that says nothing new is left out.
    pub fn say(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if *said != text {
            text.clone_into(&mut said);
            self.line(text);
        }
    }

    /// By another part of the whole.
    fn has_grown(&self, done: u64, total: u64) -> bool {
        let part = (done * TOLD_OF_A_COUNT).checked_div(total).unwrap_or(0);
        self.counted.swap(part, Ordering::Relaxed) != part
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
        let begun = self.begin(name);
        let result = work.await;
        self.end(name, begun, result.is_ok());
        result
    }

    /// The same for one that does not fail.
    pub async fn part<T>(&self, name: &str, work: impl Future<Output = T>) -> T {
        let begun = self.begin(name);
        let result = work.await;
        self.end(name, begun, true);
        result
    }

    fn begin(&self, name: &str) -> Instant {
        self.say(&format!("{name} …"));
        self.lock().stage = Some(name.to_owned());
        Instant::now()
    }

    fn end(&self, name: &str, begun: Instant, is_ok: bool) {
        let seconds = begun.elapsed().as_secs_f64();
        let word = if is_ok { "done" } else { "failed" };
        self.line(&format!("{name}: {word} in {seconds:.1} s"));
        let mut state = self.lock();
        state.stage = None;
        state.stages.push(StageTime {
            stage: name.to_owned(),
            seconds,
        });
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

    /// Inputs that were answered so far; where lines cannot be taken back, told ten times or so.
    pub fn answered(&self, done: u64, total: u64) {
        self.lock().answered = (done, Some(total));
        if self.has_grown(done, total) || self.bar.is_some() {
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
    fn a_count_is_told_ten_times_where_lines_cannot_be_taken_back() {
        let progress = Progress::new(true);
        let told = (0..=400).filter(|done| progress.has_grown(*done, 400));
        assert_eq!(
            told.collect::<Vec<_>>(),
            (0..=10).map(|n| n * 40).collect::<Vec<_>>()
        );
        // Another one begins anew.
        assert!(progress.has_grown(0, 10) && !progress.has_grown(0, 10));
        assert!(progress.has_grown(10, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn every_part_has_its_time_whatever_came_of_it() {
        let progress = Progress::new(true);
        let second = || tokio::time::sleep(Duration::from_secs(1));
        progress.part("collect", second()).await;
        let failed = async {
            second().await;
            Err::<(), _>(Error::Interrupted)
        };
        progress.stage("run", failed).await.unwrap_err();
        let stages = progress.stages();
        let seen: Vec<_> = stages
            .iter()
            .map(|s| (&*s.stage, s.seconds.round()))
            .collect();
        assert_eq!(seen, [("collect", 1.0), ("run", 1.0)]);
    }

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
