//! functions: what a gateway has and does.

use super::output::Output;
use crate::{deploy::execution_models::FUNCTION_NAMESPACE, error::CommandError, session};
use clap::Subcommand;
use continuum_cluster::not_running_reasons;
use continuum_config::Config;
use continuum_host::{context::Context, error::Error, keys::Secrets, state::Deployment};
use continuum_images::components::Catalogue;
use continuum_model::Plan;
use continuum_openfaas_api::{
    FunctionDeployment, FunctionStatus, LogMessage, Texts,
    client::{ClientError, Gateway, JSON},
};
use serde_json::json;
use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::Duration,
};

#[derive(Debug, Subcommand)]
pub(crate) enum FunctionsAction {
    /// All functions with their replicas
    List,
    /// Make a function, or change it
    Deploy {
        /// Its name
        function: String,
        /// Container image: one of the suite's if the function is of the suite
        #[arg(long)]
        image: Option<String>,
        /// The watchdog's program
        #[arg(long)]
        fprocess: Option<String>,
        /// Environment
        #[arg(long, value_name = "NAME=VALUE")]
        env: Vec<String>,
        /// Labels, such as com.openfaas.scale.max=3
        #[arg(long, value_name = "NAME=VALUE")]
        label: Vec<String>,
        /// Secrets that it sees
        #[arg(long)]
        secret: Vec<String>,
    },
    /// Call a function; its answer goes to standard output
    Invoke {
        /// Which one
        function: String,
        /// Body; without it and --file, standard input is, unless it is a terminal
        #[arg(long, conflicts_with = "file")]
        data: Option<String>,
        /// File with the body; - is standard input, terminal or not
        #[arg(long)]
        file: Option<PathBuf>,
        /// What the body is, as image/jpeg
        #[arg(long, default_value = JSON)]
        content_type: String,
    },
    /// What its replicas said
    Logs {
        /// Which one
        function: String,
        /// How many lines
        #[arg(long, short = 'n')]
        tail: Option<u64>,
        /// Go on until interrupted
        #[arg(long, short)]
        follow: bool,
    },
    /// Set its replicas
    Scale {
        /// Which one
        function: String,
        /// How many
        replicas: u64,
    },
    /// Remove it
    Remove {
        /// Which one
        function: String,
    },
    /// Where the gateway is, and the password of its user admin
    Gateway,
}
/// For the API server to say what its pods lack.
const REASONS_DEADLINE: Duration = Duration::from_secs(10);

/// What functions of the suite run in.
fn suite_image() -> Result<Option<String>, Error> {
    let catalogue = Catalogue::builtin()?;
    let component = catalogue.find("faas-images", None)?;
    Ok(component.image_reference("functions"))
}

fn gateway(
    deployment: &Deployment,
    config: &Config,
    plan: &Plan,
) -> Result<(Gateway, String, String), Error> {
    if config.software.execution_model.is_none() {
        let name = config.name.clone();
        return Err(CommandError::NoFunctions { name }.into());
    }
    let address = plan.gateway_address().unwrap_or_default();
    let password = Secrets::open(deployment)?.gateway_password()?;
    Ok((Gateway::new(&address, &password), address, password))
}

fn pairs(what: &str, given: &[String]) -> Result<Option<Texts>, Error> {
    let split = |text: &String| {
        let pair = text.split_once('=');
        let pair = pair.map(|(name, value)| (name.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Error::Words {
            doing: format!("read --{what} {text}"),
            why: "it is not NAME=VALUE".into(),
        })
    };
    let all: Texts = given.iter().map(split).collect::<Result<_, _>>()?;
    Ok(Some(all).filter(|a| !a.is_empty()))
}

/// The body of a call: what was given, or what `rest` reads.
async fn body(
    data: Option<String>,
    file: Option<PathBuf>,
    is_terminal: bool,
    rest: impl Read + Send + 'static,
) -> Result<Vec<u8>, Error> {
    match (data, file) {
        (Some(data), _) => Ok(data.into_bytes()),
        (None, Some(path)) if path != *"-" => {
            std::fs::read(&path).map_err(Error::file("read", &path))
        }
        // A terminal without input is an empty body.
        (None, None) if is_terminal => Ok(Vec::new()),
        (None, _) => all_of(rest).await,
    }
}

/// Everything. A thread reads it that nobody waits for at the end of this program.
async fn all_of(mut from: impl Read + Send + 'static) -> Result<Vec<u8>, Error> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let read = from.read_to_end(&mut all).map(|_| all);
        sender.send(read).ok();
    });
    let read = receiver.await.map_err(std::io::Error::other);
    read.flatten()
        .map_err(|error| CommandError::StandardInput(error).into())
}

fn failed(doing: impl Into<String>) -> impl FnOnce(ClientError) -> Error {
    let doing = doing.into();
    move |source| CommandError::Gateway { doing, source }.into()
}

/// Why replicas do not run, as their cluster says; no answer is one of the reasons.
async fn not_running(deployment: &Deployment, plan: &Plan) -> Vec<String> {
    let asked = async {
        let client = continuum_cluster::client(deployment, plan)?;
        Ok::<_, Error>(not_running_reasons(&client, FUNCTION_NAMESPACE).await)
    };
    match tokio::time::timeout(REASONS_DEADLINE, asked).await {
        Ok(Ok(reasons)) => reasons,
        Ok(Err(error)) => vec![continuum_host::error::chain(&error)],
        Err(_) => {
            vec!["why replicas do not run is not known: the API server does not answer".into()]
        }
    }
}

pub(super) async fn run(
    context: &Context,
    output: &Output,
    name: &str,
    action: FunctionsAction,
) -> Result<(), Error> {
    let (deployment, config, plan) = session::open(context, name)?;
    let (gateway, address, password) = gateway(&deployment, &config, &plan)?;
    match action {
        FunctionsAction::List => return list(output, &gateway, &deployment, &plan).await,
        FunctionsAction::Deploy {
            function,
            image,
            fprocess,
            env,
            label,
            secret,
        } => {
            let wanted = FunctionDeployment {
                env_vars: pairs("env", &env)?,
                labels: pairs("label", &label)?,
                secrets: Some(secret).filter(|s| !s.is_empty()),
                ..wanted(&function, image, fprocess)?
            };
            let doing = format!("deploy function {function}");
            gateway.deploy(&wanted).await.map_err(failed(doing))?;
            output.text(&format!(
                "function {function} is deployed: http://{address}/function/{function}"
            ));
            output.json(&json!({ "deployed": function }));
        }
        FunctionsAction::Invoke {
            function,
            data,
            file,
            content_type,
        } => {
            let stdin = std::io::stdin();
            let body = body(data, file, stdin.is_terminal(), stdin);
            let Some(body) = context.cancel.run_until_cancelled(body).await else {
                return Err(Error::Interrupted);
            };
            return invoke(output, &gateway, &function, &content_type, body?).await;
        }
        FunctionsAction::Logs {
            function,
            tail,
            follow,
        } => return logs(context, output, &gateway, &function, tail, follow).await,
        FunctionsAction::Scale { function, replicas } => {
            let doing = format!("scale function {function}");
            let scaled = gateway.scale(&function, replicas).await;
            scaled.map_err(failed(doing))?;
            output.text(&format!(
                "function {function} is to have {replicas} replicas"
            ));
            output.json(&json!({ "scaled": function, "replicas": replicas }));
        }
        FunctionsAction::Remove { function } => {
            let doing = format!("remove function {function}");
            gateway.remove(&function).await.map_err(failed(doing))?;
            output.text(&format!("function {function} is removed"));
            output.json(&json!({ "removed": function }));
        }
        FunctionsAction::Gateway => {
            output.table(
                &["what", "value"],
                vec![
                    vec!["address".into(), format!("http://{address}")],
                    vec!["user".into(), "admin".into()],
                    vec!["password".into(), password.clone()],
                ],
            );
            output.json(&json!({ "address": format!("http://{address}"), "user": "admin", "password": password }));
        }
    }
    Ok(())
}

async fn list(
    output: &Output,
    gateway: &Gateway,
    deployment: &Deployment,
    plan: &Plan,
) -> Result<(), Error> {
    let all = gateway.list().await.map_err(failed("list functions"))?;
    let rows = all.iter().map(|f| {
        vec![
            f.name.clone(),
            format!("{}/{}", f.available_replicas, f.replicas),
            f.invocation_count.to_string(),
            f.image.clone(),
        ]
    });
    output.table(&["function", "replicas", "calls", "image"], rows.collect());
    let is_waiting = |f: &FunctionStatus| f.available_replicas < f.replicas;
    let why = if all.iter().any(is_waiting) {
        not_running(deployment, plan).await
    } else {
        Vec::new()
    };
    for reason in &why {
        output.text(reason);
    }
    output.json(&json!({ "functions": all, "not_running": why }));
    Ok(())
}

/// A function of the suite has its image and program already.
fn wanted(
    function: &str,
    image: Option<String>,
    fprocess: Option<String>,
) -> Result<FunctionDeployment, Error> {
    let is_of_suite = continuum_plan::applications::SUITE_FUNCTIONS.contains(&function);
    let own = if is_of_suite { suite_image()? } else { None };
    let image = image.or(own).ok_or_else(|| Error::Words {
        doing: format!("deploy function {function}"),
        why: "give its --image".into(),
    })?;
    let usual = is_of_suite.then(|| format!("continuum-function run {function}"));
    Ok(FunctionDeployment {
        service: function.to_owned(),
        image,
        env_process: fprocess.or(usual),
        ..FunctionDeployment::default()
    })
}

async fn invoke(
    output: &Output,
    gateway: &Gateway,
    function: &str,
    content_type: &str,
    body: Vec<u8>,
) -> Result<(), Error> {
    let done = gateway.invoke(function, content_type, body.into()).await;
    let done = done.map_err(failed(format!("call function {function}")))?;
    let text = String::from_utf8_lossy(&done.body);
    if !done.status.is_success() {
        return Err(CommandError::Call {
            function: function.to_owned(),
            status: done.status,
            said: text.trim().to_owned(),
        }
        .into());
    }
    if output.is_json() {
        output.json(&json!({
            "status": done.status.as_u16(),
            "body": text,
            "is_cold": done.is_cold,
            "pod": done.pod,
        }));
    } else {
        output.bytes(&done.body);
    }
    Ok(())
}

async fn logs(
    context: &Context,
    output: &Output,
    gateway: &Gateway,
    function: &str,
    tail: Option<u64>,
    follow: bool,
) -> Result<(), Error> {
    let lines = Mutex::new(Vec::new());
    let say = |m: LogMessage| {
        if output.is_json() {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(m);
        } else {
            output.text(&format!("{} {} {}", m.timestamp, m.instance, m.text));
        }
    };
    let reading = gateway.logs(function, tail, follow, &say);
    let read = tokio::select! {
        read = reading => read,
        () = context.cancel.cancelled() => Ok(()),
        () = output.closed() => Ok(()),
    };
    // Those that came are told, however it ended.
    let lines = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
    output.json(&json!({ "lines": lines }));
    read.map_err(failed(format!("read the log of function {function}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_body_of_a_call_is_what_was_given_or_standard_input() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "of the file").unwrap();
        let path = Some(file.path().to_owned());
        let dash = Some(PathBuf::from("-"));
        for (data, file, is_terminal, wanted) in [
            (Some("given"), None, false, "given"),
            (None, path, false, "of the file"),
            (None, None, false, "piped"),
            (None, None, true, ""),
            (None, dash, true, "piped"),
        ] {
            let got = body(data.map(str::to_owned), file, is_terminal, &b"piped"[..]).await;
            assert_eq!(got.unwrap(), wanted.as_bytes());
        }
    }
}
