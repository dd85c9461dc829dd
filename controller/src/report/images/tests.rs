use super::*;
use crate::{
    agents::{ClockOffset, RunExit, StartedRun},
    applications::RunPlan,
    config,
    plan::Prefix,
    report::ClockPair,
};
use continuum_workload_core::{
    event::Summary,
    header::WorkerStages,
    spec::{Role, RunSpec, Sleep},
};

const CONFIG: &str = "name = \"d\"\n[infrastructure]\nprovider = \"local\"\n[infrastructure.edge]\nnodes = 1\n\
                      cores = 1\nmemory_mib = 512\n[infrastructure.endpoint]\nnodes = 1\ncores = 1\nmemory_mib = 512\n\
                      [software]\nresource_manager = \"mist\"\n[benchmark]\napplication = \"image_classification\"\n\
                      frequency = 2.0\nduration_s = 2.0\n";
const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;

pub(in crate::report) fn run(node: &str, phase: Phase, samples: Vec<Sample>) -> NodeRun {
    let plan = RunPlan {
        id: format!("{node}-run"),
        node: node.into(),
        phase,
        spec: RunSpec {
            application: "image_classification".into(),
            node: node.into(),
            role: Role::Sleep(Sleep { sleep_s: 0.0 }),
        },
        cpu_cores: 1.0,
        memory_mib: 1,
        connected_to: (phase == Phase::Endpoint).then_some(0),
        own: None,
    };
    let mut run = NodeRun::new(plan, "id".into(), 0, StartedRun::default());
    run.summary = Some(Summary {
        sent: samples.len() as u64,
        answered: samples.len() as u64,
        ..Summary::default()
    });
    run.exit = Some(RunExit {
        code: Some(0),
        ..RunExit::default()
    });
    run.samples = samples;
    run
}

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
        }
    };
    Clocks::from([
        ("edge0".into(), pair(ahead_ns)),
        ("endpoint0".into(), pair(0)),
    ])
}

fn report_of(samples: Vec<Sample>, change: impl Fn(&mut NodeRun), ahead_ns: i64) -> Report {
    let config = config::parse(CONFIG, "d.toml", false, "d", &[])
        .unwrap()
        .config;
    let plan = Plan::new(&config, Prefix([127, 77, 100]));
    let mut endpoint = run("endpoint0", Phase::Endpoint, samples.clone());
    change(&mut endpoint);
    let worker = run("edge0", Phase::Worker, samples);
    report(
        &plan,
        &config.benchmark.unwrap(),
        &[worker, endpoint],
        &clocks(ahead_ns),
    )
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
    assert!(
        report
            .notes
            .iter()
            .any(|n| n.contains("1 photos could not be classified"))
    );
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
