//! Application `functions`, and how functions of any application run.

use super::{
    Benchmark,
    field::{Access, Field, own},
    keys::{Key, Kind, Purpose, key},
};
use crate::{entry::Value, function_load::FunctionLoad};
use serde::Serialize;

/// Functions that are called at once.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Functions {
    /// Which, how often and with what.
    pub functions: Vec<FunctionLoad>,
    /// Directory of the user's own photos, for the one that classifies them.
    pub dataset: Option<String>,
    /// How they run, if an execution model has them.
    pub function: Option<FunctionSpec>,
}

/// How functions run and are called.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FunctionSpec {
    /// The next call waits for the answer.
    pub is_closed_loop: bool,
    /// Loaded or started anew for each call.
    pub per_request: bool,
    pub min_replicas: u32,
    pub max_replicas: u32,
    /// Idle time until there is none; 0 = there always is one.
    pub zero_after_s: f64,
}

impl Default for FunctionSpec {
    fn default() -> Self {
        Self {
            is_closed_loop: false,
            per_request: false,
            min_replicas: 1,
            max_replicas: 5,
            zero_after_s: 0.0,
        }
    }
}

macro_rules! function {
    ($field:ident) => {
        Access {
            put: |config, value| {
                if let Some(own) = config.benchmark.as_mut().and_then(Benchmark::function_mut) {
                    own.$field.put(value);
                }
            },
            get: |config| config.benchmark.as_ref()?.own_function()?.$field.get(),
        }
    };
}

const OPEN: &str = "open";
const CLOSED: &str = "closed";

pub(crate) const OPTIONS: [Key; 6] = [
    key(
        "benchmark.functions",
        Kind::Functions,
        "for application functions: what is called: image, fibonacci, matrix, memory, io, sleep (none)",
    )
    .at(own!(Functions, own => own.functions)),
    key(
        "benchmark.loop",
        Kind::Choice(&[OPEN, CLOSED], &[]),
        "calls of functions are made when they are due, or each waits for the one before (open)",
    )
    .at(Access {
        put: |config, value| {
            if let Some(own) = config.benchmark.as_mut().and_then(Benchmark::function_mut) {
                own.is_closed_loop = *value == Value::Text(CLOSED.to_owned());
            }
        },
        get: |config| {
            let own = config.benchmark.as_ref()?.own_function()?;
            let name = if own.is_closed_loop { CLOSED } else { OPEN };
            Some(Value::Text(name.to_owned()))
        },
    })
    .of(Purpose::Functions),
    key(
        "benchmark.per_request",
        Kind::Bool,
        "functions are started anew for each call, networks loaded anew (false)",
    )
    .at(function!(per_request))
    .of(Purpose::Functions),
    key(
        "benchmark.min_replicas",
        Kind::Int(1, 1000),
        "fewest replicas of a function (1)",
    )
    .at(function!(min_replicas))
    .of(Purpose::Functions),
    key(
        "benchmark.max_replicas",
        Kind::Int(1, 1000),
        "most replicas of a function (5)",
    )
    .at(function!(max_replicas))
    .of(Purpose::Functions),
    key(
        "benchmark.zero_after_s",
        Kind::Float(0.0, 864_000.0),
        "idle seconds after which a function has no replica; 0 = it keeps one (0)",
    )
    .at(function!(zero_after_s))
    .of(Purpose::Functions),
];
