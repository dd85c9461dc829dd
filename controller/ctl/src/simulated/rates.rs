//! The search for the highest rate, on workers that do 25 photos a second for each endpoint.

use super::{
    interrupts::{SMALL, check_gone},
    simulation::{End, Simulation, Stop},
};
use crate::bench::{RateBound, rate_goal, search_rate};
use continuum_host::{
    error::{Error, chain},
    exit::Exit,
};
use continuum_results::{Next, Percentile, RateSearch, Series, is_result};

const BOUND: RateBound = RateBound {
    percentile: Percentile::P95,
    below_ms: 200.0,
    precision_percent: 20.0,
    most_hz: 1000.0,
};

fn up(frequency: u32, duration_s: u32) -> Simulation {
    let config = SMALL
        .replace("frequency = 2", &format!("frequency = {frequency}"))
        .replace("duration_s = 4", &format!("duration_s = {duration_s}"));
    let mut simulation = Simulation::new(&config);
    simulation.up(Stop::Never).ok();
    simulation
}

fn search(simulation: &mut Simulation, stop: Stop) -> End<()> {
    let (config, dir, mode) = (
        simulation.config.clone(),
        simulation.results(),
        simulation.verify,
    );
    simulation.command(stop, async move |context| {
        std::fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        let goal = rate_goal(&config, BOUND)?;
        let mut search = RateSearch::new("", goal).resume(&dir)?;
        search.save(&dir)?;
        search_rate(&context, &config, &mut search, &dir, mode).await
    })
}

fn there(simulation: &Simulation) -> RateSearch {
    let dir = simulation.results();
    match RateSearch::read(&dir) {
        Ok(Some(search)) => search,
        other => panic!("no search in {}: {other:?}", dir.display()),
    }
}

/// The highest rate is known, and every trial has its result.
fn check_found(simulation: &Simulation) {
    let search = there(simulation);
    let Next::Found { met_hz, missed_hz } = search.next() else {
        panic!("{}", search.conclusion());
    };
    assert!(
        met_hz > 20.0 && missed_hz < 32.0 && missed_hz < met_hz * 1.2,
        "{}",
        search.conclusion()
    );
    for trial in &search.trials {
        assert!(is_result(&simulation.results().join(&trial.result)));
    }
}

#[test]
fn the_rate_that_a_worker_can_do_is_found() {
    let mut simulation = up(12, 10);
    search(&mut simulation, Stop::Never).ok();
    check_found(&simulation);
    println!("{}", there(&simulation).conclusion());
    // There is nothing left to do.
    let runs = there(&simulation).trials.len();
    search(&mut simulation, Stop::Never).ok();
    assert_eq!(there(&simulation).trials.len(), runs);
    check_gone(&mut simulation);
}

#[test]
fn a_search_that_is_interrupted_keeps_its_runs_and_goes_on_after_them() {
    let mut simulation = up(12, 10);
    search(&mut simulation, Stop::Never).ok();
    let calls = simulation.counts.calls;
    drop(simulation);
    let mut simulation = up(12, 10);
    let error = search(&mut simulation, Stop::CancelAtCall(calls / 2)).err();
    assert_eq!(error.exit(), Exit::Interrupted, "{}", chain(&error));
    assert_eq!(simulation.runs_under_way(), Vec::<String>::new());
    let before = there(&simulation).trials;
    search(&mut simulation, Stop::Never).ok();
    check_found(&simulation);
    assert_eq!(there(&simulation).trials[..before.len()], before[..]);
}

#[test]
fn a_percentile_of_too_few_photos_is_refused_with_what_to_type() {
    let simulation = up(2, 4);
    let error = rate_goal(&simulation.config, BOUND).unwrap_err();
    assert_eq!(error.exit(), Exit::Preflight);
    let text = chain(&error);
    for part in [
        "16 photos that count",
        "p95 takes 200",
        "benchmark.duration_s=51",
        "--p90-below",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let lower = RateBound {
        percentile: Percentile::P90,
        ..BOUND
    };
    assert!(rate_goal(&simulation.config, lower).is_ok());
}
