//! Asked and measured, for people.

use super::{judged, output::Output};
use crate::{
    session::Session,
    verify::{self, Scope},
};
use clap::ValueEnum;
use continuum_host::{context::Context, error::Error, progress::note};
use continuum_model::{Spread, Verdict, Verification, VerifyMode, VerifyRow, digits};
use serde_json::json;

/// How much is measured of what was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Verify {
    /// Nothing: results are unverified
    Off,
    /// One way of all that are alike, every node, in some seconds
    #[default]
    Quick,
    /// Every way and every node, for longer
    Full,
}

impl From<Verify> for VerifyMode {
    fn from(verify: Verify) -> Self {
        match verify {
            Verify::Off => Self::Off,
            Verify::Quick => Self::Quick,
            Verify::Full => Self::Full,
        }
    }
}

/// What a mode does not see.
const QUICK: &str = "quick: one way of all that were asked to be alike; loss below 1 % is not seen; cores and disks \
                     for a second at most, so that a limit is known to some percent; --verify full measures all of it";

/// Measures a live deployment, until its user has heard enough.
pub(super) async fn measure(
    session: &Session,
    mode: VerifyMode,
    scope: Scope<'_>,
) -> Result<Verification, Error> {
    let context = &session.context;
    let verify = async {
        tokio::select! {
            verified = verify::verify(session, mode, scope) => verified,
            () = context.cancel.cancelled() => Err(Error::Interrupted),
        }
    };
    context.progress.stage("verify", verify).await
}

/// After `up`: what is not as asked is told; it is up all the same, and a bench on it will be invalid.
pub(super) async fn after_up(
    context: &Context,
    output: &Output,
    name: &str,
    mode: VerifyMode,
) -> Result<(), Error> {
    if mode == VerifyMode::Off {
        return Ok(());
    }
    let session = Session::open(context, name)?;
    let verification = measure(&session, mode, Scope::All).await?;
    tell(output, &verification);
    Ok(())
}

/// `network NAME verify`.
pub(super) async fn command(
    session: &Session,
    output: &Output,
    mode: VerifyMode,
) -> Result<(), Error> {
    let verification = measure(session, mode, Scope::All).await?;
    session.context.progress.finish();
    show(output, &verification);
    for row in &verification.rows {
        if let (Some(spread), true) = (row.spread, row.subject.to.is_some()) {
            output.text(&line_of(row, &spread));
        }
    }
    let reasons = verification.rows_that_are(Verdict::OutOfTolerance);
    judged(reasons.map(ToString::to_string).collect())
}

fn line_of(row: &VerifyRow, spread: &Spread) -> String {
    format!(
        "{} {}: {} probes, mean {}, sd {}, p50 {}, p99 {} {}",
        row.subject,
        row.quantity.name(),
        spread.count,
        digits(spread.mean),
        digits(spread.deviation),
        digits(spread.p50),
        digits(spread.p99),
        row.unit
    )
}

/// The table, and a warning for each number that is not as asked.
pub(super) fn tell(output: &Output, verification: &Verification) {
    show(output, verification);
    for row in verification.rows_that_are(Verdict::OutOfTolerance) {
        note(&format!("warning: not as asked: {row}"));
    }
}

fn show(output: &Output, verification: &Verification) {
    let cells = |row: &VerifyRow| {
        let number = |value: Option<f64>| value.map_or("-".to_owned(), digits);
        vec![
            row.subject.to_string(),
            format!("{} ({})", row.quantity.name(), row.unit),
            number(row.asked),
            number(row.measured),
            row.tolerance(),
            word(row.verdict).to_owned(),
        ]
    };
    output.table(
        &[
            "node or way",
            "what",
            "asked",
            "measured",
            "tolerance",
            "is it so",
        ],
        verification.rows.iter().map(cells).collect(),
    );
    for row in verification.rows_that_are(Verdict::NotMeasured) {
        output.text(&format!("not measured: {row}"));
    }
    for text in &verification.notes {
        output.text(&format!("host: {text}"));
    }
    output.text(&cost("now", verification));
    if verification.mode == VerifyMode::Quick {
        output.text(QUICK);
    }
    output.json(&json!({ "verification": verification }));
}

/// What it took.
pub(super) fn cost(when: &str, verification: &Verification) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let known = verification.rows.iter().filter(|r| r.measured.is_some());
    format!(
        "measured {when} ({}): {} numbers in {:.1} s, {:.1} MB over links, {:.1} MB of disks",
        verification.mode.name(),
        known.count(),
        verification.seconds,
        megabytes(verification.network_bytes),
        megabytes(verification.disk_bytes)
    )
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::InTolerance => "yes",
        Verdict::OutOfTolerance => "NO",
        Verdict::NotMeasured => "unknown",
        Verdict::NotAsked => "not asked",
    }
}
