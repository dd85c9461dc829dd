//! How much of each core there is.
//!
//! A guest that its host holds up does not see it: its kernel counts a thread as running meanwhile. So what is compared is
//! work: a core is given the same small piece over and over, and what most pieces take is what one takes undisturbed.

use crate::error::AgentError;
use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};
use std::{
    hint::black_box,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Of one piece of work: much shorter than what a scheduler gives anybody at a time, much longer than reading a clock.
const PIECE: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_secs(30);

/// What one core worked of the time that passed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CoreShare {
    pub core: u32,
    pub work: f64,
    /// As the kernel counts it.
    pub kernel: f64,
}

/// Keeps every core that this process may use busy at the same time. Blocks for as long.
pub(crate) fn measure(time: Duration) -> Result<Vec<CoreShare>, AgentError> {
    let time = time.clamp(Duration::from_millis(50), LONGEST);
    let failed = |source| AgentError::File {
        doing: "keep the cores busy of",
        path: "/proc/self".into(),
        source,
    };
    let allowed = sched_getaffinity(None).map_err(|e| failed(e.into()))?;
    let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let start = |core: usize| {
        let name = format!("verify-{core}");
        let thread = std::thread::Builder::new().name(name);
        thread.spawn(move || of_core(core, time))
    };
    let threads: Vec<JoinHandle<_>> = cores.map(start).collect::<Result<_, _>>().map_err(failed)?;
    let join = |thread: JoinHandle<std::io::Result<CoreShare>>| match thread.join() {
        Ok(share) => share.map_err(failed),
        Err(panic) => std::panic::resume_unwind(panic),
    };
    threads.into_iter().map(join).collect()
}

fn of_core(core: usize, time: Duration) -> std::io::Result<CoreShare> {
    let mut own = CpuSet::new();
    own.set(core);
    sched_setaffinity(None, &own)?;
    let turns = turns_of_a_piece();
    let (begun, cpu_before) = (Instant::now(), thread_time());
    let mut pieces = Vec::with_capacity((time.as_micros() / PIECE.as_micros()) as usize);
    let mut last = begun;
    while last - begun < time {
        work(turns);
        let now = Instant::now();
        pieces.push(now - last);
        last = now;
    }
    let passed = (last - begun).as_secs_f64();
    let cpu = (thread_time().saturating_sub(cpu_before)).as_secs_f64();
    Ok(CoreShare {
        core: core as u32,
        work: share_of(&mut pieces),
        kernel: cpu / passed,
    })
}

/// Pieces that were held up are few, so the one in the middle was not.
fn share_of(pieces: &mut [Duration]) -> f64 {
    pieces.sort_unstable();
    let undisturbed = pieces.get(pieces.len() / 2).copied().unwrap_or_default();
    let passed: Duration = pieces.iter().sum();
    undisturbed.as_secs_f64() * pieces.len() as f64 / passed.as_secs_f64()
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// So many turns of [`work`] take about a piece; the shortest of some tries, as any may be held up.
fn turns_of_a_piece() -> u64 {
    const TURNS: u64 = 2000;
    let once = || {
        let begun = Instant::now();
        work(TURNS);
        begun.elapsed()
    };
    let shortest = (0..20).map(|_| once()).min().unwrap_or(PIECE);
    let turns = TURNS as f64 * PIECE.as_secs_f64() / shortest.as_secs_f64().max(1e-9);
    (turns as u64).max(1)
}

fn work(turns: u64) {
    let mut number = turns;
    for turn in 0..turns {
        number = black_box(number ^ turn).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    black_box(number);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_is_held_up_half_of_the_time_has_half_a_share() {
        let (piece, held_up) = (Duration::from_micros(100), Duration::from_micros(50_100));
        // Half of each period of 100 ms, as a quota gives it.
        let period = || (0..499).map(|_| piece).chain([held_up]);
        let mut pieces: Vec<Duration> = (0..20).flat_map(|_| period()).collect();
        let share = share_of(&mut pieces);
        assert!((share - 0.5).abs() < 0.01, "{share}");
        let mut free = vec![piece; 1000];
        assert!((share_of(&mut free) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn every_core_of_this_process_is_measured() {
        let shares = measure(Duration::from_millis(60)).unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        // A quota of the machine that tests run on counts there, and not here.
        assert!(shares.len() >= cores, "{shares:?}");
        let is_share = |share: f64| share > 0.0 && share < 1.5;
        assert!(
            shares
                .iter()
                .all(|s| is_share(s.work) && is_share(s.kernel)),
            "{shares:?}"
        );
    }
}
