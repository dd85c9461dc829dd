//! Options as everywhere in `OpenFaaS`.

use clap::{Parser, builder::Resettable};
use std::{ffi::OsString, time::Duration};

/// Reads options. A variable of the environment that is empty is one that is not set: the default counts.
///
/// # Errors
/// What clap says.
pub fn parse<T: Parser>(
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let is_empty = |name: &std::ffi::OsStr| {
        let value = std::env::var_os(name).unwrap_or_default();
        value.to_string_lossy().trim().is_empty()
    };
    let mut command = T::command().mut_args(|argument| {
        if argument.get_env().is_some_and(is_empty) {
            argument.env(Resettable::Reset)
        } else {
            argument
        }
    });
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Nanoseconds of a unit.
fn unit(name: &str) -> Option<f64> {
    Some(match name {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 6e10,
        "h" => 3.6e12,
        _ => return None,
    })
}

/// As Go writes them: `1.5h`, `1m30s`.
fn of_go(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut nanoseconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at_checked(digits)?;
        let letters = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (name, next) = behind.split_at_checked(letters)?;
        nanoseconds += number.parse::<f64>().ok()? * unit(name)?;
        rest = next;
    }
    let seconds = nanoseconds / 1e9;
    (!text.trim().is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok())?
}

/// Reads `500ms`, `30s`, `1.5h` or `5m`; a plain number is seconds.
///
/// # Errors
/// In words, with how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    if let Some(duration) = of_go(text) {
        return Ok(duration);
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; write it as 30s or 5m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("5m30s"), Ok(Duration::from_secs(330)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("1day"), Ok(Duration::from_hours(24)));
        for bad in ["soon", "-5s", "", "s", "1.2.3s"] {
            assert!(duration(bad).unwrap_err().contains("30s"), "{bad}");
        }
    }
}
