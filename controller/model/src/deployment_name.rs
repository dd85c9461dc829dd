//! Names of deployments.

/// Longest one: it goes into libvirt names and paths.
pub const LONGEST_NAME: usize = 40;

/// Whether a deployment can have this name: it becomes a directory, a host name's neighbour and an argument.
pub fn is_name(name: &str) -> bool {
    (1..=LONGEST_NAME).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && !name.starts_with(['.', '-'])
}
