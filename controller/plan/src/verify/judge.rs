//! What a measured number says about the one that was asked for.

use super::{
    cause,
    tolerances::{Tolerance, Tolerances},
};
use continuum_model::{
    Asked, HostFacts, Measured, Measurements, Provable, Quantity, Subject, Verdict, VerifyRow,
};

/// In which a quota is counted, by every provider.
const QUOTA_PERIOD_S: f64 = 0.1;
/// A number is taken for another one where chance gives that in one of 370 cases.
const SIGMAS: f64 = 3.0;
/// The median of normal values is that much less certain than their mean.
const MEDIAN: f64 = 1.2533;

/// Compares everything that was asked with what was measured. Without tolerances nothing is judged.
pub fn judge(
    asked: &[Asked],
    measured: &Measurements,
    tolerances: Option<&Tolerances>,
    host: &HostFacts,
) -> Vec<VerifyRow> {
    let row = |asked: &Asked| {
        let key = (asked.subject.clone(), asked.quantity);
        let nobody = Err("nobody measured it".to_owned());
        let measured = measured.get(&key).unwrap_or(&nobody);
        row(asked, measured, tolerances, host)
    };
    asked.iter().map(row).collect()
}

fn row(
    asked: &Asked,
    measured: &Result<Measured, String>,
    tolerances: Option<&Tolerances>,
    host: &HostFacts,
) -> VerifyRow {
    let number = measured.as_ref().ok();
    let mut row = VerifyRow {
        subject: asked.subject.clone(),
        quantity: asked.quantity,
        unit: asked.quantity.unit(),
        asked: asked.value,
        measured: number.map(|m| m.value),
        least: None,
        most: None,
        verdict: Verdict::NotAsked,
        cause: measured.as_ref().err().cloned(),
        samples: number.map_or(0, |m| m.samples),
        seconds: number.map_or(0.0, |m| m.seconds),
        spread: number.and_then(|m| m.spread),
        tries: 1,
    };
    let (Some(value), Some(all)) = (asked.value, tolerances) else {
        if asked.value.is_some() {
            row.verdict = Verdict::NotMeasured;
            row.cause = Some("there are no tolerances for this provider".into());
        }
        return row;
    };
    let Some(number) = number else {
        row.verdict = Verdict::NotMeasured;
        return row;
    };
    if let Provable::Not(why) = asked.provable {
        row.verdict = Verdict::NotMeasured;
        row.cause = Some(why.into());
        return row;
    }
    let (least, most) = bounds(asked, value, number, all, host);
    (row.least, row.most) = (least, most);
    let is_less = least.is_some_and(|least| number.value < least);
    let is_more = most.is_some_and(|most| number.value > most);
    row.verdict = if is_less || is_more {
        row.cause = Some(cause::of(&row, is_more, host));
        Verdict::OutOfTolerance
    } else {
        Verdict::InTolerance
    };
    row
}

fn tolerance_of(all: &Tolerances, quantity: Quantity) -> Option<Tolerance> {
    match quantity {
        Quantity::RoundTrip => Some(all.round_trip),
        Quantity::Jitter => Some(all.jitter),
        Quantity::Loss => Some(all.loss),
        Quantity::Rate => Some(all.rate),
        Quantity::Processor => Some(all.processor),
        Quantity::DiskRead | Quantity::DiskWrite => Some(all.disk),
        Quantity::Memory => Some(all.memory),
        Quantity::Reordering | Quantity::Clock => None,
    }
}

/// The smallest and the largest number that are as asked; `None` = any.
fn bounds(
    asked: &Asked,
    value: f64,
    measured: &Measured,
    all: &Tolerances,
    host: &HostFacts,
) -> (Option<f64>, Option<f64>) {
    let Some(tolerance) = tolerance_of(all, asked.quantity) else {
        return (None, None);
    };
    let chance = chance(asked, value, measured);
    let mut below = tolerance.below.of(value) + chance;
    if asked.quantity == Quantity::Processor && is_overcommitted(host) {
        below = below.max(all.processor_below_if_overcommitted * value);
    }
    let is_ceiling = asked.provable == Provable::AtMost
        || asked.quantity == Quantity::Rate && value > all.most_rate_mbit;
    let least = (!is_ceiling).then_some((value - below).max(0.0));
    let most = value + tolerance.above.of(value) + chance;
    (least, most.is_finite().then_some(most))
}

/// What the measurement itself is uncertain by.
fn chance(asked: &Asked, value: f64, measured: &Measured) -> f64 {
    let samples = f64::from(measured.samples.max(1));
    match asked.quantity {
        Quantity::RoundTrip => SIGMAS * MEDIAN * asked.deviation / samples.sqrt(),
        Quantity::Loss => {
            let share = (value / 100.0).clamp(0.0, 1.0);
            100.0 * SIGMAS * (share * (1.0 - share) / samples).sqrt()
        }
        // A time that is no whole number of periods has up to one more or less of the busy part.
        Quantity::Processor => {
            let share = value.clamp(0.0, 1.0);
            share * (1.0 - share) * QUOTA_PERIOD_S / measured.seconds.max(QUOTA_PERIOD_S)
        }
        _ => 0.0,
    }
}

fn is_overcommitted(host: &HostFacts) -> bool {
    host.promised_cores > host.cores as f64
}

/// What readers must know about the host while it was measured.
pub fn notes(host: &HostFacts, rows: &[VerifyRow]) -> Vec<String> {
    let mut notes = cause::spoilers(host);
    let governor = &*host.governor;
    if !governor.is_empty() && governor != "performance" {
        notes.push(format!(
            "the processor's frequency is governed by `{governor}`: how fast a core is depends on its load"
        ));
    }
    let ceiling = |row: &&VerifyRow| row.quantity == Quantity::Rate && row.least.is_none();
    let asked = |row: &VerifyRow| row.asked.unwrap_or(0.0);
    let slower = rows
        .iter()
        .filter(ceiling)
        .filter(|row| row.measured.is_some_and(|rate| rate < 0.9 * asked(row)));
    let texts: Vec<String> = slower
        .map(|row| {
            let rate = row.measured.unwrap_or(0.0);
            format!("{} {rate:.0} of {:.0}", row.subject, asked(row))
        })
        .collect();
    if !texts.is_empty() {
        notes.push(format!(
            "less came through than was asked for, by what guests here can carry, or by TCP where packets are lost (Mbit/s): {}",
            texts.join(", ")
        ));
    }
    notes
}

/// The better of two tries of a number: the one nearer to what was asked.
pub(super) fn distance(row: &VerifyRow) -> f64 {
    match (row.asked, row.measured) {
        (Some(asked), Some(measured)) => (measured - asked).abs(),
        _ => f64::INFINITY,
    }
}

/// Takes over what was measured better in another try.
pub fn best_of(rows: &mut [VerifyRow], again: Vec<VerifyRow>) {
    let is_of = |row: &VerifyRow, subject: &Subject, quantity: Quantity| {
        row.subject == *subject && row.quantity == quantity
    };
    for mut new in again {
        let Some(row) = rows
            .iter_mut()
            .find(|row| is_of(row, &new.subject, new.quantity))
        else {
            continue;
        };
        new.tries = row.tries + 1;
        let is_good = new.verdict == Verdict::InTolerance;
        if is_good || distance(&new) < distance(row) {
            *row = new;
        } else {
            row.tries = new.tries;
        }
    }
}

#[cfg(test)]
mod tests;
