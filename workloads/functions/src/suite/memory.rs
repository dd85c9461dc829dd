//! The memory's size and speed.

use super::{Function, read, within};
use serde::Deserialize;
use serde_json::{Value, json};

/// One value in each page touches all of it.
const PAGE_BYTES: usize = 4096;

#[derive(Debug)]
pub(super) struct Memory;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    mib: u64,
    passes: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { mib: 16, passes: 4 }
    }
}

impl Function for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }
    fn summary(&self) -> &'static str {
        "memory: {\"mib\":16,\"passes\":4}, takes it and touches every page in each pass"
    }
    fn call(&self, parameters: &Value) -> anyhow::Result<Value> {
        let Parameters { mib, passes } = read(parameters)?;
        within("mib", mib, 1, 65_536)?;
        within("passes", passes, 1, 1000)?;
        let mut block = vec![0_u8; usize::try_from(mib << 20)?];
        let mut sum = 0_u64;
        for _ in 0..passes {
            for page in block.chunks_mut(PAGE_BYTES) {
                page[0] = std::hint::black_box(page[0] | 3);
                sum += u64::from(page[0]);
            }
        }
        Ok(json!({ "mib": mib, "passes": passes, "sum": sum }))
    }
}
