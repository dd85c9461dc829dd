//! The way to the API server of a deployment, for us and for `kubectl`.

use super::{ASK_DEADLINE, error::ClusterError};
use continuum_host::{
    error::Error,
    keys::Secrets,
    state::{Deployment, write_secret},
};
use continuum_model::{NodePlan, Plan};
use kube::Client;
use std::path::PathBuf;

/// Where the kubeconfig lies.
pub fn kubeconfig_path(deployment: &Deployment) -> PathBuf {
    deployment.dir().join("kubeconfig")
}

/// For `kubectl` and everything else that speaks to the API server.
pub fn write_kubeconfig(
    deployment: &Deployment,
    secrets: &Secrets,
    controller: &NodePlan,
) -> Result<(), Error> {
    let admin = secrets.cluster_admin()?;
    let name = deployment.name();
    // JSON is YAML: nothing in a value can break out.
    let config = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
        "clusters": [{ "name": name, "cluster": {
            "server": server(controller),
            "certificate-authority-data": base64(&secrets.cluster_authority()?.certificate_pem),
        } }],
        "users": [{ "name": name, "user": {
            "client-certificate-data": base64(&admin.certificate_pem),
            "client-key-data": base64(&admin.key_pem),
        } }],
    });
    write_secret(
        &kubeconfig_path(deployment),
        format!("{config:#}\n").as_bytes(),
    )
}

/// A client of the deployment's API server. Streams may be silent for as long as they like: whoever asks for an answer
/// sets its deadline.
pub fn client(deployment: &Deployment, plan: &Plan) -> Result<Client, Error> {
    let controller = plan.controller().ok_or(ClusterError::NoController)?;
    let secrets = Secrets::open(deployment)?;
    let url = server(controller);
    let admin = secrets.cluster_admin()?;
    let mut config = kube::Config::new(url.parse().map_err(failed(&url))?);
    let authority = pem_to_der(&secrets.cluster_authority()?.certificate_pem);
    let authority = authority.map_err(failed(&url))?;
    config.root_cert = Some(vec![authority]);
    config.auth_info.client_certificate_data = Some(base64(&admin.certificate_pem));
    config.auth_info.client_key_data = Some(base64(&admin.key_pem).into());
    config.connect_timeout = Some(ASK_DEADLINE);
    config.read_timeout = None;
    Client::try_from(config).map_err(failed(&url))
}

fn failed<E>(url: &str) -> impl FnOnce(E) -> Error
where
    E: std::error::Error + Send + Sync + 'static,
{
    let url = url.to_owned();
    move |error| {
        let source = error.into();
        ClusterError::Connection { url, source }.into()
    }
}

fn server(controller: &NodePlan) -> String {
    format!("https://{}:6443", controller.address)
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

fn pem_to_der(pem: &str) -> Result<Vec<u8>, data_encoding::DecodeError> {
    let body: String = pem.lines().filter(|l| !l.starts_with("-----")).collect();
    data_encoding::BASE64.decode(body.as_bytes())
}
