//! A limit on connections in front of the broker, in the kernel: the embedded broker panics above its own.

use crate::{error::AgentError, process};
use std::time::Duration;

const TABLE: &str = "continuum_broker";
/// `nft` answers within milliseconds; more than ten seconds were seen while five emulated machines started at once.
const DEADLINE: Duration = Duration::from_mins(1);

fn rules(port: u16, max_connections: u32) -> String {
    // `add` then `delete` makes this work whether the table exists or not, in one transaction.
    format!(
        "add table inet {TABLE}\n\
         delete table inet {TABLE}\n\
         table inet {TABLE} {{\n\
         \tchain input {{\n\
         \t\ttype filter hook input priority filter; policy accept;\n\
         \t\ttcp dport {port} ct state new ct count over {max_connections} counter reject with tcp reset\n\
         \t}}\n\
         }}\n"
    )
}

/// Refuses new connections to `port` beyond `max_connections`.
pub(super) async fn limit(port: u16, max_connections: u32) -> Result<(), AgentError> {
    process::run(
        &["nft", "-f", "-"],
        Some(rules(port, max_connections).as_bytes()),
        DEADLINE,
    )
    .await
    .map(|_| ())
}

/// Takes the limit away.
pub(super) async fn lift() {
    let removed =
        process::run_unchecked(&["nft", "delete", "table", "inet", TABLE], None, DEADLINE).await;
    if let Err(error) = removed {
        tracing::warn!(
            "connection limit not removed: {}",
            crate::error::chain(&error)
        );
    }
}
