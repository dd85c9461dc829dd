use super::*;
use crate::verify::tolerances::{LOCAL, TCG, UML};

fn asked(quantity: Quantity, value: f64, deviation: f64) -> Asked {
    Asked {
        subject: Subject::way("edge0", "endpoint0"),
        quantity,
        value: Some(value),
        deviation,
        provable: Provable::Exactly,
    }
}

fn measured(value: f64) -> Measured {
    Measured {
        value,
        samples: 200,
        seconds: 1.0,
        spread: None,
    }
}

fn host() -> HostFacts {
    HostFacts {
        cores: 2,
        promised_cores: 2.0,
        ..HostFacts::default()
    }
}

fn verdict(asked: &Asked, value: f64) -> (Verdict, String) {
    let row = row(asked, &Ok(measured(value)), Some(&UML), &host());
    (row.verdict, row.cause.unwrap_or_default())
}

#[test]
fn a_round_trip_may_be_off_by_its_tolerance_and_by_chance() {
    let steady = asked(Quantity::RoundTrip, 15.0, 0.0);
    assert_eq!(verdict(&steady, 15.5).0, Verdict::InTolerance);
    assert_eq!(verdict(&steady, 16.0).0, Verdict::OutOfTolerance);
    // Two hundred values that scatter by 3.5 ms have a median that is known to 0.9 ms.
    let scattered = asked(Quantity::RoundTrip, 15.0, 3.5);
    assert_eq!(verdict(&scattered, 16.0).0, Verdict::InTolerance);
    assert_eq!(verdict(&scattered, 17.5).0, Verdict::OutOfTolerance);
}

#[test]
fn a_link_without_its_qdisc_is_told_as_such() {
    let (out, why) = verdict(&asked(Quantity::RoundTrip, 15.0, 3.5), 7.9);
    assert_eq!(out, Verdict::OutOfTolerance);
    assert!(why.contains("not applied") && why.contains("tc"), "{why}");
    let (out, why) = verdict(&asked(Quantity::Rate, 7.21, 0.0), 240.0);
    assert_eq!(out, Verdict::OutOfTolerance);
    assert!(why.contains("not applied"), "{why}");
}

#[test]
fn limits_that_were_lifted_are_told_as_such() {
    let quota = Asked {
        subject: Subject::node("endpoint0"),
        ..asked(Quantity::Processor, 0.5, 0.0)
    };
    assert_eq!(verdict(&quota, 0.482).0, Verdict::InTolerance);
    let (out, why) = verdict(&quota, 0.97);
    assert_eq!(out, Verdict::OutOfTolerance);
    assert!(why.contains("quota is not enforced"), "{why}");
    let (out, why) = verdict(&asked(Quantity::DiskWrite, 10.0, 0.0), 180.0);
    assert_eq!(out, Verdict::OutOfTolerance);
    assert!(why.contains("limit is not enforced"), "{why}");
    assert_eq!(
        verdict(&asked(Quantity::DiskWrite, 10.0, 0.0), 9.7).0,
        Verdict::InTolerance
    );
}

#[test]
fn a_rate_beyond_what_guests_carry_is_a_ceiling() {
    let fast = asked(Quantity::Rate, 1000.0, 0.0);
    assert_eq!(verdict(&fast, 240.0).0, Verdict::InTolerance);
    assert_eq!(verdict(&fast, 1100.0).0, Verdict::OutOfTolerance);
    let row = row(&fast, &Ok(measured(240.0)), Some(&UML), &host());
    let notes = notes(&host(), &[row]).join("\n");
    assert!(notes.contains("240 of 1000"), "{notes}");
}

#[test]
fn what_can_be_known_of_a_number_decides() {
    let rate = |provable, value| {
        let asked = Asked {
            provable,
            ..asked(Quantity::Rate, 7.21, 0.0)
        };
        row(&asked, &Ok(measured(value)), Some(&UML), &host())
    };
    let lossy = |value| rate(Provable::AtMost, value).verdict;
    assert_eq!(lossy(2.0), Verdict::InTolerance);
    assert_eq!(lossy(20.0), Verdict::OutOfTolerance);
    let traced = rate(Provable::Not("it follows a trace"), 2.0);
    assert_eq!(traced.verdict, Verdict::NotMeasured);
    assert_eq!(traced.measured, Some(2.0));
    assert_eq!(traced.cause.as_deref(), Some("it follows a trace"));
}

#[test]
fn an_overcommitted_host_gives_less_and_never_more() {
    let core = asked(Quantity::Processor, 1.0, 0.0);
    let on = |promised_cores, value| {
        let host = HostFacts {
            promised_cores,
            ..host()
        };
        row(&core, &Ok(measured(value)), Some(&UML), &host).verdict
    };
    assert_eq!(on(2.0, 0.6), Verdict::OutOfTolerance);
    assert_eq!(on(3.0, 0.6), Verdict::InTolerance);
    assert_eq!(on(3.0, 0.4), Verdict::OutOfTolerance);
    assert_eq!(on(3.0, 1.2), Verdict::OutOfTolerance);
}

#[test]
fn loss_is_judged_by_how_many_packets_tell() {
    let one_percent = asked(Quantity::Loss, 1.0, 0.0);
    assert_eq!(verdict(&one_percent, 0.0).0, Verdict::InTolerance);
    let many = |value| {
        let measured = Measured {
            samples: 5000,
            ..measured(value)
        };
        row(&one_percent, &Ok(measured), Some(&UML), &host()).verdict
    };
    assert_eq!(many(0.0), Verdict::OutOfTolerance);
    assert_eq!(many(0.9), Verdict::InTolerance);
}

#[test]
fn what_nobody_measured_or_asked_is_neither_right_nor_wrong() {
    let core = asked(Quantity::Processor, 1.0, 0.0);
    let unknown = row(
        &core,
        &Err("edge0 did not answer".into()),
        Some(&UML),
        &host(),
    );
    assert_eq!(unknown.verdict, Verdict::NotMeasured);
    assert_eq!(unknown.cause.as_deref(), Some("edge0 did not answer"));
    let free = Asked {
        value: None,
        ..core.clone()
    };
    let free = row(&free, &Ok(measured(0.3)), Some(&LOCAL), &host());
    assert_eq!(free.verdict, Verdict::NotAsked);
    // A provider without tolerances proves nothing.
    let row = row(&core, &Ok(measured(1.0)), None, &host());
    assert_eq!(row.verdict, Verdict::NotMeasured);
}

#[test]
fn emulated_guests_have_tolerances_of_their_own() {
    let late = |all| {
        let asked = asked(Quantity::RoundTrip, 15.0, 0.0);
        row(&asked, &Ok(measured(18.0)), Some(all), &host()).verdict
    };
    assert_eq!(late(&UML), Verdict::OutOfTolerance);
    assert_eq!(late(&TCG), Verdict::InTolerance);
}

#[test]
fn the_best_try_counts_and_tries_are_counted() {
    let asked = asked(Quantity::Processor, 1.0, 0.0);
    let of = |value| row(&asked, &Ok(measured(value)), Some(&UML), &host());
    let mut rows = vec![of(0.5)];
    best_of(&mut rows, vec![of(0.7)]);
    assert_eq!((rows[0].measured, rows[0].tries), (Some(0.7), 2));
    best_of(&mut rows, vec![of(0.6)]);
    assert_eq!((rows[0].measured, rows[0].tries), (Some(0.7), 3));
    best_of(&mut rows, vec![of(0.95)]);
    assert_eq!((rows[0].verdict, rows[0].tries), (Verdict::InTolerance, 4));
}
