//! The last lines of the agent's own log and of its children, for `continuum-ctl agent … logs`.

use std::{
    collections::{HashMap, VecDeque},
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

const LINES_KEPT: usize = 2000;
const LINE_BYTES: usize = 4096;

/// One ring of lines per source (`agent`, `broker`, `workload`).
#[derive(Debug, Default)]
pub struct LogRing {
    sources: Mutex<HashMap<String, VecDeque<String>>>,
}

impl LogRing {
    /// Adds one line; long ones are cut, old ones forgotten.
    pub fn push(&self, source: &str, line: &str) {
        let mut end = line.len().min(LINE_BYTES);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let line = line.get(..end).unwrap_or_default().to_owned();
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = sources.entry(source.to_owned()).or_default();
        if ring.len() >= LINES_KEPT {
            ring.pop_front();
        }
        ring.push_back(line);
    }

    /// The last `count` lines (0 = all); `None` if the source never wrote.
    pub fn tail(&self, source: &str, count: usize) -> Option<Vec<String>> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let ring = sources.get(source)?;
        let skip = if count == 0 {
            0
        } else {
            ring.len().saturating_sub(count)
        };
        Some(ring.iter().skip(skip).cloned().collect())
    }

    /// Names of sources that wrote.
    pub fn sources(&self) -> Vec<String> {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = sources.keys().cloned().collect();
        names.sort();
        names
    }

    /// A writer for `tracing` that also writes to standard error.
    pub fn writer(self: &Arc<Self>) -> LogWriter {
        LogWriter {
            ring: Arc::clone(self),
        }
    }
}

/// See [`LogRing::writer`].
#[derive(Debug)]
pub struct LogWriter {
    ring: Arc<LogRing>,
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for line in String::from_utf8_lossy(bytes).lines() {
            self.ring.push("agent", line);
        }
        // Standard error is for the last words: a machine's console shows those.
        std::io::stdout().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stdout().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_and_cuts_long_ones() {
        let ring = LogRing::default();
        for n in 0..LINES_KEPT + 10 {
            ring.push("broker", &format!("line {n}"));
        }
        assert_eq!(ring.tail("broker", 0).unwrap().len(), LINES_KEPT);
        assert_eq!(ring.tail("broker", 2).unwrap(), ["line 2008", "line 2009"]);
        ring.push("broker", &"é".repeat(LINE_BYTES));
        assert!(ring.tail("broker", 1).unwrap()[0].len() <= LINE_BYTES);
        assert!(ring.tail("workload", 0).is_none());
        assert_eq!(ring.sources(), ["broker"]);
    }
}
