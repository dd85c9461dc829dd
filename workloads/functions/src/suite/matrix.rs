//! The CPU's floating point units and caches.

use super::{Function, read, within};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug)]
pub(super) struct Matrix;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Parameters {
    size: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        Self { size: 128 }
    }
}

impl Function for Matrix {
    fn name(&self) -> &'static str {
        "matrix"
    }
    fn summary(&self) -> &'static str {
        "CPU: {\"size\":128}, the product of two square matrices of doubles"
    }
    fn call(&self, parameters: &Value) -> anyhow::Result<Value> {
        let Parameters { size } = read(parameters)?;
        within("size", size, 1, 4096)?;
        let n = usize::try_from(size)?;
        // a(i,j) = i + j and the identity, shifted: the trace of the product is known.
        let a: Vec<f64> = (0..n * n).map(|at| (at / n + at % n) as f64).collect();
        let b: Vec<f64> = (0..n * n)
            .map(|at| if (at / n + 1) % n == at % n { 1.0 } else { 0.0 })
            .collect();
        let mut c = vec![0.0; n * n];
        for (row, out) in a.chunks(n).zip(c.chunks_mut(n)) {
            for (factor, line) in row.iter().zip(b.chunks(n)) {
                for (sum, value) in out.iter_mut().zip(line) {
                    *sum += factor * value;
                }
            }
        }
        let trace: f64 = c.iter().step_by(n + 1).sum();
        Ok(json!({ "size": size, "trace": trace }))
    }
}
