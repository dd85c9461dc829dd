//! Errors in one line.

use std::error::Error;

/// An error with all its causes.
pub fn chain(error: &dyn Error) -> String {
    with_causes(error.to_string(), error.source())
}

/// A text and what is behind it, each thing once: some errors say what their cause says.
pub fn with_causes(mut text: String, mut cause: Option<&(dyn Error + 'static)>) -> String {
    while let Some(error) = cause {
        let why = error.to_string();
        if !text.ends_with(&why) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&why);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Said {
        text: &'static str,
        source: Option<Box<Said>>,
    }

    fn said(texts: &[&'static str]) -> Option<Box<Said>> {
        let (text, rest) = texts.split_first()?;
        let source = said(rest);
        Some(Box::new(Said { text, source }))
    }

    #[test]
    fn each_cause_is_told_once() {
        let of = |texts: &[&'static str]| chain(&*said(texts).unwrap());
        assert_eq!(of(&["read `x`", "no such file"]), "read `x`: no such file");
        assert_eq!(
            of(&["connect: no route", "no route", "down"]),
            "connect: no route: down"
        );
        assert_eq!(
            with_causes(String::new(), Some(&*said(&["no route"]).unwrap())),
            "no route"
        );
    }
}
