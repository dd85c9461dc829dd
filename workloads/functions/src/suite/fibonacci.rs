//! The CPU's integer units and branches, nothing in memory.

use super::{Function, read, within};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Fibonacci;

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    n: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { n: 27 }
    }
}

/// By the definition: the work is the point.
fn fibonacci(n: u64) -> u64 {
    if n < 2 {
        n
    } else {
        fibonacci(std::hint::black_box(n - 1)) + fibonacci(n - 2)
    }
}

impl Function for Fibonacci {
    fn name(&self) -> &'static str {
        "fibonacci"
    }
    fn summary(&self) -> &'static str {
        "CPU: {\"n\":27}, the n-th Fibonacci number by recursion"
    }
    fn call(&self, parameters: &Value) -> anyhow::Result<Value> {
        let Parameters { n } = read(parameters)?;
        within("n", n, 0, 50)?;
        Ok(json!({ "n": n, "value": fibonacci(n) }))
    }
}
