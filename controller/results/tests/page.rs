//! Pages of results that were generated: what they hold, and what they cost.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod generated;

use continuum_results::{write_figures, write_page};
use generated::Shape;

fn page_of(shape: Shape) -> String {
    let dir = tempfile::tempdir().unwrap();
    shape.write(dir.path()).unwrap();
    std::fs::read_to_string(write_page(dir.path()).unwrap()).unwrap()
}

#[test]
fn a_page_says_first_whether_to_use_it_and_has_every_part() {
    let page = page_of(Shape {
        slower_ms: 100.0,
        ..Shape::default()
    });
    let mut places = Vec::new();
    for part in [
        "Unverified.",
        "p50 from due",
        "nothing in it was measured",
        "p99",
        "latency-histogram",
        "latency-cumulative",
        "latency-over-time",
        "time-split",
        "EDGE OUTPUT",
        "Not measured",
        "id=\"cpu\"",
        "id=\"memory\"",
        "id=\"network\"",
        "restore edge endpoint",
        "benchmark.frequency",
    ] {
        let place = page.find(part);
        assert!(place.is_some(), "no `{part}` in the page");
        places.push(place);
    }
    assert!(places.first() == places.iter().min(), "{places:?}");
    let (figures, drawings) = (
        page.matches("<figure ").count(),
        page.matches("role=\"img\"").count(),
    );
    assert_eq!((figures, drawings), (7, 7));
    // It needs nothing from elsewhere, and no script.
    for foreign in ["http://", "https://", "<script", "<img", "@import"] {
        let without_namespaces = page.replace("http://www.w3.org/2000/svg", "");
        assert!(
            !without_namespaces.contains(foreign),
            "`{foreign}` is in the page"
        );
    }
}

#[test]
fn a_percentile_of_too_few_photos_is_a_dash_with_its_reason() {
    let page = page_of(Shape {
        endpoints: 1,
        photos: 150,
        ..Shape::default()
    });
    assert!(page.contains("p95 takes 200"), "the reason is missing");
    let drawn = page.match_indices("p99 ").filter(|(at, word)| {
        let after = page.get(at + word.len()..).unwrap();
        after.starts_with(|letter: char| letter.is_ascii_digit())
    });
    assert_eq!(drawn.count(), 0, "p99 is drawn of 150 photos");
}

#[test]
fn what_was_measured_stands_beside_what_was_asked() {
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let path = dir.path().join("result.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["verification"] = serde_json::json!({ "after": null, "before": {
        "seconds": 4.2, "network_bytes": 91_000, "notes": ["the host was busy"],
        "rows": [{
            "node": "edge0", "to": "endpoint0", "quantity": "round_trip", "unit": "ms", "asked": 15.0, "measured": 15.04,
            "least": 14.7, "most": 15.3, "verdict": "in_tolerance", "cause": null,
        }],
    } });
    std::fs::write(&path, result.to_string()).unwrap();
    let page = std::fs::read_to_string(write_page(dir.path()).unwrap()).unwrap();
    for part in [
        "edge0 → endpoint0",
        "round trip (ms)",
        "14.7 to 15.3",
        "in tolerance",
        "91 kB",
        "the host was busy",
    ] {
        assert!(page.contains(part), "no `{part}`");
    }
    assert!(!page.contains("Not measured:"), "it was measured");
}

#[test]
fn what_was_expected_stands_beside_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let path = dir.path().join("result.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut result: serde_json::Value = serde_json::from_str(&text).unwrap();
    result["prediction"] = serde_json::json!([
        { "stage": "2_uplink", "expected_ms": 74.5, "measured_ms": 80.0, "error_ms": 5.5, "basis": "size / rate + latency" },
        { "stage": "5_infer", "expected_ms": null, "measured_ms": 22.0, "error_ms": null, "basis": "not predicted: too rare" },
    ]);
    std::fs::write(&path, result.to_string()).unwrap();
    let page = std::fs::read_to_string(write_page(dir.path()).unwrap()).unwrap();
    for part in ["74.5", "+5.50 (+7 %)", "not predicted: too rare"] {
        assert!(page.contains(part), "no `{part}`");
    }
}

#[test]
fn texts_of_a_result_cannot_become_parts_of_its_page() {
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let path = dir.path().join("result.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let name = "\"name\": \"<script>alert(1)</script>\"";
    std::fs::write(&path, text.replace("\"name\": \"generated\"", name)).unwrap();
    let page = std::fs::read_to_string(write_page(dir.path()).unwrap()).unwrap();
    assert!(!page.contains("<script>"), "the name is not escaped");
}

#[test]
fn figures_are_files_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let files = write_figures(dir.path()).unwrap();
    assert_eq!(files.len(), 7, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("<svg "), "{}", file.display());
    }
}

#[test]
fn a_directory_without_a_result_and_a_newer_schema_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = write_page(dir.path()).unwrap_err();
    assert!(error.to_string().contains("result.json"), "{error}");
    std::fs::write(dir.path().join("result.json"), "{\"schema\": 99}").unwrap();
    let error = write_page(dir.path()).unwrap_err();
    assert!(error.to_string().contains("schema is 99"), "{error}");
}
