//! Pieces of a config in messages, made fit to print.

/// Characters of a value that a message repeats.
const LONGEST_SHOWN: usize = 100;

/// A piece of a config as messages show it: short, and with nothing that a terminal would obey.
pub fn printable(text: &str) -> String {
    let short: String = text.chars().take(LONGEST_SHOWN).collect();
    let dots = if short.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", short.escape_debug())
}
