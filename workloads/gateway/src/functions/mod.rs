//! Functions as objects of the cluster, and back.

mod deployment;
mod scale;
mod status;

pub(crate) use deployment::{deployment, service};
pub(crate) use scale::{Load, Scaling};
pub(crate) use status::{replicas, status};

use crate::error::ApiError;

/// Label of everything that belongs to a function.
pub(crate) const FUNCTION: &str = "faas_function";

/// A function's name and namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Key {
    /// From `NAME` or `NAME.NAMESPACE`, as in addresses.
    pub(crate) fn parse(text: &str, default_namespace: &str) -> Self {
        let (name, namespace) = text.rsplit_once('.').unwrap_or((text, default_namespace));
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        }
    }
}

/// As in metrics: `NAME.NAMESPACE`.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

/// Names are labels of DNS: RFC 1123.
pub(crate) fn check_name(what: &str, name: &str) -> Result<(), ApiError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_sound = (1..=63).contains(&name.len())
        && name.chars().all(|c| inner(c) || c == '-')
        && name.starts_with(inner)
        && name.ends_with(inner);
    if is_sound {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "{what} `{name}` cannot be a name in DNS: 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )))
}

/// Names of secrets are those of hosts: labels with dots between them.
pub(crate) fn check_secret_name(name: &str) -> Result<(), ApiError> {
    if name.len() > 253 {
        return Err(ApiError::bad_request(
            "a secret's name has at most 253 letters",
        ));
    }
    name.split('.')
        .try_for_each(|label| check_name("secret's name or part of one", label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_dns() {
        for good in ["a", "env-test", "0", &"a".repeat(63)] {
            assert!(check_name("function", good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"a".repeat(64)] {
            assert!(check_name("function", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_secrets_may_have_dots() {
        assert!(check_secret_name("tls.example.org").is_ok());
        for bad in ["", ".", "a..b", "a.B", &"a.".repeat(200)] {
            assert!(check_secret_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_may_name_a_namespace() {
        let key = Key::parse("image.staging", "openfaas-fn");
        assert_eq!((&*key.name, &*key.namespace), ("image", "staging"));
        let key = Key::parse("image", "openfaas-fn");
        assert_eq!(key.to_string(), "image.openfaas-fn");
    }
}
