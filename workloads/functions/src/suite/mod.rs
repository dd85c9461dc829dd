//! The functions: one file each, one list.

mod fibonacci;
mod io;
mod matrix;
mod memory;
mod sleep;

use serde::de::DeserializeOwned;
use serde_json::Value;

/// All of them; the only place that names them.
pub(crate) const FUNCTIONS: &[&dyn Function] = &[
    &fibonacci::Fibonacci,
    &matrix::Matrix,
    &memory::Memory,
    &io::Io,
    &sleep::Sleep,
];

/// A function that stresses one resource.
pub(crate) trait Function: Sync {
    /// As it is deployed.
    fn name(&self) -> &'static str;
    /// What it does with which parameters.
    fn summary(&self) -> &'static str;
    /// Does it; what it returns proves that it was done.
    fn call(&self, parameters: &Value) -> anyhow::Result<Value>;
}

pub(crate) fn find(name: &str) -> anyhow::Result<&'static dyn Function> {
    let names: Vec<&str> = FUNCTIONS.iter().map(|f| f.name()).collect();
    let found = FUNCTIONS.iter().find(|f| f.name() == name).copied();
    found.ok_or_else(|| {
        anyhow::anyhow!(
            "there is no function `{name}`; there are {}",
            names.join(", ")
        )
    })
}

/// Parameters as a type; an error names the field.
fn read<T: DeserializeOwned>(parameters: &Value) -> anyhow::Result<T> {
    serde_path_to_error::deserialize(parameters)
        .map_err(|error| anyhow::anyhow!("parameter {}: {}", error.path().clone(), error.inner()))
}

/// A parameter within its bounds.
fn within(what: &str, value: u64, least: u64, most: u64) -> anyhow::Result<()> {
    anyhow::ensure!(
        (least..=most).contains(&value),
        "parameter {what} is {value}; it must be {least} to {most}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_does_what_it_says_and_proves_it() {
        let call = |name: &str, parameters: Value| find(name).unwrap().call(&parameters).unwrap();
        assert_eq!(call("fibonacci", json!({ "n": 20 }))["value"], 6765);
        assert_eq!(call("fibonacci", json!({}))["n"], 27);
        let product = call("matrix", json!({ "size": 3 }));
        assert_eq!(product["trace"], 6.0);
        assert_eq!(
            call("memory", json!({ "mib": 1, "passes": 2 }))["sum"],
            2 * 256 * 3
        );
        assert_eq!(
            call("io", json!({ "mib": 1, "block_kib": 64 }))["read_bytes"],
            1 << 20
        );
        assert_eq!(call("sleep", json!({ "ms": 1 }))["ms"], 1);
    }

    #[test]
    fn bad_parameters_are_named() {
        let fault = |name: &str, parameters: Value| {
            find(name)
                .unwrap()
                .call(&parameters)
                .unwrap_err()
                .to_string()
        };
        assert!(fault("fibonacci", json!({ "n": 80 })).contains("n is 80"));
        assert!(fault("fibonacci", json!({ "n": "x" })).contains("parameter n"));
        assert!(fault("io", json!({ "mb": 1 })).contains("mb"));
        assert!(fault("matrix", json!("large")).contains("parameter"));
        assert!(
            find("nothing")
                .err()
                .unwrap()
                .to_string()
                .contains("fibonacci")
        );
    }
}
