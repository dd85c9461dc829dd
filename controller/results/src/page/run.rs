//! The page of one run.

use super::{Badge, Page, Tile, sections};
use crate::{
    data_table::{NONE, number},
    read::{ResultFile, RunFiles},
};
use continuum_host::error::Error;
use continuum_model::{Acceleration, END_TO_END, Validity};
use time::{OffsetDateTime, macros::format_description};

/// When a run began, in UTC.
pub(crate) fn when(result: &ResultFile) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    let begun =
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(result.begun_unix_ns.unix_ns()));
    begun
        .ok()
        .and_then(|begun| begun.format(format).ok())
        .unwrap_or_default()
}

/// What a verdict is called, and what it means.
pub(crate) fn badge(result: &ResultFile) -> Badge {
    let (class, word, meaning) = match result.validity {
        Validity::Valid => (
            "valid",
            "✓ Valid.",
            "Complete, and links and machines were measured to be what was asked for.",
        ),
        Validity::Unverified => (
            "unverified",
            "? Unverified.",
            "Complete, but not proven: links and machines may be others than those that were asked for.",
        ),
        Validity::Invalid => (
            "invalid",
            "✗ Invalid.",
            "Do not use it; the reasons are below.",
        ),
    };
    Badge {
        class,
        word: word.into(),
        meaning: meaning.into(),
    }
}

fn subtitle(result: &ResultFile) -> String {
    let application = result.config_text("/benchmark/application").unwrap_or(NONE);
    let manager = result
        .config_text("/software/resource_manager")
        .unwrap_or(NONE);
    let acceleration = result.facts.acceleration.as_ref();
    let accelerator = acceleration.map_or(NONE, Acceleration::as_text);
    let when = when(result);
    let nodes = result.plan.nodes.len();
    format!("{application} with {manager} on {nodes} nodes · guests: {accelerator} · {when}")
}

fn tiles(result: &ResultFile) -> Vec<Tile> {
    let mut tiles = Vec::new();
    let mut add = |label: &str, value: String| {
        let label = label.to_owned();
        tiles.push(Tile { value, label });
    };
    if let Some(all) = result.stages_ms.get(END_TO_END) {
        let percentiles = [
            ("p50 from due", Some(all.p50_ms)),
            ("p95 from due", all.p95_ms()),
            ("p99 from due", all.p99_ms()),
        ];
        for (label, ms) in percentiles {
            let value = ms.map_or_else(|| NONE.to_owned(), |ms| format!("{} ms", number(ms)));
            add(label, value);
        }
    }
    let count = |name| result.counts.get(name).copied();
    if let (Some(answered), Some(asked)) = (count("answered"), count("asked")) {
        add("answered of asked", format!("{answered} / {asked}"));
    }
    for (name, label) in [
        ("lost", "lost"),
        ("slips", "sent late"),
        ("calls", "calls"),
        ("failed_calls", "failed calls"),
    ] {
        if let Some(count) = count(name) {
            add(label, count.to_string());
        }
    }
    tiles
}

pub(crate) fn page(run: &RunFiles) -> Result<Page, Error> {
    let mut parts = Vec::new();
    for section in sections::ALL {
        parts.extend(section(run)?);
    }
    Ok(Page {
        title: run.result.name.clone(),
        subtitle: subtitle(&run.result),
        badge: badge(&run.result),
        tiles: tiles(&run.result),
        sections: parts,
    })
}
