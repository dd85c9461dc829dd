//! The machine as installers see it, so that their steps can be tested without one.

use crate::{error::AgentError, https, process};
use continuum_common::files;
use std::{path::PathBuf, time::Duration};

/// What installers may do to the machine.
#[async_trait::async_trait]
pub(crate) trait System: Send + Sync {
    /// Runs a program; anything but exit code 0 is an error.
    async fn run(&self, argv: &[&str], deadline: Duration) -> Result<String, AgentError>;
    /// Writes a file whole; its directory is made. `Ok(false)` when it had that content already.
    async fn write(&self, path: &str, content: &str, mode: u32) -> Result<bool, AgentError>;
    /// Removes a file; one that is not there is fine.
    async fn remove(&self, path: &str) -> Result<(), AgentError>;
    async fn exists(&self, path: &str) -> bool;
    /// Whether somebody listens at `address:port`.
    async fn listens(&self, socket: &str) -> bool;
    /// Whether `path` is answered with success over HTTPS at `address:port`, by a server whose certificate the authority
    /// (PEM) has signed; else why not.
    async fn answers(&self, socket: &str, path: &str, authority: &str) -> Result<(), String>;
}

/// For a peer to take a connection.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// For an answer of a server that is busy with its own start.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct HostSystem;

#[async_trait::async_trait]
impl System for HostSystem {
    async fn run(&self, argv: &[&str], deadline: Duration) -> Result<String, AgentError> {
        let output = process::run(argv, None, deadline).await?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn write(&self, path: &str, content: &str, mode: u32) -> Result<bool, AgentError> {
        if tokio::fs::read(path)
            .await
            .is_ok_and(|have| have == content.as_bytes())
        {
            return Ok(false);
        }
        let (target, content) = (PathBuf::from(path), content.to_owned());
        let written = tokio::task::spawn_blocking(move || {
            target.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            files::replace(&target, Some(mode), content)
        });
        let written = written.await.map_err(std::io::Error::from).flatten();
        written.map_err(AgentError::file("write", path))?;
        Ok(true)
    }

    async fn remove(&self, path: &str) -> Result<(), AgentError> {
        match tokio::fs::remove_file(path).await {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(AgentError::file("remove", path)(source))
            }
            _ => Ok(()),
        }
    }

    async fn exists(&self, path: &str) -> bool {
        tokio::fs::try_exists(path).await.unwrap_or(false)
    }

    async fn listens(&self, socket: &str) -> bool {
        let connect = tokio::net::TcpStream::connect(socket);
        matches!(
            tokio::time::timeout(CONNECT_DEADLINE, connect).await,
            Ok(Ok(_))
        )
    }

    async fn answers(&self, socket: &str, path: &str, authority: &str) -> Result<(), String> {
        let question = https::get(socket, path, authority);
        match tokio::time::timeout(ANSWER_DEADLINE, question).await {
            Ok(answer) => answer.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {} s", ANSWER_DEADLINE.as_secs())),
        }
    }
}

/// Records what would be done; for tests only.
#[cfg(test)]
pub(crate) mod fake {
    use super::{ANSWER_DEADLINE, AgentError, Duration, System};
    use std::{
        collections::{BTreeMap, BTreeSet},
        sync::Mutex,
    };

    pub(crate) struct RecordingSystem {
        pub(crate) commands: Mutex<Vec<String>>,
        pub(crate) files: Mutex<BTreeMap<String, String>>,
        pub(crate) present: Mutex<BTreeSet<String>>,
        /// A command that begins with this fails.
        pub(crate) fail_on: Option<String>,
        /// What it says then.
        pub(crate) said: &'static str,
        /// A command that begins with the first prints the second.
        pub(crate) answers: Vec<(&'static str, &'static str)>,
        /// Nobody listens anywhere.
        pub(crate) is_deaf: bool,
    }

    impl Default for RecordingSystem {
        /// A machine whose kernel has modules.
        fn default() -> Self {
            Self {
                commands: Mutex::default(),
                files: Mutex::default(),
                present: Mutex::new(["/proc/modules".to_owned()].into()),
                fail_on: None,
                said: "",
                answers: Vec::new(),
                is_deaf: false,
            }
        }
    }

    impl RecordingSystem {
        /// Where a command that begins with `command` prints `text`.
        pub(crate) fn answering(command: &'static str, text: &'static str) -> Self {
            Self {
                answers: vec![(command, text)],
                ..Self::default()
            }
        }
    }

    #[async_trait::async_trait]
    impl System for RecordingSystem {
        async fn run(&self, argv: &[&str], _deadline: Duration) -> Result<String, AgentError> {
            let line = argv.join(" ");
            self.commands.lock().unwrap().push(line.clone());
            if self
                .fail_on
                .as_ref()
                .is_some_and(|f| line.starts_with(f.as_str()))
            {
                return Err(AgentError::Program {
                    program: line,
                    how: "exit code 1".into(),
                    said: format!("told to fail {}", self.said),
                });
            }
            let mut printed = self.answers.iter().filter(|(to, _)| line.starts_with(to));
            Ok(printed
                .next()
                .map(|(_, text)| (*text).to_owned())
                .unwrap_or_default())
        }
        async fn write(&self, path: &str, content: &str, _mode: u32) -> Result<bool, AgentError> {
            let old = self
                .files
                .lock()
                .unwrap()
                .insert(path.into(), content.into());
            Ok(old.as_deref() != Some(content))
        }
        async fn remove(&self, path: &str) -> Result<(), AgentError> {
            self.files.lock().unwrap().remove(path);
            Ok(())
        }
        async fn exists(&self, path: &str) -> bool {
            self.present.lock().unwrap().contains(path)
                || self.files.lock().unwrap().contains_key(path)
        }
        async fn listens(&self, _socket: &str) -> bool {
            !self.is_deaf
        }
        async fn answers(&self, socket: &str, path: &str, _authority: &str) -> Result<(), String> {
            let line = format!("GET https://{socket}{path}");
            self.run(&[&line], ANSWER_DEADLINE)
                .await
                .map(|_| ())
                .map_err(|error| error.to_string())
        }
    }
}
