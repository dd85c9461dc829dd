//! The controller: from one config file to machines, software, links, a run, and a report.
//!
//! ```text
//! cli/                commands, printing (the only place that prints)
//! session             a live deployment: config, plan, state, provider, agents
//! bench/   report/    one run: start, watch, collect; its result directory
//! verify/             whether links and machines are what was asked for
//! deploy/             up and down: phases, links, execution models
//! observability/      what a Prometheus and a Grafana of the user's own find
//! artifacts/          files that nodes get
//! dashboard/          a live deployment as the dashboard sees it
//!
//! crates below, each using those below it only:
//! provider            where machines come from: qemu (libvirt), uml, local
//! dashboard           the page that shows a deployment while it runs
//! cluster             what is asked of a live cluster
//! agents              talking to agents; the wire is known to its `grpc` only
//! host                what exists, written before it is made; keys, locks, progress, errors
//! plan                config -> nodes, addresses, links, installations, runs (pure): managers, services, applications,
//!                     execution models, each one trait, and one place that names all of a kind
//! config              both spellings -> checked options
//! model               words that all the others use
//! ```
//! Invariants: nothing is created before its intent is on disk. Every wait has a deadline and says what it waits
//! for. The controller never links `tch`.

pub mod artifacts;
pub mod bench;
pub mod cli;
pub mod dashboard;
pub mod deploy;
pub mod error;
mod observability;
pub mod report;
pub mod session;
#[cfg(test)]
mod simulated;
pub mod verify;
