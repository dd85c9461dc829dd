//! mosquitto as the broker: its configuration file and command line.

use super::{BrokerSpec, directory};
use crate::{config::AgentConfig, error::AgentError, process};

pub(super) fn configuration(spec: &BrokerSpec) -> String {
    format!(
        "listener {} {}\n\
         allow_anonymous true\n\
         persistence false\n\
         max_connections {}\n\
         message_size_limit {}\n\
         max_queued_messages 100000\n\
         log_dest stderr\n\
         log_type error\nlog_type warning\nlog_type notice\n",
        spec.listen.port(),
        spec.listen.ip(),
        spec.max_connections,
        spec.max_payload_bytes,
    )
}

pub(super) async fn argv(
    config: &AgentConfig,
    spec: &BrokerSpec,
) -> Result<Vec<String>, AgentError> {
    let program = process::find_program("mosquitto").ok_or_else(|| AgentError::NotFound {
        what: "program",
        name: "mosquitto".into(),
        known: vec!["install component `mqtt` with backend mosquitto first".into()],
    })?;
    let path = directory(config).join("mosquitto.conf");
    let error = AgentError::file("write", &path);
    tokio::fs::create_dir_all(directory(config))
        .await
        .map_err(&error)?;
    tokio::fs::write(&path, configuration(spec))
        .await
        .map_err(&error)?;
    let mut argv = super::supervise::child_argv(config)?;
    argv.extend([
        program.display().to_string(),
        "-c".into(),
        path.display().to_string(),
    ]);
    Ok(argv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::Backend;

    #[test]
    fn limits_stand_in_the_file() {
        let text = configuration(&BrokerSpec {
            backend: Backend::Mosquitto,
            listen: "192.168.100.2:1883".parse().unwrap(),
            max_connections: 500,
            max_payload_bytes: 1_048_576,
        });
        assert!(text.starts_with("listener 1883 192.168.100.2\n"), "{text}");
        assert!(
            text.contains("message_size_limit 1048576\n") && text.contains("max_connections 500\n")
        );
    }
}
