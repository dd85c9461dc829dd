//! Commands and options.

use clap::{Parser, Subcommand, ValueEnum};
use continuum_openfaas_api::client::JSON;
use std::path::PathBuf;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object on standard output
    Json,
}

/// Whether a command line that is not understood asks for JSON all the same.
pub(crate) fn asks_for_json(words: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let words: Vec<_> = words.take_while(|word| word != "--").collect();
    words.iter().any(|word| word == "--format=json")
        || words
            .windows(2)
            .any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// Whose log lines an agent keeps.
const SOURCES: [&str; 3] = ["agent", "broker", "workload"];

const EXAMPLES: &str = "\
Examples:
  continuum-ctl up --dry-run examples/mist-edge.toml      what would be made
  continuum-ctl run examples/mist-edge.toml               make it, measure, remove it
  continuum-ctl up examples/mist-edge.toml                make it and keep it
  continuum-ctl bench mist-edge --set benchmark.duration_s=60
  continuum-ctl agent mist-edge edge0 exec -- uptime
  continuum-ctl down mist-edge

Exit codes: 0 ok; 1 failed, nothing remains; 2 failed, resources remain; 3 bad config or command line;
4 locked by another process; 5 refused before anything was made; 6 result invalid; 130 interrupted";

/// Makes a compute continuum of cloud, edge and endpoint machines from one config file, and measures on it
#[derive(Debug, Parser)]
#[command(name = "continuum-ctl", version, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// Override a value of the config: TOML path and value, for both spellings; may be repeated
    #[arg(long, global = true, value_name = "PATH=VALUE")]
    pub(crate) set: Vec<String>,
    /// Say nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make what the config describes; repeating it continues or changes nothing
    #[command(
        after_help = "Examples:\n  continuum-ctl up examples/mist-edge.toml\n  continuum-ctl up --dry-run examples/kubernetes-cloud.cfg\n  continuum-ctl up lab.toml --set name=lab2 --set infrastructure.edge.nodes=2"
    )]
    Up {
        /// Config file (.toml or .cfg), or the name of a deployment
        config: String,
        /// Show the plan and what would stop it; make nothing
        #[arg(long)]
        dry_run: bool,
        /// Remove everything again when it fails
        #[arg(long)]
        rollback: bool,
        /// Go on although the provider cannot emulate links
        #[arg(long)]
        allow_unemulated: bool,
        /// Go on although limits cannot be enforced here; the result says so
        #[arg(long)]
        allow_unlimited: bool,
    },
    /// Run the application on what is up; print its tables and write a result directory
    #[command(
        after_help = "Example:\n  continuum-ctl bench mist-edge --set benchmark.frequency=2 --results /tmp/results"
    )]
    Bench {
        /// Config file, or the name of a deployment
        config: String,
        /// Where result directories go
        #[arg(long, default_value = "results")]
        results: PathBuf,
    },
    /// Remove everything of a deployment; works after a crash, twice, and without its state
    #[command(after_help = "Examples:\n  continuum-ctl down mist-edge\n  continuum-ctl down --all")]
    Down {
        /// Config file, or the name of a deployment
        #[arg(required_unless_present = "all")]
        config: Option<String>,
        /// Every deployment of this user
        #[arg(long, conflicts_with = "config")]
        all: bool,
    },
    /// up, bench and down in one
    #[command(
        after_help = "Example:\n  continuum-ctl run examples/endpoint.cfg --set benchmark.duration_s=60"
    )]
    Run {
        /// Config file
        config: String,
        /// Leave everything running
        #[arg(long)]
        keep: bool,
        /// Where result directories go
        #[arg(long, default_value = "results")]
        results: PathBuf,
        /// Go on although the provider cannot emulate links
        #[arg(long)]
        allow_unemulated: bool,
        /// Go on although limits cannot be enforced here; the result says so
        #[arg(long)]
        allow_unlimited: bool,
    },
    /// List all deployments
    List,
    /// How a deployment, or all of them, are doing
    Status {
        /// Name
        name: Option<String>,
    },
    /// Log in to a node, or run a command there
    #[command(after_help = "Example:\n  continuum-ctl ssh mist-edge edge0 -- uname -a")]
    Ssh {
        /// Name of the deployment
        name: String,
        /// Node
        node: String,
        /// Command; none = a shell
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Last log lines of the agents
    Logs {
        /// Name of the deployment
        name: String,
        /// Node; none = all
        node: Option<String>,
        /// Whose
        #[arg(long, default_value = "agent", value_parser = SOURCES)]
        source: String,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u32,
    },
    /// Emulated links
    #[command(
        after_help = "A cut holds until a restore, a number until another one or a restore, whether tiers or nodes were named.\nExamples:\n  continuum-ctl network mist-edge show\n  continuum-ctl network mist-edge show --raw\n  continuum-ctl network mist-edge set edge endpoint latency_ms=100 rate_mbit=2\n  continuum-ctl network mist-edge cut edge0 endpoint0\n  continuum-ctl network mist-edge restore edge0 endpoint0"
    )]
    Network {
        /// Name of the deployment
        name: String,
        #[command(subcommand)]
        action: NetworkAction,
    },
    /// Talk to one agent, for debugging
    #[command(
        after_help = "Examples:\n  continuum-ctl agent mist-edge edge0 info\n  continuum-ctl agent mist-edge edge0 exec -- ip address\n  continuum-ctl agent mist-edge edge0 put notes.txt dir/notes.txt"
    )]
    Agent {
        /// Name of the deployment
        name: String,
        /// Node
        node: String,
        #[command(subcommand)]
        action: AgentAction,
    },
    /// Functions of a deployment with execution model openfaas
    #[command(
        after_help = "Examples:\n  continuum-ctl functions openfaas-cloud list\n  continuum-ctl functions openfaas-cloud deploy hello --image example.org/hello:1\n  continuum-ctl functions openfaas-cloud invoke fibonacci --data '{\"n\":30}'\n  continuum-ctl functions openfaas-cloud invoke image --file cat.jpg --content-type image/jpeg\n  curl -s https://example.org/cat.jpg | continuum-ctl functions openfaas-cloud invoke image\n  continuum-ctl functions openfaas-cloud logs image --follow\n  continuum-ctl functions openfaas-cloud scale image 0"
    )]
    Functions {
        /// Name of the deployment
        name: String,
        #[command(subcommand)]
        action: FunctionsAction,
    },
    /// Check and show configs
    Config {
        #[command(subcommand)]
        action: ConfigAction,
    },
    /// Guest images and the workload bundle
    Image {
        #[command(subcommand)]
        action: ImageAction,
    },
    /// Software for nodes: what the catalogue has, and what of it is in the store
    Artifact {
        #[command(subcommand)]
        action: ArtifactAction,
    },
    /// The process that a guest of provider uml lives in
    #[command(name = continuum_provider::uml::guests::COMMAND, hide = true)]
    Guest {
        /// Its directory
        dir: PathBuf,
    },
    /// The process that keeps an ordinary user's network namespace
    #[command(name = continuum_provider::uml::namespace::COMMAND, hide = true)]
    HoldNamespace {
        /// Where it writes down which process it is
        record: PathBuf,
    },
    /// What provider auto stands for, as JSON
    #[command(hide = true)]
    ChooseProvider {
        /// Config file
        config: String,
    },
    /// Look at this machine and say what is missing, and how to get it
    Doctor {
        /// Also look at what this config needs
        config: Option<String>,
    },
}

impl Command {
    /// Whether values of `--set` change what it does.
    pub(crate) fn takes_config(&self) -> bool {
        matches!(
            self,
            Self::Up { .. }
                | Self::Bench { .. }
                | Self::Down { .. }
                | Self::Run { .. }
                | Self::Config { .. }
                | Self::ChooseProvider { .. }
                | Self::Doctor { .. }
        )
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkAction {
    /// Link classes as applied on each node
    Show {
        /// Also what `tc` itself says
        #[arg(long)]
        raw: bool,
    },
    /// Give a link other numbers; what is not given stays
    Set {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
        /// `latency_ms=…`, `jitter_ms=…`, `loss_percent=…`, `rate_mbit=…`
        #[arg(required = true)]
        numbers: Vec<String>,
    },
    /// Let nothing through between two tiers or nodes
    Cut {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
    },
    /// Make a link what the config says; `up` does it for all
    Restore {
        /// Tier or node
        a: String,
        /// Tier or node
        b: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AgentAction {
    /// Who it is and what it can do
    Info,
    /// Whether it answers, how far away it is, and how its broker is doing
    Health,
    /// Run a program on the node; its standard input, unless that is a terminal, and its exit code are this command's
    Exec {
        /// Longest time in seconds; then the exit code is 124
        #[arg(long, default_value_t = 60)]
        timeout_s: u64,
        /// Program and arguments
        #[arg(last = true, required = true)]
        argv: Vec<String>,
    },
    /// Its last log lines
    Logs {
        /// Whose
        #[arg(long, default_value = "agent", value_parser = SOURCES)]
        source: String,
        /// How many lines
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: u32,
    },
    /// What it measures of itself
    Metrics,
    /// Ask for a component as `up` does, with settings of your own
    Install {
        /// As its agent knows it; `info` shows those that are there
        component: String,
        /// Settings
        #[arg(value_name = "NAME=VALUE")]
        options: Vec<String>,
    },
    /// Write a file below the agent's files directory
    Put {
        /// File here
        file: PathBuf,
        /// Relative path there
        path: String,
    },
    /// Read a file from below the agent's files directory
    Get {
        /// Relative path there
        path: String,
        /// File here
        file: PathBuf,
    },
}

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

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Check a config; say every fault
    Check {
        /// Config file
        config: PathBuf,
    },
    /// Print a config in the native spelling with every value that is in force
    Show {
        /// Config file
        config: PathBuf,
    },
    /// List every option with its meaning
    Options,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImageAction {
    /// Build the guest image, or find that it is up to date (needs root)
    Build {
        /// Source tree
        #[arg(long, default_value = ".")]
        source: PathBuf,
        /// Use the package versions of this lock
        #[arg(long)]
        locked: Option<PathBuf>,
        /// Only the workload bundle, which is all that provider `local` needs
        #[arg(long)]
        bundle_only: bool,
        /// Also the image with the container images of this role in it, such as kubernetes
        #[arg(long, conflicts_with = "bundle_only")]
        role: Option<String>,
    },
    /// List images
    List,
    /// Read every file of the current image again and compare digests
    Verify,
    /// Write the current image, with the packages beside it, to an archive for a machine without a network
    Export {
        /// Archive
        file: PathBuf,
    },
    /// Take in such an archive; its image becomes the current one
    Import {
        /// Archive
        file: PathBuf,
    },
    /// Remove images, their copies in the storage pool and bundles that are neither current nor used by a deployment, and
    /// what killed builds left half made
    Prune {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// Run cargo in the build root, for the crates that need libtorch
    #[command(hide = true)]
    Cargo {
        /// Source tree
        #[arg(long, default_value = ".")]
        source: PathBuf,
        /// Arguments of cargo
        #[arg(last = true, required = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactAction {
    /// What there is, how it is got, and whether it is in the store
    List,
    /// Get components into the store; those that are there cost nothing
    #[command(
        after_help = "Examples:\n  continuum-ctl artifact build                 everything that can be built\n  continuum-ctl artifact build kubernetes etcd"
    )]
    Build {
        /// Components; all that can be built when none is named
        names: Vec<String>,
    },
    /// Bring the files of a component that cannot be built here
    Add {
        /// Component
        name: String,
        /// Directory with its files
        path: PathBuf,
    },
    /// Read everything in the store again and compare digests
    Verify,
    /// Write components to an archive for a machine without a network, or without Go
    #[command(
        after_help = "Examples:\n  continuum-ctl artifact export components.tar                       all that is in the store\n  continuum-ctl artifact export k8s.tar kubernetes kubernetes-images   what a cluster needs"
    )]
    Export {
        /// Archive
        file: PathBuf,
        /// Components; all of the catalogue that are in the store when none is named
        names: Vec<String>,
    },
    /// Take in such an archive
    Import {
        /// Archive
        file: PathBuf,
    },
    /// Remove what the catalogue has no more, or what was made of sources that have changed since
    Prune {
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
}
