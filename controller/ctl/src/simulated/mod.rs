//! A continuum that is simulated: no machine, no program, no second that passes. `up`, `bench` and `down` run on it as on
//! any other, and a change that breaks one of them fails within seconds.
//!
//! ```text
//! interrupts, losses, ┐
//! sabotage, rates,    ┤                                     ┌─ provider ─┐
//! applications ───────┤                                     │            │
//! generator ──────────┴─> simulation ───────> deploy, bench ┴─ agent ────┴─> world: machines, links, runs, faults, calls
//!  a seed, what must hold  commands, and what stops them
//! ```
//! Invariant: nothing in the world runs by itself. Time is tokio's, and whoever asks moves the world on to it; so one seed is
//! one run, but for identifiers and the order of what happens at the same time.

mod agent;
mod applications;
mod faults;
mod generator;
mod interrupts;
mod losses;
mod machine;
mod measure;
mod provider;
mod rates;
mod runs;
mod sabotage;
mod scatter;
mod simulation;
mod workload;
mod world;
