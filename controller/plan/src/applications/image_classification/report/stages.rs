//! Where time went: generate · uplink · queue · decode · infer · downlink, and whether that is all of it. One-way times use
//! the measured difference of two clocks; end to end is by one clock.

use super::{NodeRun, Report, ms};
use crate::applications::image_classification::sender::Sender;
use continuum_model::{Clocks, END_TO_END, Mode, OF_TWO_CLOCKS, stage::reply_ns, stages_ns};
use continuum_workload_core::{photo_sample::Sample, stats::LatencyHistogram};
use std::collections::HashMap;

/// Photos whose stages are not all of their time: one of them is as if it had been shorter than nothing.
#[derive(Debug, Default)]
struct Sums<'a> {
    photos: u64,
    apart: u64,
    /// What is too much, nanoseconds, of which photo.
    worst: Option<(i64, &'a Sample)>,
}

impl<'a> Sums<'a> {
    fn add(&mut self, sample: &'a Sample, sender: &Sender<'_>, stages: &[(&'static str, i64)]) {
        let (mut whole, mut sum) = (0, reply_ns(sample, sender.way).max(0));
        for (name, ns) in stages {
            if *name == END_TO_END {
                whole = *ns;
            } else {
                sum += (*ns).max(0);
            }
        }
        self.photos += 1;
        let apart = (sum - whole).abs();
        if apart > sender.clock_error_ns() {
            self.apart += 1;
            if self.worst.is_none_or(|(worst, _)| apart > worst) {
                self.worst = Some((apart, sample));
            }
        }
    }

    fn note(&self, error_ns: i64) -> Option<String> {
        let (worst, sample) = self.worst?;
        Some(format!(
            "stages do not add up to {END_TO_END}: of {} of {} photos by more than the ± {:.2} ms that clocks are known to, at worst \
             by {:.2} ms (photo {} of {}); it was sent again, or a clock is not what it was measured to be",
            self.apart,
            self.photos,
            ms(error_ns),
            ms(worst),
            sample.id,
            sample.endpoint
        ))
    }
}

pub(super) fn add(
    report: &mut Report,
    mode: Mode,
    runs: &[NodeRun],
    clocks: &Clocks,
    warm_up_s: f64,
) {
    let senders = Sender::all(mode, runs, clocks, warm_up_s);
    let mut left_out = 0;
    let mut histograms: HashMap<&str, LatencyHistogram> = HashMap::new();
    let mut worst_error_ns = 0;
    let mut sums = Sums::default();
    for sender in &senders {
        for sample in sender.classified() {
            if sender.is_warm_up(sample) {
                left_out += 1;
                continue;
            }
            worst_error_ns = worst_error_ns.max(sender.clock_error_ns());
            let stages = stages_ns(sample, sender.way);
            sums.add(sample, sender, &stages);
            for (name, ns) in stages {
                histograms.entry(name).or_default().record_ns(ns);
            }
        }
    }
    if left_out > 0 {
        report.notes.push(format!(
            "the first {warm_up_s} s are warm-up: {left_out} photos that were due then count in no percentile; tables of \
             upstream's have them"
        ));
    }
    if worst_error_ns > 0 {
        report.notes.push(format!(
            "uplink, downlink and delay compare two clocks, whose difference is known to ± {:.2} ms",
            ms(worst_error_ns)
        ));
        for stage in OF_TWO_CLOCKS {
            let error_ms = ms(worst_error_ns);
            report.stage_errors_ms.insert(stage.to_owned(), error_ms);
        }
    }
    report.notes.extend(sums.note(worst_error_ns));
    for (name, histogram) in histograms {
        if let Some(percentiles) = histogram.percentiles() {
            report.stages.insert(name.to_owned(), percentiles);
        }
    }
}
