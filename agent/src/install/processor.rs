//! What the kubelet and edgecore want to read about the processor.

use super::{Progress, StepState, unit};
use crate::{error::AgentError, system::System};
use std::time::Duration;

const DEADLINE: Duration = Duration::from_mins(2);
const OWN: &str = "/proc/cpuinfo";
const COPY: &str = "/etc/kubernetes/continuum-cpuinfo";
const UNIT: &str = "continuum-cpuinfo.service";
const UNIT_FILE: &str = "/etc/systemd/system/continuum-cpuinfo.service";
const UNIT_TEXT: &str = "\
[Unit]
Description=A frequency in /proc/cpuinfo
Before=kubelet.service edgecore.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/mount --bind /etc/kubernetes/continuum-cpuinfo /proc/cpuinfo
ExecStop=/usr/bin/umount /proc/cpuinfo

[Install]
WantedBy=multi-user.target
";
const FREQUENCY: &str = "cpu MHz";

/// The kubelet (its cAdvisor) does not start where no frequency is known, and User Mode Linux tells none. A copy with one
/// is laid over what the kernel says, now and at every boot.
pub(super) async fn tell_frequency(
    system: &dyn System,
    progress: &Progress,
) -> Result<(), AgentError> {
    let own = system.run(&["cat", OWN], DEADLINE).await?;
    let Some(copy) = with_frequency(&own)? else {
        return Ok(());
    };
    system.write(COPY, &copy, 0o444).await?;
    system.write(UNIT_FILE, UNIT_TEXT, 0o644).await?;
    unit::enable(UNIT, system).await?;
    unit::restart(UNIT, system).await?;
    let about = "/proc/cpuinfo has a frequency";
    progress.report("processor", StepState::Done, about);
    Ok(())
}

/// `None` where it has one, or says nothing of processors. `bogomips` is what the kernel has measured at boot: twice the
/// turns of its delay loop in a microsecond, and a turn takes a processor about a cycle.
fn with_frequency(own: &str) -> Result<Option<String>, AgentError> {
    let value = |line: &str, name: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    };
    let first = |name: &str| own.lines().find_map(|line| value(line, name));
    if first(FREQUENCY).is_some() || first("processor").is_none() {
        return Ok(None);
    }
    let turns: Option<f64> = first("bogomips").and_then(|text| text.parse().ok());
    let Some(turns) = turns else {
        return Err(AgentError::Unsupported {
            doing: "run pods",
            why: "its /proc/cpuinfo has neither `cpu MHz`, which the kubelet needs, nor `bogomips` to take it from",
        });
    };
    let mut text = String::with_capacity(own.len() + 64);
    for line in own.lines() {
        text.push_str(line);
        text.push('\n');
        if value(line, "model name").is_some() {
            text.push_str(&format!("{FREQUENCY}\t\t: {:.3}\n", turns / 2.0));
        }
    }
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::fake::RecordingSystem;

    const UML: &str = "processor\t: 0\nvendor_id\t: User Mode Linux\nmodel name\t: UML\nmode\t\t: skas\n\
        host\t\t: Linux host 6.1 x86_64\nfpu\t\t: yes\nflags\t\t: fpu sse2\nbogomips\t: 5200.08\n\n";

    fn progress() -> Progress {
        Progress::new(tokio::sync::mpsc::unbounded_channel().0)
    }

    #[tokio::test]
    async fn a_processor_without_a_frequency_gets_one_before_the_kubelet_starts_at_every_boot() {
        let system = RecordingSystem::answering("cat /proc/cpuinfo", UML);
        tell_frequency(&system, &progress()).await.unwrap();
        let files = system.files.lock().unwrap().clone();
        assert_eq!(
            files[COPY],
            UML.replace("UML\n", "UML\ncpu MHz\t\t: 2600.040\n")
        );
        assert!(files[UNIT_FILE].contains("Before=kubelet.service"));
        let commands = system.commands.lock().unwrap().clone();
        let last = &commands[commands.len() - 2..];
        let want = [
            format!("systemctl enable --quiet {UNIT}"),
            format!("systemctl restart {UNIT}"),
        ];
        assert_eq!(last, want);
    }

    #[tokio::test]
    async fn a_processor_with_one_is_left_alone() {
        for own in ["processor\t: 0\ncpu MHz\t\t: 2445.4\n", ""] {
            let system = RecordingSystem::answering("cat /proc/cpuinfo", own);
            tell_frequency(&system, &progress()).await.unwrap();
            let commands = system.commands.lock().unwrap().clone();
            assert_eq!(commands, ["cat /proc/cpuinfo"], "{own:?}");
        }
    }

    #[test]
    fn each_of_several_processors_gets_it_and_none_is_made_up() {
        let text = with_frequency(&UML.repeat(2)).unwrap().unwrap();
        assert_eq!(text.matches("cpu MHz\t\t: 2600.040\n").count(), 2, "{text}");
        let error = with_frequency("processor\t: 0\nmodel name\t: UML\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("`bogomips`"), "{error}");
    }
}
