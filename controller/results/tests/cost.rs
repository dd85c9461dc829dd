//! What pages and samples cost. Measurements, no tests: `cargo test -p continuum-results --test cost -- --ignored --nocapture`.

mod generated;

use continuum_results::write_page;
use continuum_workload_core::photo_sample::Sample;
use generated::Shape;
use std::time::Instant;

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

#[test]
#[ignore = "a measurement"]
fn a_sample_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    Shape::default().write(dir.path()).unwrap();
    let text = std::fs::read_to_string(dir.path().join("samples.csv")).unwrap();
    let (samples, _) = Sample::read(&text);
    let begun = Instant::now();
    let mut bytes = 0;
    let rounds = 20;
    for _ in 0..rounds {
        bytes += samples
            .iter()
            .map(|sample| sample.to_csv().len())
            .sum::<usize>();
    }
    let each = begun.elapsed().as_secs_f64() / f64::from(rounds) / samples.len() as f64;
    println!(
        "{:.2} µs for a record of {} bytes",
        each * 1e6,
        bytes / samples.len() / rounds as usize
    );
}
