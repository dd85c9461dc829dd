//! What programs say, line by line.

use crate::config::Config;
use std::io::Write;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// As programs in Go write the time of a line.
const TIME: &[BorrowedFormatItem<'_>] =
    format_description!("[year]/[month]/[day] [hour]:[minute]:[second]");
const USUAL_BYTES: usize = 64 << 10;

/// Where a line comes from, and goes to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Output,
    Error,
}

/// How lines are written.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    has_prefix: bool,
    most: usize,
}

impl Lines {
    /// None = programs write into the log themselves.
    pub(super) fn wanted(config: &Config) -> Option<Self> {
        if !config.prefix_logs && config.log_buffer_size.is_none() {
            return None;
        }
        let most = config.log_buffer_size.unwrap_or(Some(USUAL_BYTES));
        Some(Self {
            has_prefix: config.prefix_logs,
            most: most.unwrap_or(usize::MAX),
        })
    }

    fn write(&self, line: &[u8], stream: Stream) {
        let mut whole = Vec::with_capacity(line.len() + 32);
        if self.has_prefix {
            let now = OffsetDateTime::now_utc().format(TIME).unwrap_or_default();
            let name = match stream {
                Stream::Output => "stdout",
                Stream::Error => "stderr",
            };
            whole.extend_from_slice(format!("{now} {name}: ").as_bytes());
        }
        whole.extend_from_slice(line);
        whole.push(b'\n');
        // Nobody could be told that the log is gone.
        match stream {
            Stream::Output => std::io::stdout().write_all(&whole).ok(),
            Stream::Error => std::io::stderr().write_all(&whole).ok(),
        };
    }

    /// Hands lines on until there are no more.
    pub(super) async fn copy(self, from: impl AsyncRead + Unpin, stream: Stream) {
        each_line(from, self.most, |line| self.write(line, stream)).await;
    }
}

/// Gives each line to `say`; a longer one in pieces.
async fn each_line(from: impl AsyncRead + Unpin, most: usize, mut say: impl FnMut(&[u8])) {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    loop {
        let piece = match from.fill_buf().await {
            Ok(piece) if !piece.is_empty() => piece,
            _ => break,
        };
        let end = piece.iter().position(|b| *b == b'\n');
        let (has_end, length) = end.map_or((false, piece.len()), |end| (true, end));
        let room = most - line.len();
        // What is longer is taken up again.
        let (is_whole, taken) = if length > room {
            (false, room)
        } else {
            (has_end, length)
        };
        line.extend_from_slice(&piece[..taken]);
        from.consume(taken + usize::from(is_whole));
        if is_whole || (taken == room && length > room) {
            say(&line);
            line.clear();
        }
    }
    if !line.is_empty() {
        say(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_or_broken_where_asked() {
        let of = async |text: &str, most: usize| {
            let mut all = Vec::new();
            let say = |line: &[u8]| all.push(String::from_utf8_lossy(line).into_owned());
            each_line(text.as_bytes(), most, say).await;
            all
        };
        assert_eq!(
            of("a\n\nlonger\nrest", 100).await,
            ["a", "", "longer", "rest"]
        );
        assert_eq!(of("abcdef\ngh\n", 4).await, ["abcd", "ef", "gh"]);
        assert_eq!(of("abcd\nef", 4).await, ["abcd", "ef"]);
        let long = "x".repeat(100_000);
        assert_eq!(of(&long, usize::MAX).await, [long]);
    }
}
