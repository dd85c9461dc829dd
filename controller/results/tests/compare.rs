//! Comparisons and summaries of results that were generated.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod generated;

use continuum_results::{Comparison, Summary};
use generated::Shape;
use std::path::{Path, PathBuf};

/// A directory of runs that differ by chance only, as `bench --repeat` makes it.
fn repeated(below: &Path, name: &str, shape: Shape, runs: u64) -> PathBuf {
    let dir = below.join(name);
    for number in 0..runs {
        let shape = Shape {
            seed: shape.seed + number,
            ..shape
        };
        shape.write(&dir.join(format!("run{number}"))).unwrap();
    }
    dir
}

fn compare(first: &Path, other: &Path) -> Comparison {
    Comparison::of(&[first, other]).unwrap()
}

#[test]
fn runs_of_the_same_thing_do_not_differ_and_a_slower_link_is_found_in_its_stages() {
    let dir = tempfile::tempdir().unwrap();
    let shape = Shape {
        photos: 200,
        ..Shape::default()
    };
    let first = repeated(dir.path(), "first", shape, 5);
    let again = repeated(dir.path(), "again", Shape { seed: 100, ..shape }, 5);
    let slower = Shape {
        seed: 200,
        latency_ms: shape.latency_ms + 20.0,
        ..shape
    };
    let slower = repeated(dir.path(), "slower", slower, 5);

    let same = compare(&first, &again);
    assert_eq!(
        same.conclusion(),
        "no significant difference",
        "{:#?}",
        same.rows()
    );
    assert!(same.settings.is_empty(), "{:?}", same.settings);

    let other = compare(&first, &slower);
    let conclusion = other.conclusion();
    for stage in ["2_uplink", "6_downlink", "end_to_end_from_due"] {
        assert!(conclusion.contains(stage), "{conclusion}");
    }
    for stage in ["3_queue", "4_decode", "5_infer"] {
        assert!(!conclusion.contains(stage), "{conclusion}");
    }
    let names: Vec<_> = other.settings.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["network.edge_endpoint.latency_ms"]);
    let page = other.page().unwrap();
    assert!(
        page.contains("id=\"differences\"") && page.contains("seed"),
        "no figure or no method"
    );
}

#[test]
fn single_runs_are_compared_by_slices_of_their_time_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (first, slower) = (dir.path().join("a"), dir.path().join("b"));
    Shape::default().write(&first).unwrap();
    let shape = Shape {
        latency_ms: 40.0,
        seed: 9,
        ..Shape::default()
    };
    shape.write(&slower).unwrap();
    let comparison = compare(&first, &slower);
    assert!(
        comparison.conclusion().contains("2_uplink"),
        "{}",
        comparison.conclusion()
    );
    let said = comparison
        .notes
        .iter()
        .filter(|note| note.contains("one run"));
    assert_eq!(said.count(), 2, "{:?}", comparison.notes);
}

#[test]
fn what_is_no_result_is_refused_with_what_to_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = Comparison::of(&[dir.path(), dir.path()]).unwrap_err();
    assert!(error.to_string().contains("no result.json"), "{error}");
    // Its runs are not those of one thing.
    std::fs::write(dir.path().join("sweep.json"), "{}").unwrap();
    let error = Comparison::of(&[dir.path(), dir.path()]).unwrap_err();
    assert!(error.to_string().contains("it is a sweep"), "{error}");
}

#[test]
fn runs_have_a_summary_with_an_interval() {
    let dir = tempfile::tempdir().unwrap();
    let shape = Shape {
        endpoints: 1,
        photos: 250,
        ..Shape::default()
    };
    let runs = repeated(dir.path(), "runs", shape, 3);
    let summary = Summary::of(&runs).unwrap();
    summary.write(&runs).unwrap();
    let text = std::fs::read_to_string(runs.join("summary.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(file["runs"].as_array().unwrap().len(), 3);
    let stages = file["stages"].as_array().unwrap();
    let of = |percentile: &str| {
        let of = stages
            .iter()
            .filter(|s| s["stage"] == "end_to_end_from_due");
        of.filter(|s| s["percentile"] == percentile).count()
    };
    // 250 photos are enough for a p95 and not for a p99.
    assert_eq!((of("p50"), of("p95"), of("p99")), (1, 1, 0));
    let interval = &stages.first().unwrap()["spread_ms"]["interval_95"];
    assert!(interval[0].as_f64() < interval[1].as_f64(), "{interval}");
    assert!(summary.invalid().is_empty());
    let page = std::fs::read_to_string(runs.join("report.html")).unwrap();
    assert!(page.contains("3 runs."), "no count of runs");
}
