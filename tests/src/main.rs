//! `testbed COMMAND …`: runs a command with a libvirt of its own, where the machine runs none.
//! Where libvirt answers already, the command is simply run.

use continuum_tests::{process::command, testbed::Testbed};
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((program, rest)) = arguments.split_first() else {
        anyhow::bail!("usage: testbed COMMAND [ARGUMENT …]");
    };
    let answers = command("timeout")
        .args([
            "--kill-after=2",
            "20",
            "virsh",
            "--quiet",
            "--connect",
            "qemu:///system",
            "version",
        ])
        .output()
        .is_ok_and(|o| o.status.success());
    let status = if answers {
        command(program).args(rest).status()?
    } else {
        Testbed::start()?.run(program, rest)?
    };
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(1)).unwrap_or(1),
    ))
}
