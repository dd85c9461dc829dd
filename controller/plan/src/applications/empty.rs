//! `empty`: one sleeping program on each worker, or on each endpoint where there are no workers.

use super::timed_workers::TimedWorkers;
use continuum_config::Empty;
use continuum_workload_core::spec::{Role as Does, Sleep};

impl TimedWorkers for Empty {
    const LENGTH_OPTION: &'static str = "benchmark.sleep_time_s";
    const TITLE: &'static str = "EMPTY OUTPUT";

    fn length_s(&self) -> f64 {
        self.sleep_time_s
    }

    fn role(&self) -> Does {
        Does::Sleep(Sleep {
            sleep_s: self.sleep_time_s,
        })
    }
}
