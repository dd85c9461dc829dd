//! What pages and samples cost. Measurements, no tests: `cargo test -p continuum-results --test cost -- --ignored --nocapture`.

mod generated;

use continuum_results::write_page;
use continuum_workload_core::photo_sample::Sample;
use generated::Shape;
use std::{io::Write, time::Instant};

#[test]
#[ignore = "a measurement"]
fn a_page_of_many_photos() {
    for photos in [1_000, 100_000, 1_000_000] {
        let dir = tempfile::tempdir().unwrap();
        let shape = Shape {
            photos: photos / 2,
            frequency_hz: 500.0,
            slower_ms: 100.0,
            ..Shape::default()
        };
        shape.write(dir.path()).unwrap();
        let begun = Instant::now();
        let page = write_page(dir.path()).unwrap();
        let seconds = begun.elapsed().as_secs_f64();
        let bytes = std::fs::metadata(page).unwrap().len();
        println!("{photos} photos: {seconds:.2} s, {} kB", bytes / 1000);
    }
}

fn median_us(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2] * 1e6
}

/// As programs of endpoints and workers do, which must not be slowed down by what they write down. No record is written
/// faster than one that is made already: `make bench`.
#[test]
#[ignore = "a measurement"]
fn recording_a_sample() {
    const ROUNDS: usize = 101;
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let text = std::fs::read_to_string(dir.path().join("samples.csv")).unwrap();
    let (samples, _) = Sample::read(&text);
    let records: Vec<String> = samples.iter().map(Sample::to_csv).collect();
    let mut file = std::fs::File::create(dir.path().join("recorded.csv")).unwrap();
    let (mut floor, mut recording) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for record in &records {
            file.write_all(record.as_bytes()).unwrap();
        }
        floor.push(begun.elapsed().as_secs_f64() / records.len() as f64);
        let begun = Instant::now();
        for sample in &samples {
            file.write_all(sample.to_csv().as_bytes()).unwrap();
        }
        recording.push(begun.elapsed().as_secs_f64() / samples.len() as f64);
    }
    let (floor, recording) = (median_us(floor), median_us(recording));
    println!(
        "a sample of {} bytes: recorded in {recording:.2} µs, of which writing it takes {floor:.2} µs; ratio {:.2}",
        records[0].len(),
        recording / floor
    );
}
