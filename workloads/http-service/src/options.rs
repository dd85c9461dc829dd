//! Options as everywhere in `OpenFaaS`.

use std::time::Duration;

/// Reads `500ms`, `30s` or `5m`; a plain number is seconds.
///
/// # Errors
/// In words, with how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    humantime::parse_duration(text).map_err(|e| format!("{e}; write it as 30s or 5m"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_or_are_seconds() {
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert_eq!(duration("5m30s"), Ok(Duration::from_secs(330)));
        assert!(duration("soon").unwrap_err().contains("30s"));
    }
}
