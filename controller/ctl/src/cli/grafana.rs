//! grafana.

use super::{dashboard, output::Output};
use crate::{observability::grafana, session};
use clap::Subcommand;
use continuum_host::{context::Context, error::Error};
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum GrafanaAction {
    /// Write the folder from which Grafana takes a data source and dashboards when it starts
    Provision {
        /// Folder; one with other files is refused
        dir: PathBuf,
        /// Name of the deployment; none = the only one
        name: Option<String>,
        /// Prometheus that reads its metrics
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090", value_parser = url)]
        prometheus: String,
        /// Write beside other files
        #[arg(long)]
        force: bool,
    },
}

fn url(text: &str) -> Result<String, String> {
    let uri: http::Uri = text.parse().map_err(|error| format!("{error}"))?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    if is_web && uri.host().is_some() {
        return Ok(text.to_owned());
    }
    Err("write it as http://HOST:PORT or https://HOST/PATH".into())
}

pub(super) fn run(context: &Context, output: &Output, action: GrafanaAction) -> Result<(), Error> {
    let GrafanaAction::Provision {
        dir,
        name,
        prometheus,
        force,
    } = action;
    let name = dashboard::subject(&context.root, name.as_deref())?;
    session::open(context, &name)?;
    // Grafana is started elsewhere.
    let dir = std::path::absolute(&dir).map_err(Error::file("find", &dir))?;
    let files = grafana::files(&dir, &name, &prometheus)?;
    grafana::provision(&dir, &files, force)?;
    show(output, &dir, &name, &prometheus);
    Ok(())
}

fn show(output: &Output, dir: &Path, name: &str, prometheus: &str) {
    let dir = dir.display().to_string();
    output.text(&format!(
        "{dir}: dashboards of {name}, by the Prometheus at {prometheus}"
    ));
    output.text("To start Grafana with it:");
    output.text(&format!("\tGF_PATHS_PROVISIONING={dir} grafana server"));
    output.json(&json!({ "name": name, "dir": dir, "prometheus": prometheus }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prometheus_is_named_by_its_address_on_the_web() {
        for good in ["http://127.0.0.1:9090", "https://metrics.example.org/lab"] {
            assert_eq!(url(good).as_deref(), Ok(good));
        }
        for bad in ["127.0.0.1:9090", "prometheus", "ftp://a/", "http://", ""] {
            assert!(url(bad).is_err(), "{bad}");
        }
    }
}
