//! Commands and options. What a command can be told to do is beside what it does.

use super::{
    agent::AgentAction, artifact::ArtifactAction, config::ConfigAction, functions::FunctionsAction,
    grafana::GrafanaAction, image::ImageAction, logs::LogSource, network::NetworkAction,
    output::Format, rate::SearchArguments, verify::Verify,
};
use crate::observability::targets;
use clap::{Args, Parser, Subcommand};
use continuum_provider::Allow;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// Whether a command line that is not understood asks for JSON all the same.
pub(crate) fn asks_for_json(words: impl Iterator<Item = std::ffi::OsString>) -> bool {
    let words: Vec<_> = words.take_while(|word| word != "--").collect();
    words.iter().any(|word| word == "--format=json")
        || words
            .windows(2)
            .any(|pair| pair[0] == "--format" && pair[1] == "json")
}

const EXAMPLES: &str = "\
Examples:
  continuum-ctl up --dry-run examples/mist-edge.toml      what would be made
  continuum-ctl run examples/mist-edge.toml               make it, measure, remove it
  continuum-ctl up examples/mist-edge.toml                make it and keep it
  continuum-ctl bench mist-edge --set benchmark.duration_s=60
  continuum-ctl agent mist-edge edge0 exec -- uptime
  continuum-ctl report results/2026-11-28T02-12-28Z_mist-edge
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

// A doc comment here would replace what `--help` says of each command that has these options.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct AllowArguments {
    /// Go on although the provider cannot emulate links
    #[arg(long)]
    allow_unemulated: bool,
    /// Go on although limits cannot be enforced here; the result says so
    #[arg(long)]
    allow_unlimited: bool,
}

impl From<AllowArguments> for Allow {
    fn from(allow: AllowArguments) -> Self {
        Self {
            unemulated: allow.allow_unemulated,
            unlimited: allow.allow_unlimited,
        }
    }
}

// As above.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct PageArguments {
    /// Show it in a browser while this command works, as `dashboard` does; 127.0.0.1:3000 when no address is given
    #[arg(
        long,
        value_name = "ADDRESS",
        num_args = 0..=1,
        default_missing_value = targets::DASHBOARD,
        value_parser = page_address
    )]
    pub(crate) dashboard: Option<SocketAddr>,
}

/// The word behind `--dashboard` may have been meant for the config.
fn page_address(word: &str) -> Result<SocketAddr, String> {
    word.parse().map_err(|_| {
        format!("it is no address with a port; a config or name stands before --dashboard: `{word} --dashboard`")
    })
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make what the config describes; repeating it continues or changes nothing
    #[command(
        after_help = "Examples:\n  continuum-ctl up examples/mist-edge.toml\n  continuum-ctl up --dry-run examples/kubernetes-cloud.cfg\n  continuum-ctl up lab.toml --set name=lab2 --set infrastructure.edge.nodes=2\n  continuum-ctl up lab.toml --dashboard    and look at it in a browser meanwhile"
    )]
    Up {
        /// Config file (.toml or .cfg), or the name of a deployment
        config: String,
        /// Show the plan and what would stop it; make nothing
        #[arg(long, conflicts_with = "dashboard")]
        dry_run: bool,
        /// Remove everything again when it fails
        #[arg(long)]
        rollback: bool,
        #[command(flatten)]
        allow: AllowArguments,
        /// Measure whether links and machines are what was asked for
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
        #[command(flatten)]
        page: PageArguments,
    },
    /// Run the application on what is up; print its tables and write a result directory
    #[command(
        after_help = "Examples:\n  continuum-ctl bench mist-edge --set benchmark.frequency=2 --results /tmp/results\n  continuum-ctl bench mist-edge --repeat 5    mean, spread and 95 % interval over five runs\n  continuum-ctl bench mist-edge --dashboard    and look at it in a browser meanwhile"
    )]
    Bench {
        /// Config file, or the name of a deployment
        config: String,
        /// So many runs, one after the other, and a summary of them
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
        repeat: u32,
        /// Where result directories go
        #[arg(long, default_value = "results")]
        results: PathBuf,
        /// Measure, before and after, whether links and machines are what was asked for; what is not makes the result
        /// invalid
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
        #[command(flatten)]
        page: PageArguments,
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
        after_help = "Examples:\n  continuum-ctl run examples/endpoint.cfg --set benchmark.duration_s=60\n  continuum-ctl run examples/endpoint.cfg --dashboard 127.0.0.1:0    and look at it in a browser meanwhile, on a free port"
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
        #[command(flatten)]
        allow: AllowArguments,
        /// Measure, before and after, whether links and machines are what was asked for; what is not makes the result
        /// invalid
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
        #[command(flatten)]
        page: PageArguments,
    },
    /// up, bench and down for every combination of values; goes on where it was interrupted
    #[command(
        after_help = "Options below `benchmark.` are varied on the same machines, others on new ones.\nExamples:\n  continuum-ctl sweep lab.toml --vary benchmark.frequency=1,2,5,10\n  continuum-ctl sweep lab.toml --vary network.edge_endpoint.latency_ms=5,20 --vary benchmark.frequency=2,4 --results /tmp/sweep"
    )]
    Sweep {
        /// Config file
        config: String,
        /// What takes which values; may be repeated, the last changes fastest
        #[arg(long, required = true, value_name = "PATH=A,B,…")]
        vary: Vec<String>,
        /// Where its results go, and are looked for when it goes on; `results/sweep_NAME` when none is given
        #[arg(long)]
        results: Option<PathBuf>,
        #[command(flatten)]
        allow: AllowArguments,
        /// Measure, before and after each run, whether links and machines are what was asked for
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
    },
    /// Find the highest rate whose latency stays below a bound, by runs on one deployment
    #[command(
        after_help = "Begins at benchmark.frequency. A deployment that is up is used and stays; otherwise it is made and removed. The same command goes on where it was interrupted.\nExamples:\n  continuum-ctl rate lab.toml --p99-below 500ms\n  continuum-ctl rate lab --p95-below 1.5s --precision 2 --set benchmark.duration_s=120"
    )]
    Rate {
        /// Config file, or the name of a deployment
        config: String,
        #[command(flatten)]
        search: SearchArguments,
        #[command(flatten)]
        allow: AllowArguments,
        /// Measure, before and after each run, whether links and machines are what was asked for
        #[arg(long, value_enum, default_value_t, env = "CONTINUUM_VERIFY")]
        verify: Verify,
    },
    /// List all deployments
    List,
    /// How a deployment, or all of them, are doing
    #[command(
        after_help = "Examples:\n  continuum-ctl status\n  continuum-ctl status mist-edge\n  continuum-ctl status mist-edge --watch"
    )]
    Status {
        /// Name
        name: Option<String>,
        /// One screen, drawn anew each second until interrupted
        #[arg(long, short, requires = "name")]
        watch: bool,
    },
    /// Show a deployment while it runs, in a browser
    #[command(
        after_help = "Nothing can be commanded from the page. Other machines reach it only with --token; its address then carries a secret.\nExamples:\n  continuum-ctl dashboard mist-edge\n  continuum-ctl dashboard mist-edge --address 0.0.0.0:3000 --token\n  curl -s http://127.0.0.1:3000/metrics"
    )]
    Dashboard {
        /// Name of the deployment; none = the only one
        name: Option<String>,
        /// Where browsers find it
        #[arg(long, default_value = targets::DASHBOARD)]
        address: SocketAddr,
        /// Let in only who has the printed address
        #[arg(long)]
        token: bool,
        /// Where result directories are
        #[arg(long, default_value = "results")]
        results: PathBuf,
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
    /// Log lines of agents, brokers and applications
    #[command(
        after_help = "Each line has its time, its node and whose it is. The time is the node's where the line says one; with --follow, of other lines, when they were heard.\nExamples:\n  continuum-ctl logs mist-edge\n  continuum-ctl logs mist-edge edge0 --source broker -n 100\n  continuum-ctl logs mist-edge --follow --grep WARN\n  continuum-ctl --format json logs mist-edge --follow    a JSON object for each line, at once"
    )]
    Logs {
        /// Name of the deployment
        name: String,
        /// Node; none = all
        node: Option<String>,
        /// Whose; may be repeated; none = all, programs of applications while they run
        #[arg(long, value_enum)]
        source: Vec<LogSource>,
        /// How many lines, of each source of each node
        #[arg(long, short = 'n', default_value_t = 20)]
        lines: u32,
        /// Only lines that have this text
        #[arg(long, value_name = "TEXT")]
        grep: Option<String>,
        /// Go on with every line that is written, until interrupted
        #[arg(long, short)]
        follow: bool,
    },
    /// Emulated links
    #[command(
        after_help = "A cut holds until a restore, a number until another one or a restore, whether tiers or nodes were named.\nExamples:\n  continuum-ctl network mist-edge show\n  continuum-ctl network mist-edge show --raw\n  continuum-ctl network mist-edge set edge endpoint latency_ms=100 rate_mbit=2\n  continuum-ctl network mist-edge set endpoint to edge0 loss_percent=1 jitter_distribution=pareto\n  continuum-ctl network mist-edge cut edge0 endpoint0\n  continuum-ctl network mist-edge restore edge0 endpoint0\n  continuum-ctl network mist-edge verify"
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
    /// Dashboards for a Grafana of your own
    #[command(
        after_help = "A Prometheus reads the metrics: `software.observability = \"host\"` writes what, and docs/observability.md says how.\nExamples:\n  continuum-ctl grafana provision grafana/\n  continuum-ctl grafana provision grafana/ lab --prometheus http://127.0.0.1:9090"
    )]
    Grafana {
        #[command(subcommand)]
        action: GrafanaAction,
    },
    /// Make the page of a result, a series or a sweep, report.html, again from the files of its directory
    #[command(
        after_help = "Examples:\n  continuum-ctl report results/2026-11-28T02-12-28Z_mist-edge\n  continuum-ctl report results/2026-11-28T02-12-28Z_mist-edge --format svg    figures as files, for a paper"
    )]
    Report {
        /// Result directory
        dir: PathBuf,
    },
    /// Put a result directory into one archive, from which another machine can repeat the run
    #[command(
        after_help = "Example:\n  continuum-ctl bundle results/2026-11-28T02-12-28Z_lab lab.tar.gz"
    )]
    Bundle {
        /// Result directory
        dir: PathBuf,
        /// Archive; NAME.tar.gz here when none is given
        file: Option<PathBuf>,
    },
    /// Run what such an archive was made from again, and say what differs
    #[command(
        after_help = "Images and software are named in the archive by digest, not in it: `image import` and `artifact import` bring them.\nExample:\n  continuum-ctl repeat lab.tar.gz"
    )]
    Repeat {
        /// Archive of `bundle`
        archive: PathBuf,
        /// Where both results go
        #[arg(long, default_value = "results")]
        results: PathBuf,
        #[command(flatten)]
        allow: AllowArguments,
    },
    /// What differs between runs: config, machines, software, and results by more than chance
    #[command(
        after_help = "Each is compared with the first: a result directory, or the directory that `bench --repeat` made.\nExamples:\n  continuum-ctl compare results/2026-11-28T02-12-28Z_lab results/2026-11-28T03-40-11Z_lab\n  continuum-ctl compare results/before_repeat results/after_repeat --page comparison.html"
    )]
    Compare {
        /// Result directories
        #[arg(required = true, num_args = 2..)]
        dirs: Vec<PathBuf>,
        /// Also write a page with a figure
        #[arg(long, value_name = "FILE")]
        page: Option<PathBuf>,
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
    /// Where the dashboard is to be while it works, and of which config or deployment.
    pub(crate) fn page(&self) -> Option<(&str, SocketAddr)> {
        let (Self::Up { config, page, .. }
        | Self::Bench { config, page, .. }
        | Self::Run { config, page, .. }) = self
        else {
            return None;
        };
        Some((config, page.dashboard?))
    }

    /// Where its results go.
    pub(crate) fn results(&self) -> &Path {
        match self {
            Self::Bench { results, .. }
            | Self::Run { results, .. }
            | Self::Dashboard { results, .. } => results,
            _ => Path::new("results"),
        }
    }

    /// Whether it makes nothing, so that it needs no state directory.
    pub(crate) fn only_looks(&self) -> bool {
        matches!(
            self,
            Self::Up { dry_run: true, .. }
                | Self::List
                | Self::Status { .. }
                | Self::Logs { .. }
                | Self::Image { .. }
                | Self::Artifact { .. }
        )
    }

    /// Whether values of `--set` change what it does.
    pub(crate) fn takes_config(&self) -> bool {
        matches!(
            self,
            Self::Up { .. }
                | Self::Bench { .. }
                | Self::Down { .. }
                | Self::Run { .. }
                | Self::Sweep { .. }
                | Self::Rate { .. }
                | Self::Config { .. }
                | Self::ChooseProvider { .. }
                | Self::Doctor { .. }
        )
    }
}
