//! Who runs this program, as its environment has it.

use std::path::PathBuf;

/// A variable that is set to something.
pub fn variable(name: &str) -> Option<PathBuf> {
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value.map(PathBuf::from)
}

/// The user's home, also where nobody has set it, as in a unit of systemd.
pub fn home() -> Option<PathBuf> {
    let of_uid = || {
        let users = std::fs::read_to_string("/etc/passwd").ok()?;
        let uid = rustix::process::geteuid().as_raw().to_string();
        let mut entries = users.lines().map(|l| l.split(':').collect::<Vec<_>>());
        let entry = entries.find(|e| e.get(2) == Some(&&*uid))?;
        entry
            .get(5)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    variable("HOME").or_else(of_uid)
}
