//! Names that people log in to nodes with.

use super::Deployment;

/// The person in the login names of a deployment: whoever brought it up, whoever logs in later.
pub fn login_owner() -> String {
    let person = std::env::var("USER")
        .ok()
        .filter(|u| !u.is_empty())
        .unwrap_or_else(|| "root".into());
    person
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect()
}

/// Login user of a node, as upstream names it: node and person.
pub fn login_user(deployment: &Deployment, node: &str) -> String {
    let person = deployment
        .facts()
        .login_owner
        .clone()
        .unwrap_or_else(login_owner);
    format!("{node}_{person}").to_lowercase()
}
