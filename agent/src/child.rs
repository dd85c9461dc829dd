//! The small program between the agent and a child: `continuum-agent child … -- PROGRAM …`.
//!
//! It enters a control group, asks the kernel to end it when the agent ends, and then becomes the program.
//! Doing this in a program of its own keeps the agent free of unsafe code between fork and exec.

use crate::error::AgentError;
use std::{os::unix::process::CommandExt, path::PathBuf};

const OOM_SCORE: &str = "500";

/// Arguments of the subcommand.
#[derive(Debug, clap::Args)]
pub struct ChildArguments {
    /// Control group directory to enter
    #[arg(long)]
    pub cgroup: Option<PathBuf>,
    /// The agent; if it is gone already there is nothing to start
    #[arg(long)]
    pub parent: i32,
    /// Program and arguments
    #[arg(last = true, required = true)]
    pub argv: Vec<String>,
}

/// Becomes the program; returns only when that fails.
pub fn become_program(arguments: &ChildArguments) -> AgentError {
    match prepare(arguments) {
        Err(error) => error,
        Ok((program, rest)) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "exec of this process, not a new one"
            )]
            let source = std::process::Command::new(program).args(rest).exec();
            AgentError::Start {
                program: program.clone(),
                source,
            }
        }
    }
}

fn prepare(arguments: &ChildArguments) -> Result<(&String, &[String]), AgentError> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).map_err(
        |errno| AgentError::Start {
            program: "child".into(),
            source: errno.into(),
        },
    )?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != Some(arguments.parent) {
        return Err(AgentError::Invalid(
            "the agent ended before its child began".into(),
        ));
    }
    // The agent is the last to be killed when memory runs out; what it runs comes before anything else of the node.
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE) {
        tracing::warn!("write /proc/self/oom_score_adj: {error}");
    }
    if let Some(cgroup) = &arguments.cgroup {
        let path = cgroup.join("cgroup.procs");
        std::fs::write(&path, "0").map_err(AgentError::file("enter control group", path))?;
    }
    arguments
        .argv
        .split_first()
        .ok_or_else(|| AgentError::Invalid("no program given to start".into()))
}
