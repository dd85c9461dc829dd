//! Disk limits of a guest, in its own kernel. The host sees a guest's disk through its own memory, so that limits of the
//! host would act on something else than what the guest's programs wait for.

use super::report;
use crate::LimitReport;
use continuum_agents::{Agent, GrpcAgent};
use continuum_host::{error::Error, keys::Secrets, state::Deployment};
use continuum_model::NodePlan;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(30);
const DISK: &str = "/dev/ubda";
/// What everything in a guest runs in: services and containers, logins, pods. Each is limited by itself.
const SLICES: [&str; 3] = ["system.slice", "user.slice", "kubepods.slice"];
/// Where the limits are read back: the agent and all that it starts are in there.
const READ_BACK: &str = "/sys/fs/cgroup/system.slice/io.max";

fn set(slice: &str, read_mb_s: u64, write_mb_s: u64) -> Vec<String> {
    let mut argv: Vec<String> = ["systemctl", "set-property", slice]
        .map(str::to_owned)
        .into();
    let limits = [
        ("IOReadBandwidthMax", read_mb_s),
        ("IOWriteBandwidthMax", write_mb_s),
    ];
    // systemd's M is a million.
    let limits = limits.into_iter().filter(|(_, mb_s)| *mb_s > 0);
    argv.extend(limits.map(|(name, mb_s)| format!("{name}={DISK} {mb_s}M")));
    argv
}

/// Megabytes per second for reading and writing of the first disk; 0 = no limit.
fn read_back(text: &str) -> (f64, f64) {
    let value = |name: &str| {
        text.split_whitespace()
            .find_map(|word| word.strip_prefix(name)?.parse::<f64>().ok())
            .map_or(0.0, |bytes| bytes / 1e6)
    };
    (value("rbps="), value("wbps="))
}

/// Sets the limits of a node, for its next start too, and reads them back.
pub(super) async fn apply_limits(
    deployment: &Deployment,
    node: &NodePlan,
) -> Result<Vec<LimitReport>, Error> {
    let (read, write) = (node.disk_read_mb_s, node.disk_write_mb_s);
    if read == 0 && write == 0 {
        return Ok(Vec::new());
    }
    let agent = GrpcAgent::of_node(node, &Secrets::open(deployment)?)?;
    let run = async |argv: &[String]| {
        let output = agent.exec(argv, DEADLINE).await?;
        if output.code == Some(0) {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::Agent {
            doing: format!("limit the disk by `{}`", argv.join(" ")),
            node: node.name.clone(),
            why: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        })
    };
    for slice in SLICES {
        run(&set(slice, read, write)).await?;
    }
    let text = run(&["cat".to_owned(), READ_BACK.to_owned()]).await?;
    let (has_read, has_write) = read_back(&text);
    let reports = vec![
        report(node, "disk_read_mb_s", read as f64, has_read),
        report(node, "disk_write_mb_s", write as f64, has_write),
    ];
    for r in &reports {
        r.check("its kernel")?;
    }
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_limited_is_set() {
        assert_eq!(
            set("system.slice", 20, 0).join(" "),
            "systemctl set-property system.slice IOReadBandwidthMax=/dev/ubda 20M"
        );
        assert!(
            set("user.slice", 20, 10)
                .join(" ")
                .ends_with("IOWriteBandwidthMax=/dev/ubda 10M")
        );
    }

    #[test]
    fn the_kernels_own_words_are_read() {
        assert_eq!(
            read_back("98:0 rbps=20000000 wbps=10000000 riops=max wiops=max\n"),
            (20.0, 10.0)
        );
        assert_eq!(
            read_back("98:0 rbps=max wbps=10000000 riops=max wiops=max\n"),
            (0.0, 10.0)
        );
        assert_eq!(read_back(""), (0.0, 0.0));
    }
}
