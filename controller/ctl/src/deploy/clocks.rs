//! Clocks of machines: set by ours, so that logs and programs of users tell the same time on every node.

use crate::session::Session;
use continuum_host::error::{Error, chain};
use continuum_model::ClockOffset;
use std::collections::BTreeMap;

/// Less is left alone: it is what a call takes on a busy host.
const LEAST_NS: i64 = 1_000_000;

/// Sets the clocks that are further off than can be measured. Returns how far each is off then. One that cannot be set is
/// said, and stops nothing: what compares two nodes is corrected by these numbers.
pub async fn set_clocks(session: &Session) -> Result<BTreeMap<String, ClockOffset>, Error> {
    // Others share the clock of this machine.
    let are_own = session.provider.capabilities().has_machines;
    let offsets = session.agents().iter().map(|agent| async move {
        let agent = &**agent;
        let mut offset = agent.clock_offset().await?;
        if are_own && is_off(offset) {
            match agent.adjust_clock(-offset.offset_ns).await {
                Ok(()) => offset = agent.clock_offset().await?,
                Err(error) => session.context.progress.line(&format!(
                    "the clock of node {} is {:.0} ms off, and stays so: failed to {}",
                    agent.node(),
                    offset.offset_ns as f64 / 1e6,
                    chain(&error)
                )),
            }
        }
        Ok::<_, Error>((agent.node().to_owned(), offset))
    });
    let offsets = futures_util::future::try_join_all(offsets).await?;
    Ok(offsets.into_iter().collect())
}

fn is_off(offset: ClockOffset) -> bool {
    offset.offset_ns.abs() > LEAST_NS.max(offset.error_ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_more_than_the_error_of_the_measurement_is_corrected() {
        let of = |offset_ns, error_ns| {
            is_off(ClockOffset {
                offset_ns,
                error_ns,
            })
        };
        assert!(of(-800_000_000, 200_000) && of(1_100_000, 200_000));
        assert!(!of(900_000, 200_000) && !of(-4_000_000, 5_000_000));
    }
}
