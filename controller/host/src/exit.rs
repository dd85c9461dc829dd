//! How commands end: which error means which exit code.

use crate::error::Error;

/// What a command ended with; the numbers are public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything done.
    Ok = 0,
    /// Failed; nothing of this command remains.
    Failed = 1,
    /// Failed; resources remain and are listed.
    Remains = 2,
    /// The config is bad; nothing was done.
    Config = 3,
    /// Another process holds the deployment.
    Locked = 4,
    /// Refused before anything was done.
    Preflight = 5,
    /// The run ended, and its result must not be used.
    Invalid = 6,
    Interrupted = 130,
}

impl Error {
    /// The exit code of a command that ends with this, as a number.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Program { code, .. } => *code,
            other => other.exit() as u8,
        }
    }

    /// What a command that ends with this has come to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_) | Self::NoName { .. } | Self::NoConfig { .. } | Self::Words { .. } => {
                Exit::Config
            }
            Self::Preflight { .. } | Self::Different { .. } => Exit::Preflight,
            Self::Locked { .. } => Exit::Locked,
            Self::Interrupted => Exit::Interrupted,
            Self::InvalidResult { .. } => Exit::Invalid,
            Self::Remaining { source, .. } => match source.exit() {
                Exit::Failed | Exit::Ok => Exit::Remains,
                other => other,
            },
            Self::NoDeployment { .. }
            | Self::NoNode { .. }
            | Self::File { .. }
            | Self::Image(_)
            | Self::Agent { .. }
            | Self::Program { .. }
            | Self::Foreign { .. }
            | Self::Deadline { .. }
            | Self::Layer(_)
            | Self::Damaged { .. }
            | Self::DamagedState { .. }
            | Self::OtherSchema { .. }
            | Self::Encode { .. }
            | Self::NoHome
            | Self::AddressLock(_)
            | Self::Key { .. }
            | Self::NoKey { .. } => Exit::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_remains_changes_the_code_of_a_plain_failure_only() {
        let remaining = |source: Error| Error::Remaining {
            remaining: vec!["domain x".into()],
            name: "d".into(),
            source: Box::new(source),
        };
        assert_eq!(remaining(Error::NoHome).exit(), Exit::Remains);
        assert_eq!(remaining(Error::Interrupted).exit(), Exit::Interrupted);
        assert_eq!(
            Error::InvalidResult { reasons: vec![] }.exit(),
            Exit::Invalid
        );
    }
}
