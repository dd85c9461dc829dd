//! Tables and judgement of one run.

use super::{StagePrediction, Table};
use continuum_workload_core::stats::Percentiles;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a result may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// Complete, and links and machines were measured to be as asked, before and after.
    Valid,
    /// Complete, but nobody measured whether links and machines were as asked.
    #[default]
    Unverified,
    /// Not to be used.
    Invalid,
}

impl Validity {
    /// As in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Unverified => "unverified",
            Self::Invalid => "invalid",
        }
    }

    /// For people: what must not be used stands out.
    pub fn loud_name(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            other => other.name(),
        }
    }
}

/// Tables and judgement of one run.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// In order.
    pub tables: Vec<Table>,
    /// Where time went, by stage.
    pub stages: BTreeMap<String, Percentiles>,
    /// Of stages that compare two clocks: what their times are known to, milliseconds. Anything shorter is not known.
    pub stage_errors_ms: BTreeMap<String, f64>,
    /// What stages were expected to take, in order; empty where nothing is known of any.
    pub prediction: Vec<StagePrediction>,
    /// Photos by what became of them.
    pub counts: BTreeMap<String, u64>,
    /// Reasons why it must not be used.
    pub invalid: Vec<String>,
    /// What its reader should know.
    pub notes: Vec<String>,
    pub validity: Validity,
}
