use super::*;
use crate::applications::test_runs::run;
use continuum_model::{ClockOffset, ClockPair, Prefix};
use continuum_workload_core::{header::WorkerStages, photo_sample::Loss};

const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"local\"\n[infrastructure.edge]\nnodes = 1\n\
                      cores = 1\nmemory_mib = 512\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 512\n\
                      [software]\nresource_manager = \"mist\"\n[benchmark]\napplication = \"image_classification\"\n\
                      frequency = 2.0\nduration_s = 2.0\n";
const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;

/// Photo `id`, due at one second and half a second later each: 1 ms to read, 20 up, 5 waiting, 2 decoding, 30 inferring,
/// 1 to reply, 10 down. The worker's clock is ahead by `ahead_ns`.
fn sample(id: u64, ahead_ns: i64) -> Sample {
    let due = SECOND + id as i64 * SECOND / 2;
    let sent = due + MS;
    let received = sent + 20 * MS + ahead_ns;
    Sample {
        endpoint: "endpoint0".into(),
        id,
        photo: "cat.jpg".into(),
        bytes: 70_000,
        due_ns: due,
        begun_ns: due,
        sent_ns: sent,
        stages: WorkerStages {
            received_unix_ns: received,
            dequeued_unix_ns: received + 5 * MS,
            decoded_unix_ns: received + 7 * MS,
            classified_unix_ns: received + 37 * MS,
            replied_unix_ns: received + 38 * MS,
        },
        answered_ns: received - ahead_ns + 48 * MS,
        class: 281,
        probability: 0.9,
        copies: 1,
        sends: 1,
        lost: None,
    }
}

fn clocks(ahead_ns: i64) -> Clocks {
    let pair = |offset_ns| {
        let clock = ClockOffset {
            offset_ns,
            error_ns: 100_000,
        };
        ClockPair {
            before: clock,
            after: Some(clock),
            stepped_ns: 0,
        }
    };
    Clocks::from([
        ("edge0".into(), pair(ahead_ns)),
        ("endpoint0".into(), pair(0)),
    ])
}

fn report_of(samples: Vec<Sample>, change: impl Fn(&mut NodeRun), ahead_ns: i64) -> Report {
    report_after(0.0, samples, change, ahead_ns)
}

/// After a warm-up of so many seconds.
fn report_after(
    warm_up_s: f64,
    samples: Vec<Sample>,
    change: impl Fn(&mut NodeRun),
    ahead_ns: i64,
) -> Report {
    let config = crate::parse(CONFIG, "d.toml", false, "d", &[])
        .unwrap()
        .config;
    let plan = crate::plan(&config, Prefix::from([127, 77, 100]));
    let mut endpoint = run("endpoint0", Phase::Endpoint, samples.clone());
    change(&mut endpoint);
    let worker = run("edge0", Phase::Worker, samples);
    let asked = Asked {
        photos: 4,
        warm_up_s,
    };
    report(&plan, asked, &[worker, endpoint], &clocks(ahead_ns))
}

#[test]
fn photos_of_a_warm_up_count_in_no_percentile_and_in_every_count() {
    // Due at 0, 0.5, 1 and 1.5 s of the load.
    let samples = || (0..4).map(|id| sample(id, 0)).collect();
    for (warm_up_s, left) in [(0.0, 4), (0.5, 3), (0.6, 2)] {
        let report = report_after(warm_up_s, samples(), |_| {}, 0);
        assert_eq!(report.stages["5_infer"].count, left, "{warm_up_s} s");
        assert_eq!(report.counts["answered"], 4);
        let told = report.notes.iter().any(|note| note.contains("warm-up"));
        assert_eq!(told, left < 4, "{:?}", report.notes);
    }
}

#[test]
fn a_run_is_split_into_its_stages_whatever_the_clocks_say() {
    for ahead_ns in [0, 700 * MS, -700 * MS] {
        let report = report_of(
            (0..4).map(|id| sample(id, ahead_ns)).collect(),
            |_| {},
            ahead_ns,
        );
        assert!(report.invalid.is_empty(), "{:?}", report.invalid);
        let p50 = |stage: &str| report.stages[stage].p50_ms.round() as i64;
        let stages = [
            "1_generate",
            "2_uplink",
            "3_queue",
            "4_decode",
            "5_infer",
            "6_downlink",
        ];
        assert_eq!(stages.map(p50), [1, 20, 5, 2, 30, 10]);
        assert_eq!(p50("end_to_end_from_due"), 69);
        let [worker, endpoint] = report.tables.as_slice() else {
            panic!("{:?}", report.tables)
        };
        assert_eq!(
            worker.to_csv().lines().nth(1).unwrap(),
            "0,0,1.53,21.0,0.0,32.0"
        );
        assert_eq!(
            endpoint.to_csv().lines().nth(1).unwrap(),
            "0,0,1.57,1.0,70.0,69.0,0.0"
        );
        assert!(
            report.notes.iter().any(|n| n.contains("± 0.20 ms")),
            "{:?}",
            report.notes
        );
    }
}

#[test]
fn stages_that_do_not_add_up_within_the_clocks_error_are_told() {
    let notes = |early_ns: i64| {
        let mut samples: Vec<Sample> = (0..4).map(|id| sample(id, 0)).collect();
        // It is there before it was sent.
        samples[2].stages.received_unix_ns = samples[2].sent_ns - early_ns;
        let report = report_of(samples, |_| {}, 0);
        let notes = report.notes.into_iter();
        notes.filter(|n| n.contains("add up")).collect::<String>()
    };
    assert_eq!(notes(0), "");
    assert_eq!(notes(MS / 10), "");
    let told = notes(5 * MS);
    for part in [
        "of 1 of 4 photos by more than the ± 0.20 ms",
        "at worst by 5.00 ms (photo 2 of endpoint0)",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }
}

#[test]
fn unmeasured_clocks_are_told() {
    let report = report_of((0..4).map(|id| sample(id, -700 * MS)).collect(), |_| {}, 0);
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.contains("4 of 4 values are below zero")),
        "{:?}",
        report.notes
    );
}

#[test]
fn what_was_not_classified_is_not_in_the_times() {
    let mut samples: Vec<Sample> = (0..4).map(|id| sample(id, 0)).collect();
    samples[3].class = -1;
    samples[3].answered_ns = samples[3].sent_ns + MS;
    let report = report_of(
        samples,
        |endpoint| {
            let summary = endpoint.summary.as_mut().unwrap();
            (summary.answered, summary.bad_inputs) = (3, 1);
        },
        0,
    );
    assert_eq!(
        (report.counts["answered"], report.stages["5_infer"].count),
        (3, 3)
    );
    let bad = report.invalid.iter();
    let mut bad = bad.filter(|n| n.contains("1 photos could not be classified"));
    assert!(
        bad.any(|n| n.contains("`cat.jpg` (1 times)")),
        "{:?}",
        report.invalid
    );
}

/// Answered, and of no class.
fn no_photo(id: u64) -> Sample {
    Sample {
        class: -1,
        ..sample(id, 0)
    }
}

#[test]
fn a_few_bad_inputs_are_a_note_and_more_of_them_or_no_good_ones_are_no_result() {
    let report = |samples: Vec<Sample>| report_of(samples, |_| {}, 0);
    let few = report(
        (0..100)
            .map(|id| if id == 7 { no_photo(id) } else { sample(id, 0) })
            .collect(),
    );
    assert!(few.invalid.is_empty(), "{:?}", few.invalid);
    assert!(
        few.notes
            .iter()
            .any(|n| n.contains("1 photos could not be classified")),
        "{:?}",
        few.notes
    );
    let two = report(
        (0..100)
            .map(|id| if id < 2 { no_photo(id) } else { sample(id, 0) })
            .collect(),
    );
    assert!(
        two.invalid
            .iter()
            .any(|i| i.contains("`cat.jpg` (2 times)")),
        "{:?}",
        two.invalid
    );
    let none = report((0..4).map(no_photo).collect());
    assert!(
        none.invalid
            .iter()
            .any(|i| i.contains("nothing was classified, of 4")),
        "{:?}",
        none.invalid
    );
}

#[test]
fn why_a_file_is_bad_stands_beside_its_name() {
    let samples = vec![no_photo(0), sample(1, 0), sample(2, 0), sample(3, 0)];
    let report = report_of(
        samples,
        |r| {
            r.problems
                .push("photo 0 of endpoint0: 9 bytes that are no JPEG but a PNG".into());
        },
        0,
    );
    let text = "`cat.jpg` (1 times, 9 bytes that are no JPEG but a PNG)";
    assert!(
        report.invalid.iter().any(|i| i.contains(text)),
        "{:?}",
        report.invalid
    );
}

#[test]
fn a_loss_has_a_name() {
    let lost = |id, lost| Sample {
        answered_ns: 0,
        class: -1,
        lost: Some(lost),
        ..sample(id, 0)
    };
    let samples = vec![
        sample(0, 0),
        sample(1, 0),
        lost(2, Loss::NotTaken),
        lost(3, Loss::AtWorker),
    ];
    let report = report_of(samples, |_| {}, 0);
    assert_eq!((report.counts["answered"], report.counts["lost"]), (2, 2));
    let text = "2 without an answer: 1 still waited at the endpoint for the broker to take them, 1 were at the worker";
    assert!(
        report.invalid.iter().any(|i| i.contains(text)),
        "{:?}",
        report.invalid
    );
}

#[test]
fn counts_of_a_run_that_was_ended_are_those_of_its_samples() {
    let mut samples: Vec<Sample> = (0..4).map(|id| sample(id, 0)).collect();
    samples[3].answered_ns = 0;
    samples[2].begun_ns += 20 * MS;
    let report = report_of(
        samples,
        |r| {
            r.summary = None;
            r.exit.as_mut().unwrap().code = None;
        },
        0,
    );
    let counts = ["sent", "answered", "lost", "slips"].map(|name| report.counts[name]);
    assert_eq!(counts, [4, 3, 1, 1]);
}

#[test]
fn slips_say_which_side_was_late_and_stalls_and_reconnects_are_told() {
    let report = report_of(
        (0..4).map(|id| sample(id, 0)).collect(),
        |r| {
            let summary = r.summary.as_mut().unwrap();
            (summary.slips, summary.slips_waiting) = (3, 2);
            (summary.stalls, summary.stalled_ms) = (1, 30_000);
            (summary.reconnects, summary.resent, summary.late) = (2, 5, 4);
        },
        0,
    );
    for text in [
        "3 of 4 sends began more than 10 ms late, 2 because the broker had not taken",
        "1 because the endpoint itself was late",
        "stood still 1 times, 30.0 s together",
        "was made again 2 times, 5 messages were sent again, 4 photos were answered late",
    ] {
        assert!(
            report.notes.iter().any(|n| n.contains(text)),
            "no {text:?} in {:?}",
            report.notes
        );
    }
}

#[test]
fn what_is_missing_makes_a_result_invalid() {
    type Change = fn(&mut NodeRun);
    let samples = || (0..4).map(|id| sample(id, 0)).collect();
    let cases: [(&str, Change); 5] = [
        ("counted 4 photos, and 3 samples", |r| drop(r.samples.pop())),
        ("1 without an answer", |r| {
            r.summary.as_mut().unwrap().lost = 1;
        }),
        ("3 of 4 photos sent", |r| {
            r.summary.as_mut().unwrap().sent = 3;
            r.samples.pop();
        }),
        ("did not finish: its node was lost", |r| {
            r.lost = true;
            r.exit = None;
        }),
        ("did not finish: exit code 1", |r| {
            r.exit.as_mut().unwrap().code = Some(1);
        }),
    ];
    for (part, change) in cases {
        let invalid = report_of(samples(), change, 0).invalid;
        assert!(
            invalid.iter().any(|i| i.contains(part)),
            "no {part:?} in {invalid:?}"
        );
    }
}
