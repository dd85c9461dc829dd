//! Recorded links: mahimahi's stamps, and CSV.

use super::printable::printable;
use continuum_model::{Setting, TraceStep};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Larger files are no traces of a link.
const LONGEST_FILE_BYTES: u64 = 16 << 20;
/// More do not fit into one request to an agent.
const MOST_STEPS: usize = 50_000;
/// Opportunities of so long become one rate.
const WINDOW_MS: u32 = 100;
/// What one opportunity carries: a full IP packet, with its Ethernet header.
const PACKET_BITS: f64 = 1514.0 * 8.0;
/// Times beyond are none of a trace.
const LATEST_MS: f64 = 864_000_000.0;

/// A file with what it says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct TraceFile {
    pub(super) steps: Vec<TraceStep>,
    /// When it begins again.
    pub(super) length_ms: u32,
    /// Of its bytes.
    pub(super) sha256: String,
}

/// Reads a file; what is wrong with it is told with its line.
pub(super) fn read(path: &Path) -> Result<TraceFile, String> {
    let shown_path = path.display();
    let unreadable = |why: &dyn std::fmt::Display| format!("read `{shown_path}`: {why}");
    let meta = std::fs::metadata(path).map_err(|e| unreadable(&e))?;
    if !meta.is_file() {
        return Err(unreadable(&"it is not a file"));
    }
    if meta.len() > LONGEST_FILE_BYTES {
        let (has, most) = (meta.len(), LONGEST_FILE_BYTES);
        return Err(unreadable(&format!("it has {has} bytes, more than {most}")));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(&e))?;
    let sha256 = Sha256::digest(&bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable(&"it is not text"))?;
    let is_csv = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("csv"));
    let parsed = if is_csv { csv(text) } else { stamps(text) };
    let (steps, length_ms) = parsed.map_err(|(line, why)| {
        let line = if line == 0 {
            String::new()
        } else {
            format!(":{line}")
        };
        format!("{shown_path}{line}: {why}")
    })?;
    if steps.len() > MOST_STEPS {
        let has = steps.len();
        return Err(unreadable(&format!(
            "it has {has} steps, more than {MOST_STEPS}"
        )));
    }
    Ok(TraceFile {
        steps,
        length_ms,
        sha256: data_encoding::HEXLOWER.encode(&sha256),
    })
}

/// What is wrong, and in which line; 0 = in the whole.
type Wrong = (usize, String);

/// Steps, and when they begin again.
type Parsed = Result<(Vec<TraceStep>, u32), Wrong>;

/// mahimahi's format: the millisecond of each opportunity to send a packet of 1500 bytes; after the last it begins again.
fn stamps(text: &str) -> Parsed {
    let mut all: Vec<u32> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line_number = index + 1;
        let stamp = line.trim().parse::<u32>().ok();
        let stamp = stamp
            .filter(|ms| f64::from(*ms) <= LATEST_MS)
            .ok_or_else(|| {
                let why = format!(
                    "`{}` is not a whole number of milliseconds",
                    printable(line)
                );
                (line_number, why)
            })?;
        if let Some(before) = all.last().filter(|before| **before > stamp) {
            return Err((line_number, format!("{stamp} comes after {before}")));
        }
        all.push(stamp);
    }
    let Some(length_ms) = all.last().copied().filter(|last| *last > 0) else {
        return Err((0, "it has no stamp above 0 ms".into()));
    };
    let mut steps: Vec<TraceStep> = Vec::new();
    let (mut stamps, mut owed) = (all.into_iter().peekable(), 0);
    for at_ms in (0..length_ms).step_by(WINDOW_MS as usize) {
        let end_ms = (at_ms + WINDOW_MS).min(length_ms);
        let mut packets = 0;
        // The last stamp is also the end.
        while stamps
            .next_if(|ms| *ms < end_ms || end_ms == length_ms)
            .is_some()
        {
            packets += 1;
        }
        // A kernel's class has no rate of nothing: one packet goes, and is taken off what comes later.
        let sent = i64::max(1, packets - owed);
        owed += sent - packets;
        let rate_mbit = sent as f64 * PACKET_BITS / f64::from(end_ms - at_ms) / 1000.0;
        let is_same =
            |last: &TraceStep| last.rate_mbit.is_some_and(|r| (r - rate_mbit).abs() < 1e-9);
        if !steps.last().is_some_and(is_same) {
            steps.push(TraceStep {
                at_ms,
                rate_mbit: Some(rate_mbit),
                ..TraceStep::default()
            });
        }
    }
    Ok((steps, length_ms))
}

/// Columns with names as in configs: `time_s` or `time_ms`, then `rate_mbit`, `latency_ms`, `loss_percent` as far as they
/// change. The last row lasts as long as the one before it.
fn csv(text: &str) -> Parsed {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let broken = |error: csv::Error| {
        let line = error.position().map_or(0, |place| place.line() as usize);
        (line, error.to_string())
    };
    let columns: Vec<String> = reader
        .headers()
        .map_err(broken)?
        .iter()
        .map(str::to_owned)
        .collect();
    let unit_ms = match columns.first().map(String::as_str) {
        Some("time_s") => 1000.0,
        Some("time_ms") => 1.0,
        _ => return Err((1, "the first column is neither time_s nor time_ms".into())),
    };
    let known = ["rate_mbit", "latency_ms", "loss_percent"];
    if let Some(other) = columns
        .iter()
        .skip(1)
        .find(|name| !known.contains(&name.as_str()))
    {
        let why = format!(
            "column `{}` is not one of {}",
            printable(other),
            known.join(", ")
        );
        return Err((1, why));
    }
    if columns.len() < 2 {
        return Err((
            1,
            format!("there is none of the columns {}", known.join(", ")),
        ));
    }
    let mut steps: Vec<TraceStep> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(broken)?;
        let line = record.position().map_or(0, |place| place.line() as usize);
        let mut cells = record.iter();
        let time = cells.next().unwrap_or_default();
        let at_ms = time.parse::<f64>().ok().map(|time| time * unit_ms);
        let at_ms = at_ms.filter(|ms| (0.0..=LATEST_MS).contains(ms));
        let at_ms = at_ms.ok_or_else(|| (line, format!("`{}` is not a time", printable(time))))?;
        let mut step = TraceStep {
            at_ms: at_ms.round() as u32,
            ..TraceStep::default()
        };
        match steps.last() {
            None if step.at_ms != 0 => return Err((line, "the first time is not 0".into())),
            Some(before) if before.at_ms >= step.at_ms => {
                let why = format!("{} ms is not after {} ms", step.at_ms, before.at_ms);
                return Err((line, why));
            }
            _ => {}
        }
        for (name, cell) in columns.iter().skip(1).zip(cells) {
            if cell.is_empty() {
                continue;
            }
            let setting = Setting::of(name).ok_or_else(|| (line, name.clone()))?;
            let value = Some(setting.read(cell).map_err(|why| (line, why))?);
            match name.as_str() {
                "rate_mbit" => step.rate_mbit = value,
                "latency_ms" => step.latency_ms = value,
                _ => step.loss_percent = value,
            }
        }
        steps.push(step);
    }
    let length_ms = match steps.as_slice() {
        [] => return Err((0, "it has no rows".into())),
        [_] => {
            return Err((
                0,
                "it has one row; a link that does not change needs no trace".into(),
            ));
        }
        [.., before, last] => 2 * last.at_ms - before.at_ms,
    };
    Ok((steps, length_ms))
}

/// The mean over the length, of what is given.
pub(super) fn mean_rate_mbit(steps: &[TraceStep], length_ms: u32) -> Option<f64> {
    let ends = steps
        .iter()
        .skip(1)
        .map(|step| step.at_ms)
        .chain([length_ms]);
    let (mut sum, mut time) = (0.0, 0.0);
    for (step, end_ms) in steps.iter().zip(ends) {
        if let Some(rate) = step.rate_mbit {
            let lasts = f64::from(end_ms - step.at_ms);
            (sum, time) = (sum + rate * lasts, time + lasts);
        }
    }
    (time > 0.0).then_some(sum / time)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(text: &str) -> Vec<(u32, f64)> {
        let (steps, _) = stamps(text).unwrap();
        let rate = |s: &TraceStep| (s.at_ms, (s.rate_mbit.unwrap() * 1000.0).round() / 1000.0);
        steps.iter().map(rate).collect()
    }

    #[test]
    fn opportunities_become_rates_of_a_tenth_of_a_second() {
        // Ten packets, then two, in 250 ms.
        let text: String = (0..10).map(|n| (n * 10).to_string() + "\n").collect();
        let text = format!("{text}120\n250\n");
        assert_eq!(rates(&text), [(0, 1.211), (100, 0.121), (200, 0.242)]);
        assert_eq!(stamps(&text).unwrap().1, 250);
    }

    #[test]
    fn a_silent_time_sends_one_packet_and_takes_it_off_what_comes_later() {
        let text = "10\n310\n320\n330\n400\n";
        // Two silent windows owe two packets; four come, two are sent.
        assert_eq!(rates(text), [(0, 0.121), (300, 0.242)]);
    }

    #[test]
    fn csv_has_the_columns_that_it_names() {
        let (steps, length_ms) =
            csv("time_s, rate_mbit, loss_percent\n0, 5, 0\n0.5, 2.5,\n2, 4, 1.5\n").unwrap();
        assert_eq!(length_ms, 3500);
        assert_eq!(steps[1].at_ms, 500);
        assert_eq!(
            (steps[1].rate_mbit, steps[1].loss_percent),
            (Some(2.5), None)
        );
        assert_eq!(steps[2].loss_percent, Some(1.5));
    }

    #[test]
    fn what_is_no_trace_is_told_with_its_line() {
        for (text, line, want) in [
            ("", 0, "no stamp above 0"),
            ("0\n0\n", 0, "no stamp above 0"),
            ("5\n3\n", 2, "3 comes after 5"),
            ("5\n\n", 2, "is not a whole number of milliseconds"),
            ("5\n7.5\n", 2, "`7.5` is not a whole number"),
            ("5\n-7\n", 2, "`-7` is not a whole number"),
            ("99999999999\n", 1, "is not a whole number of milliseconds"),
        ] {
            let (at, why) = stamps(text).unwrap_err();
            assert!(at == line && why.contains(want), "{text:?}: {at}: {why}");
        }
        for (text, line, want) in [
            ("", 1, "neither time_s nor time_ms"),
            ("time_s\n0\n", 1, "none of the columns"),
            ("time_s,speed\n0,1\n", 1, "`speed` is not one of"),
            ("time_s,rate_mbit\n", 0, "no rows"),
            ("time_s,rate_mbit\n0,1\n", 0, "one row"),
            ("time_s,rate_mbit\n1,1\n2,1\n", 2, "first time is not 0"),
            ("time_s,rate_mbit\n0,1\n0,1\n", 3, "0 ms is not after 0 ms"),
            ("time_s,rate_mbit\n0,1\n2\n", 3, "found record with 1 field"),
            (
                "time_s,rate_mbit\n0,nan\n",
                2,
                "rate_mbit is `nan`, allowed",
            ),
            ("time_s,rate_mbit\n0,0\n", 2, "rate_mbit is `0`, allowed"),
            ("time_s,loss_percent\n0,101\n", 2, "loss_percent is `101`"),
            ("time_s,rate_mbit\nx,1\n", 2, "`x` is not a time"),
        ] {
            let (at, why) = csv(text).unwrap_err();
            assert!(at == line && why.contains(want), "{text:?}: {at}: {why}");
        }
    }

    #[test]
    fn huge_files_and_too_many_steps_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(LONGEST_FILE_BYTES + 1).unwrap();
        assert!(read(&path).unwrap_err().contains("more than 16777216"));
        let rows = (0..=MOST_STEPS).map(|n| format!("{n},{}\n", 1 + n % 2));
        let text = format!("time_ms,rate_mbit\n{}", rows.collect::<String>());
        let path = dir.path().join("long.csv");
        std::fs::write(&path, text).unwrap();
        assert!(read(&path).unwrap_err().contains("more than 50000"));
        assert!(read(dir.path()).unwrap_err().contains("not a file"));
    }
}
