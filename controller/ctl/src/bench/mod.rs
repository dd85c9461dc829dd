//! One run of an application on a live deployment: workers first, endpoints when those are ready, then results.

mod boots;
mod collect;
mod functions;
mod live;
mod measurement;
mod offsets;
mod on_agent;
mod placement;
mod run;
mod stage;
mod timeline;
mod validity;
mod warm_up;
mod watch;

pub use live::{Done, bench};

/// For a node that may be dead to end a run, or to say who it is.
const STOP_DEADLINE: std::time::Duration = std::time::Duration::from_secs(10);
