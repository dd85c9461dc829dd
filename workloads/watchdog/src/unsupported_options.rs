//! Options that the watchdogs of `OpenFaaS` have and this one has not: who sets one is told.

use std::ffi::OsStr;

/// Name, and what to know.
const ABSENT: [(&str, &str); 10] = [
    ("combined_output", "its name is combine_output"),
    ("debug_headers", "headers are not logged"),
    ("jwt_auth_debug", "there is no jwt_auth"),
    ("jwt_auth_local", "there is no jwt_auth"),
    ("log_call_id", "the function sees X-Call-Id itself"),
    ("log_callid", "the function sees X-Call-Id itself"),
    ("marshal_request", "headers are in the environment"),
    ("read_debug", "bodies are not logged"),
    ("suppress_lock", "no lock file is written; ask /_/health"),
    ("write_debug", "bodies are not logged"),
];

fn is_on(value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    !matches!(&*text.trim().to_ascii_lowercase(), "" | "0" | "f" | "false")
}

/// The sentence for those that are set; none = there are none.
fn sentence(of: impl Fn(&str) -> Option<std::ffi::OsString>) -> Option<String> {
    let is_wished = |name: &str| {
        let value = of(name).filter(|v| !v.is_empty());
        // Without the file is how it is here.
        value.is_some_and(|v| is_on(&v) != (name == "suppress_lock"))
    };
    let named: Vec<String> = ABSENT
        .iter()
        .filter(|(name, _)| is_wished(name))
        .map(|(name, why)| format!("{name} ({why})"))
        .collect();
    (!named.is_empty()).then(|| format!("these options change nothing here: {}", named.join(", ")))
}

/// Says what is set in vain.
///
/// # Errors
/// One that would leave a function open to everyone.
pub(crate) fn tell() -> anyhow::Result<()> {
    let of = |name: &str| std::env::var_os(name);
    anyhow::ensure!(
        !of("jwt_auth").is_some_and(|v| is_on(&v)),
        "jwt_auth is set, and this watchdog checks no tokens; unset it, and let nobody but the gateway reach the function"
    );
    if let Some(sentence) = sentence(of) {
        tracing::warn!("{sentence}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_are_set_in_vain_are_named() {
        let told = |set: &[(&str, &str)]| {
            let all: std::collections::HashMap<_, _> = set.iter().copied().collect();
            sentence(|name| all.get(name).map(Into::into))
        };
        assert_eq!(told(&[("fprocess", "cat"), ("write_debug", "false")]), None);
        assert_eq!(told(&[("suppress_lock", "true"), ("log_callid", "")]), None);
        let two = told(&[("suppress_lock", "false"), ("write_debug", "1")]).unwrap();
        assert!(two.contains("suppress_lock (") && two.contains("write_debug ("));
    }
}
