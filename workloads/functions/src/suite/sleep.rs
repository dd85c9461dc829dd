//! Nothing but time: calls that wait for somebody else.

use super::{Function, read, within};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Sleep;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    ms: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { ms: 100 }
    }
}

impl Function for Sleep {
    fn name(&self) -> &'static str {
        "sleep"
    }
    fn summary(&self) -> &'static str {
        "time: {\"ms\":100}, sleeps"
    }
    #[expect(clippy::disallowed_methods, reason = "sleeping is what it is for")]
    fn call(&self, parameters: &Value) -> anyhow::Result<Value> {
        let Parameters { ms } = read(parameters)?;
        within("ms", ms, 0, 3_600_000)?;
        std::thread::sleep(Duration::from_millis(ms));
        Ok(json!({ "ms": ms }))
    }
}
