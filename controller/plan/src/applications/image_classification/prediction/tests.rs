use super::*;
use crate::{LinkRequests, applications::test_runs};
use continuum_model::{Mode, NodeRun, Phase, Prefix};
use continuum_workload_core::{spec::Subscriber, stats::Percentiles};

const MS: i64 = 1_000_000;

/// A byte each microsecond, 7 ms away.
fn hops() -> Hops {
    let text = "infrastructure = { provider = \"qemu\", edge = { nodes = 1, cores = 1, memory_mib = 1024 }, \
                endpoint = { nodes = 1, cores = 1, memory_mib = 512 } }\n\
                network = { preset = \"4g\", edge_endpoint = { rate_mbit = 8.0, latency_ms = 7.0, jitter_ms = 0.0 } }\n\
                software.resource_manager = \"mist\"\n\
                benchmark = { application = \"image_classification\", frequency = 1 }\n";
    let config = crate::parse(text, "t.toml", false, "t", &[])
        .unwrap()
        .config;
    let nodes = crate::plan(&config, Prefix::from([10, 0, 0])).nodes;
    Hops::new(&nodes, &config.network, &LinkRequests::default(), &[])
}

/// One a second, of 10 kB on the link: 1 ms to read, 20 up, 5 waiting, 2 decoding, 30 inferring, 1 to reply, 10 down; every
/// second one is inferred for 34.
fn sample(id: u64, photo: &str) -> Sample {
    let due = id as i64 * 1000 * MS;
    let received = due + 21 * MS;
    let classified = received + 37 * MS + id as i64 % 2 * 4 * MS;
    Sample {
        endpoint: "endpoint0".into(),
        id,
        photo: photo.into(),
        bytes: 9538,
        due_ns: due,
        begun_ns: due,
        sent_ns: due + MS,
        stages: WorkerStages {
            received_unix_ns: received,
            dequeued_unix_ns: received + 5 * MS,
            decoded_unix_ns: received + 7 * MS,
            classified_unix_ns: classified,
            replied_unix_ns: classified + MS,
        },
        answered_ns: classified + 11 * MS,
        class: 281,
        ..Sample::default()
    }
}

fn predicted(mode: Mode, samples: Vec<Sample>, hops: &Hops) -> Vec<StagePrediction> {
    let mut worker = test_runs::run("edge0", Phase::Worker, Vec::new());
    worker.plan.spec.role = Role::Subscriber(Subscriber {
        broker: String::new(),
        classifiers: 1,
        endpoints: Vec::new(),
        photos: None,
        queue_bytes: 0,
        deadline_s: 1.0,
    });
    let runs: Vec<NodeRun> = vec![
        worker,
        test_runs::run("endpoint0", Phase::Endpoint, samples),
    ];
    let clocks = Clocks::default();
    let senders = Sender::all(mode, &runs, &clocks, 0.0);
    let mut report = Report::default();
    for sender in &senders {
        for sample in sender.classified() {
            for (stage, ns) in stages_ns(sample, sender.way) {
                let all = report.stages.entry(stage.to_owned());
                // Their sum, until all are there.
                let all = all.or_insert(Percentiles {
                    count: 0,
                    mean_ms: 0.0,
                    stdev_ms: 0.0,
                    p50_ms: 0.0,
                    p90_ms: 0.0,
                    p95_ms: None,
                    p99_ms: None,
                    max_ms: 0.0,
                });
                all.count += 1;
                all.mean_ms += ns as f64 / 1e6;
            }
        }
    }
    for all in report.stages.values_mut() {
        all.mean_ms /= all.count as f64;
    }
    add(&mut report, &senders, &clocks, hops);
    report.prediction
}

fn rows(prediction: &[StagePrediction]) -> Vec<String> {
    let text = |row: &StagePrediction| {
        let expected = row
            .expected_ms
            .map_or("–".to_owned(), |ms| format!("{ms:.3}"));
        format!("{} {expected} {:.3}", row.stage, row.measured_ms)
    };
    prediction.iter().map(text).collect()
}

#[test]
fn stages_are_expected_by_size_rate_latency_and_the_fastest_of_the_same_photo() {
    let samples = (0..4).map(|id| sample(id, "cat.jpg")).collect();
    let prediction = predicted(Mode::Edge, samples, &hops());
    // 9538 bytes are 7 packets and 10 ms; an answer of 120 bytes is 0.186 ms.
    assert_eq!(
        rows(&prediction),
        [
            "1_generate 1.000 1.000",
            "2_uplink 17.000 20.000",
            "3_queue 0.000 5.000",
            "4_decode 2.000 2.000",
            "5_infer 30.000 32.000",
            "5_reply 1.000 1.000",
            "6_downlink 7.186 10.000",
            "end_to_end_from_due 58.186 71.000",
        ]
    );
    assert_eq!(prediction[1].error().as_deref(), Some("+3.00 (+18 %)"));
}

#[test]
fn what_is_not_known_is_not_predicted_and_says_why() {
    let samples = |photos: usize| {
        let name = move |id: u64| format!("{}.jpg", id as usize % photos);
        (0..6).map(|id| sample(id, &name(id))).collect::<Vec<_>>()
    };
    let known = |prediction: &[StagePrediction]| {
        let known = prediction.iter().filter(|row| row.expected_ms.is_some());
        known.map(|row| row.stage.clone()).collect::<Vec<_>>()
    };
    let basis = |prediction: &[StagePrediction], stage| {
        let row = prediction.iter().find(|row| row.stage == stage).unwrap();
        row.basis.clone()
    };
    let unknown = Hops::unknown("links are not emulated");
    let local = predicted(Mode::Edge, samples(2), &unknown);
    assert_eq!(known(&local), COMPUTED);
    for stage in [UPLINK, QUEUE, END_TO_END] {
        assert_eq!(
            basis(&local, stage),
            "not predicted: links are not emulated"
        );
    }
    let rare = predicted(Mode::Edge, samples(3), &hops());
    assert_eq!(known(&rare), [UPLINK, DOWNLINK]);
    assert_eq!(
        basis(&rare, INFER),
        "not predicted: each photo came too rarely"
    );
    assert_eq!(predicted(Mode::Edge, Vec::new(), &hops()), []);
}

#[test]
fn an_endpoint_alone_needs_no_links() {
    let samples = (0..4).map(|id| sample(id, "cat.jpg")).collect();
    let unknown = Hops::unknown("links are not emulated");
    let alone = predicted(Mode::Endpoint, samples, &unknown);
    let whole = alone.last().unwrap();
    assert_eq!(whole.stage, END_TO_END);
    assert!(whole.expected_ms.is_some(), "{}", whole.basis);
}
