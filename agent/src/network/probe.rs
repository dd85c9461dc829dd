//! Round-trip times with `ping`.

use crate::{error::AgentError, process};
use std::{net::IpAddr, time::Duration};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Probe {
    /// Round-trip times in the order they came, milliseconds.
    pub rtt_ms: Vec<f64>,
    pub sent: u32,
}

/// Sends `count` echo requests, `interval` apart.
pub(crate) async fn probe(
    address: IpAddr,
    count: u32,
    interval: Duration,
) -> Result<Probe, AgentError> {
    let count = count.clamp(1, 10_000);
    let interval = interval.clamp(Duration::from_millis(2), Duration::from_secs(10));
    let deadline = interval * count + Duration::from_secs(10);
    let (count_text, interval_text, address_text) = (
        count.to_string(),
        format!("{:.3}", interval.as_secs_f64()),
        address.to_string(),
    );
    let argv = [
        "ping",
        "-n",
        "-c",
        &count_text,
        "-i",
        &interval_text,
        "-W",
        "5",
        &address_text,
    ];
    // Exit code 1 means that some or all were lost, which is a result and not an error.
    let output = process::run_unchecked(&argv, None, deadline).await?;
    if !matches!(output.code, Some(0 | 1)) {
        return Err(AgentError::Program {
            program: argv.join(" "),
            how: output.how(),
            said: process::tail_text(&output.stderr, 300),
        });
    }
    Ok(Probe {
        rtt_ms: parse(&String::from_utf8_lossy(&output.stdout)),
        sent: count,
    })
}

fn parse(text: &str) -> Vec<f64> {
    text.lines()
        .filter_map(|line| {
            line.split_once("time=")?
                .1
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_from_pings_words() {
        let text = "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
            64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=15.2 ms\n\
            64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=0.031 ms\n\n\
            --- 127.0.0.1 ping statistics ---\n3 packets transmitted, 2 received, 33% packet loss, time 1001ms\n";
        assert_eq!(parse(text), [15.2, 0.031]);
    }
}
