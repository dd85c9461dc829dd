//! Errors in one line.

use std::{error::Error, fmt::Write};

/// An error with all its causes: clients for HTTP say why only in them.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Some repeat their cause.
        if !text.ends_with(&why) {
            write!(text, ": {why}").ok();
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let inner = std::io::Error::other("no route");
        let outer = anyhow::Error::new(inner).context("connect");
        assert_eq!(with_causes(outer.as_ref()), "connect: no route");
        let same = std::io::Error::other(std::io::Error::other("no route"));
        assert_eq!(with_causes(&same), "no route");
    }
}
