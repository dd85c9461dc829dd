use super::*;

fn goal() -> RateGoal {
    RateGoal {
        percentile: Percentile::P99,
        below_ms: 500.0,
        precision_percent: 5.0,
        first_hz: 10.0,
        least_hz: 2.0,
        most_hz: 1000.0,
    }
}

/// The search on something that keeps the bound up to a rate.
fn searched(goal: RateGoal, capacity_hz: f64) -> RateSearch {
    let mut search = RateSearch::new("", goal);
    while let Next::Try(rate_hz) = search.next() {
        let value_ms = if rate_hz <= capacity_hz {
            100.0
        } else {
            9000.0
        };
        search.trials.push(Trial {
            rate_hz,
            result: format!("at-{rate_hz}"),
            validity: Validity::Unverified,
            answered: 1000,
            p50_ms: Some(value_ms / 2.0),
            value_ms: Some(value_ms),
            is_met: value_ms < search.goal.below_ms,
        });
        assert!(search.trials.len() < 30, "it does not end: {search:?}");
    }
    search
}

#[test]
fn the_highest_rate_is_found_within_the_precision_from_above_and_below() {
    for capacity_hz in [2.0, 3.1, 9.9, 10.0, 17.0, 64.0, 999.0] {
        let search = searched(goal(), capacity_hz);
        let Next::Found { met_hz, missed_hz } = search.next() else {
            panic!("{capacity_hz}: {:?}", search.next());
        };
        assert!(
            met_hz <= capacity_hz && capacity_hz < missed_hz && missed_hz <= met_hz * 1.05,
            "{capacity_hz}: {met_hz} to {missed_hz}"
        );
    }
}

#[test]
fn what_is_tried_is_doubled_and_then_halved() {
    let rates: Vec<f64> = searched(goal(), 33.0)
        .trials
        .iter()
        .map(|trial| trial.rate_hz)
        .collect();
    assert_eq!(rates, [10.0, 20.0, 40.0, 28.3, 33.6, 30.8, 32.2]);
}

#[test]
fn a_search_ends_at_the_rates_that_can_be_judged() {
    let low = searched(goal(), 1.0);
    assert_eq!(low.next(), Next::AllMissed { least_hz: 2.0 });
    assert!(low.conclusion().contains("benchmark.duration_s"));
    let high = searched(goal(), 5000.0);
    assert_eq!(high.next(), Next::AllMet { most_hz: 1000.0 });
    assert!(
        high.conclusion().contains("--most"),
        "{}",
        high.conclusion()
    );
}

#[test]
fn digits_that_chance_decides_end_a_search_that_wants_more() {
    let goal = RateGoal {
        precision_percent: 0.001,
        ..goal()
    };
    let Next::Found { met_hz, missed_hz } = searched(goal, 123.45).next() else {
        panic!("nothing was found");
    };
    assert_eq!((met_hz, missed_hz), (123.0, 124.0));
}

#[test]
fn a_search_says_what_it_found_by_how_many_runs_and_how_well() {
    let search = searched(goal(), 33.0);
    let text = search.conclusion();
    for part in [
        "p99 below 500 ms: 32.2 photos a second",
        "33.6 misses it",
        "within 4.3 %",
        "7 runs",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    let rows = search.rows();
    assert_eq!(rows[0], ["10", "1000", "50.0", "100", "yes", "unverified"]);
    assert_eq!(search.columns().len(), rows[0].len());
}

#[test]
fn a_search_goes_on_where_it_was_and_no_other_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let mut search = searched(goal(), 33.0);
    search.trials.truncate(3);
    search.save(dir.path()).unwrap();
    let again = RateSearch::new("", goal()).resume(dir.path()).unwrap();
    assert_eq!(again, search);
    assert_eq!(again.next(), Next::Try(28.3));
    let other = RateGoal {
        below_ms: 400.0,
        ..goal()
    };
    for other in [RateSearch::new("", other), RateSearch::new("x", goal())] {
        let error = other.resume(dir.path()).unwrap_err();
        assert!(error.to_string().contains("another --results"), "{error}");
    }
}

#[test]
fn the_page_of_a_search_has_its_answer_its_table_and_its_figure() {
    let dir = tempfile::tempdir().unwrap();
    searched(goal(), 33.0).write_page(dir.path()).unwrap();
    let page = std::fs::read_to_string(dir.path().join(PAGE_FILE)).unwrap();
    for part in ["32.2 photos a second", "bound 500 ms", "role=\"img\""] {
        assert!(page.contains(part), "no {part}");
    }
}
