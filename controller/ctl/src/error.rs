//! What commands themselves cannot do, beside what the crates below say. A text fits after "failed to".

use continuum_host::error::Error;
use continuum_openfaas_api::client::ClientError;
use continuum_plan::managers::UnknownVersion;
use std::{io, path::PathBuf, process::ExitStatus};

/// What a command could not do, to what, and why.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error("choose a version of Kubernetes")]
    KubernetesVersion(#[from] UnknownVersion),
    #[error("{doing}: there is no controller node")]
    NoController { doing: &'static str },
    #[error("find {file}: {component} is not of this cluster")]
    ForeignComponent {
        file: String,
        component: &'static str,
    },
    #[error("change the link between {a} and {b}: {why}")]
    NoSuchLink { a: String, b: String, why: String },
    #[error("change the link between {a} and {b}: provider {provider} cannot emulate links")]
    NoEmulatedLinks {
        a: String,
        b: String,
        provider: &'static str,
    },
    #[error("restart {unit} on node {node}: {said}")]
    Unit {
        unit: String,
        node: String,
        said: String,
    },
    #[error(
        "use deployment `{name}`: it was interrupted before it had addresses; run `continuum-ctl up` again"
    )]
    NoAddresses { name: String },
    #[error(
        "log in to node {node}: its nodes are processes of this machine; use `continuum-ctl agent … exec`"
    )]
    NoMachine { node: String },
    #[error("read standard input")]
    StandardInput(#[source] io::Error),
    #[error("place run {run}: it has no image")]
    NoImageOfRun { run: String },
    #[error("repeat the run")]
    Repeat(#[source] io::Error),
    #[error("repeat the run: it left no result, and ended with {status}")]
    NoRepeatedResult { status: ExitStatus },
    #[error("repeat the run: it ended with {status}; its own words are above")]
    RepeatFailed { status: ExitStatus },
    #[error("listen for browsers")]
    Listen(#[source] io::Error),
    #[error("watch signals")]
    Signals(#[source] io::Error),
    #[error("find out what provider auto stands for")]
    ProviderChoice(#[source] io::Error),
    /// Who was asked has said why on standard error.
    #[error("find out what provider auto stands for: see above")]
    NoProvider,
    #[error("name the result directory")]
    ResultName(#[source] time::error::Format),
    #[error("name the result directory: no number is free")]
    NoResultName,
    #[error("use functions of `{name}`: its config has no software.execution_model")]
    NoFunctions { name: String },
    /// A gateway for functions.
    #[error("{doing}")]
    Gateway { doing: String, source: ClientError },
    #[error("call function {function}: status {status}: {said}")]
    Call {
        function: String,
        status: http::StatusCode,
        said: String,
    },
    #[error("find {title}: it is not in the store; {how_to_get}")]
    NotStored { title: String, how_to_get: String },
    #[error(
        "find the packages of {name}: the image has none beside it; build it again: continuum-ctl image build"
    )]
    NoPackages { name: String },
    #[error(
        "import an image from `{}`: there is none in it; components are taken in by: continuum-ctl artifact import",
        path.display()
    )]
    NoImage { path: PathBuf },
    #[error("add {title}: it is built here: {how_to_get}")]
    BuiltHere { title: String, how_to_get: String },
    #[error(
        "verify {name} {version}: {why}; it was taken out of the store, get it again: continuum-ctl artifact build {name}"
    )]
    DamagedComponent {
        name: String,
        version: String,
        why: String,
    },
    #[error("export {title}: it is not in the store; get it: continuum-ctl artifact build {name}")]
    NotExported { title: String, name: String },
    #[error(
        "export to `{}`: the store is empty; fill it: continuum-ctl artifact build",
        path.display()
    )]
    EmptyStore { path: PathBuf },
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Self::layer(error)
    }
}
