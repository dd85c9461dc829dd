//! One call, and the line that is logged of it.

use crate::suite::Function;
use anyhow::Context;
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Parameters of a body; an empty one asks for the defaults.
pub(crate) fn parameters(body: &[u8]) -> anyhow::Result<Value> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(json!({}));
    }
    serde_json::from_slice(body).context("read the parameters, which must be JSON")
}

/// A call that failed: why, and the line that is logged of it.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: anyhow::Error,
    pub(crate) line: String,
}

/// Makes the call. What is returned is the answer and, as one line, the log.
pub(crate) fn make(function: &dyn Function, body: &[u8]) -> Result<String, Failed> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let begun = Instant::now();
    let read = parameters(body);
    let given = read.as_ref().ok().cloned();
    let made = read.and_then(|parameters| function.call(&parameters));
    let duration_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut line = json!({
        "function": function.name(),
        "begun_unix_ns": u64::try_from(since.unwrap_or_default().as_nanos()).unwrap_or(u64::MAX),
        "duration_ns": duration_ns,
        "parameters": given,
    });
    match made {
        Ok(result) => {
            line["result"] = result;
            Ok(line.to_string())
        }
        Err(error) => {
            line["error"] = format!("{error:#}").into();
            let line = line.to_string();
            Err(Failed { error, line })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::find;

    #[test]
    fn a_call_is_one_line_of_json() {
        let line = make(find("sleep").unwrap(), b"{\"ms\":2}").unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["function"], "sleep");
        assert_eq!(value["parameters"]["ms"], 2);
        assert!(value["duration_ns"].as_u64().unwrap() >= 2_000_000);
        assert_eq!(parameters(b" \n").unwrap(), json!({}));
    }

    #[test]
    fn a_call_that_fails_is_one_line_too() {
        let fault = |body: &[u8]| make(find("fibonacci").unwrap(), body).unwrap_err();
        let value = |failed: &Failed| serde_json::from_str::<Value>(&failed.line).unwrap();
        let refused = fault(b"{\"n\":99}");
        assert_eq!(value(&refused)["parameters"]["n"], 99);
        assert_eq!(value(&refused)["error"], format!("{:#}", refused.error));
        let unread = value(&fault(b"{"));
        assert!(unread["parameters"].is_null() && unread["error"].is_string());
    }
}
