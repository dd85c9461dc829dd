//! What the labels of a function say about its replicas.

use crate::error::ApiError;
use continuum_openfaas_api::Texts;
use std::time::Duration;

const PREFIX: &str = "com.openfaas.scale.";
/// The label that says how many replicas there may be.
pub(super) const MAX: &str = "com.openfaas.scale.max";
/// Without a maximum of its own.
const DEFAULT_MAX: u64 = 5;
/// Requests per second that one more replica is for, where labels say nothing.
const DEFAULT_TARGET: f64 = 5.0;

/// What counts as load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Requests in flight.
    InFlight,
    /// Requests that began in a second.
    PerSecond,
}

/// How a function is scaled.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scaling {
    pub(crate) min: u64,
    pub(crate) max: u64,
    pub(crate) load: Load,
    /// Load of one replica.
    pub(crate) target: f64,
    /// Nothing changes its replicas but who asks for it.
    pub(crate) is_fixed: bool,
    /// It has no replica when it is idle.
    pub(crate) to_zero: bool,
    /// Idle time; none = the gateway's own.
    pub(crate) zero_after: Option<Duration>,
}

impl Scaling {
    pub(crate) fn of(labels: &Texts) -> Result<Self, ApiError> {
        let text = |what: &str| labels.get(&format!("{PREFIX}{what}")).map(String::as_str);
        let wrong = |what: &str, value: &str, how: &str| {
            ApiError::bad_request(format!("label `{PREFIX}{what}` is `{value}`; {how}"))
        };
        let number = |what: &str| {
            text(what)
                .map(|value| {
                    value
                        .parse::<f64>()
                        .ok()
                        .filter(|n| n.is_finite() && *n >= 0.0)
                        .ok_or_else(|| wrong(what, value, "it must be a number, 0 or more"))
                })
                .transpose()
        };
        let whole = |what: &str, default: u64| -> Result<u64, ApiError> {
            number(what)?.map_or(Ok(default), |n| {
                if n.fract() > 0.0 {
                    return Err(wrong(what, &n.to_string(), "it must be a whole number"));
                }
                Ok(n as u64)
            })
        };
        // OpenFaaS takes 0 for the least as 1: to zero is another label.
        let min = whole("min", 1)?.max(1);
        let max = whole("max", DEFAULT_MAX.max(min))?;
        if max < min {
            let how = format!("it must not be less than {PREFIX}min, which is {min}");
            return Err(wrong("max", &max.to_string(), &how));
        }
        let load = match text("type") {
            None | Some("rps") => Load::PerSecond,
            Some("capacity") => Load::InFlight,
            Some(other) => {
                return Err(wrong("type", other, "it must be `capacity` or `rps`"));
            }
        };
        let proportion = number("target-proportion")?.unwrap_or(1.0);
        let target = number("target")?.unwrap_or(DEFAULT_TARGET) * proportion;
        if target <= 0.0 {
            return Err(wrong("target", "0", "it must be more than 0"));
        }
        let is_off = number("factor")?.is_some_and(|f| f <= 0.0);
        let to_zero = match text("zero") {
            None | Some("false") => false,
            Some("true") => true,
            Some(other) => return Err(wrong("zero", other, "it must be true or false")),
        };
        let zero_after = text("zero-duration")
            .map(|value| {
                humantime::parse_duration(value)
                    .map_err(|_| wrong("zero-duration", value, "write it as 30s or 15m"))
            })
            .transpose()?;
        let says_how = ["max", "type", "target"].iter().any(|w| text(w).is_some());
        Ok(Self {
            min,
            max,
            load,
            target,
            is_fixed: is_off || !says_how || min == max,
            to_zero,
            zero_after,
        })
    }

    /// Replicas for a load.
    pub(crate) fn for_load(&self, load: f64) -> u64 {
        ((load / self.target).ceil() as u64).clamp(self.min, self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaling(labels: &[(&str, &str)]) -> Result<Scaling, ApiError> {
        let labels = labels.iter();
        Scaling::of(
            &labels
                .map(|(k, v)| (format!("{PREFIX}{k}"), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn labels_say_between_which_numbers_and_for_which_load() {
        let plain = scaling(&[]).unwrap();
        assert!(plain.is_fixed && !plain.to_zero);
        assert_eq!((plain.min, plain.max), (1, 5));
        let own = scaling(&[("max", "4"), ("type", "capacity"), ("target", "2")]).unwrap();
        assert!(!own.is_fixed);
        assert_eq!(own.load, Load::InFlight);
        let wanted: Vec<u64> = [0.0, 2.0, 2.1, 7.0, 100.0].map(|l| own.for_load(l)).into();
        assert_eq!(wanted, [1, 1, 2, 4, 4]);
        assert!(scaling(&[("min", "2"), ("max", "2")]).unwrap().is_fixed);
        assert!(scaling(&[("max", "4"), ("factor", "0")]).unwrap().is_fixed);
        let zero = scaling(&[("zero", "true"), ("zero-duration", "20s")]).unwrap();
        assert_eq!(
            (zero.to_zero, zero.zero_after),
            (true, Some(Duration::from_secs(20)))
        );
    }

    #[test]
    fn wrong_labels_are_named() {
        for (label, value) in [
            ("min", "few"),
            ("max", "-1"),
            ("max", "1.5"),
            ("type", "cpu"),
            ("target", "0"),
            ("zero", "yes"),
            ("zero-duration", "soon"),
        ] {
            let error = scaling(&[(label, value)]).unwrap_err();
            assert!(error.text.contains(&format!("{PREFIX}{label}")), "{error}");
        }
        assert!(scaling(&[("min", "3"), ("max", "2")]).is_err());
    }
}
