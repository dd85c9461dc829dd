//! How many photos a config asks for, at its rate and at any other.

use super::MOST_PHOTOS;
use continuum_config::{ApplicationConfig, Config};

/// What rates a config of photos may have, and how many photos count then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhotoLoad {
    /// Photos a second of each endpoint.
    pub rate_hz: f64,
    pub duration_s: f64,
    endpoints: f64,
    warm_up_s: f64,
}

impl PhotoLoad {
    /// `None` where no photos are sent.
    pub fn of(config: &Config) -> Option<Self> {
        let benchmark = config.benchmark.as_ref()?;
        let ApplicationConfig::ImageClassification(own) = &benchmark.application else {
            return None;
        };
        Some(Self {
            rate_hz: own.frequency,
            duration_s: benchmark.duration_s,
            endpoints: config.infrastructure.tiers.endpoint.nodes.into(),
            warm_up_s: own.warm_up_s,
        })
    }

    /// Photos of all endpoints that are due after the warm-up.
    pub fn counted(&self, rate_hz: f64) -> u64 {
        let all = (rate_hz * self.duration_s).round().max(1.0);
        let warm_up = (rate_hz * self.warm_up_s).ceil();
        (self.endpoints * (all - warm_up)).max(0.0) as u64
    }

    /// About the lowest rate with so many photos that count, of three digits; not fewer.
    pub fn least_hz(&self, counted: u64) -> f64 {
        // One more of each endpoint: whichever way they are rounded, there are enough.
        let of_each = (counted as f64 / self.endpoints).ceil() + 1.0;
        let exact_hz = of_each / (self.duration_s - self.warm_up_s);
        let factor = 10_f64.powf(2.0 - exact_hz.log10().floor());
        (exact_hz * factor).ceil() / factor
    }

    /// The highest rate whose photos one run can keep.
    pub fn most_hz(&self) -> f64 {
        MOST_PHOTOS / self.duration_s
    }

    /// A config with another rate.
    #[must_use]
    pub fn at_rate(config: &Config, rate_hz: f64) -> Config {
        let mut config = config.clone();
        if let Some(benchmark) = &mut config.benchmark
            && let ApplicationConfig::ImageClassification(own) = &mut benchmark.application
        {
            own.frequency = rate_hz;
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_of_a_rate_are_those_after_the_warm_up_of_all_endpoints() {
        let load = PhotoLoad {
            rate_hz: 2.0,
            duration_s: 60.0,
            endpoints: 2.0,
            warm_up_s: 10.0,
        };
        assert_eq!(load.counted(2.0), 2 * (120 - 20));
        assert_eq!(load.counted(0.15), 2 * (9 - 2));
        for wanted in [1, 200, 1000] {
            let least_hz = load.least_hz(wanted);
            let there = load.counted(least_hz);
            assert!(
                (wanted..wanted + wanted / 50 + 6).contains(&there),
                "{wanted}: {there}"
            );
        }
    }

    #[test]
    fn another_rate_changes_nothing_else() {
        let text = "[infrastructure]\nprovider = \"local\"\nendpoint = { nodes = 2, cores = 1, memory_mib = 512 }\n\
                    [software]\nresource_manager = \"none\"\n\
                    [benchmark]\napplication = \"image_classification\"\nfrequency = 2\nduration_s = 60\n";
        let config = crate::parse(text, "t.toml", false, "t", &[])
            .unwrap()
            .config;
        assert_eq!(PhotoLoad::of(&config).unwrap().counted(2.0), 240);
        let faster = PhotoLoad::at_rate(&config, 7.5);
        let other = PhotoLoad::of(&faster).unwrap();
        assert!((other.rate_hz - 7.5).abs() < 1e-9, "{other:?}");
        assert_eq!(PhotoLoad::at_rate(&faster, 2.0), config);
    }
}
