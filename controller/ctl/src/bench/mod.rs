//! One run of an application on a live deployment: workers first, endpoints when those are ready, then results.

mod agent_runner;
mod boots;
mod clock_offsets;
mod clock_watch;
mod collect;
mod dataset;
mod functions;
mod lifecycle;
mod live_run;
mod load;
mod measurement;
mod node_health;
mod placement;
mod rate_search;
mod run;
mod run_watch;
mod timeline;
mod traces;
mod validity;
mod warm_up;

pub use lifecycle::{Done, bench, require_benchmark};
pub use live_run::live_run;
pub use rate_search::{RateBound, rate_goal, search_rate};

/// For a node that may be dead to end a run, or to say who it is.
const STOP_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
