//! The config: raw entries of either spelling -> checked model. What managers, services and applications
//! ask of a config is told by whoever knows them, as [`Rules`]. No plan is made and nothing is created here.
//!
//! ```text
//! TOML ─ toml_source ─┐
//!                     ├─> entries (path, value, place) ─ check ─> Config, warnings | every fault at once
//! .cfg ─ cfg_source ──┘        ↑ `--set path=value`, and what upstream takes for granted (`upstream`)
//! ```
//! `options.rs` is the one table of options: names in both spellings, types, ranges, defaults, and where in the config each is.
//! What a provider, a manager, an execution model or an application has for itself is beside its fields in `model/`.

mod cfg_source;
mod check;
mod choices;
mod entry;
mod fault;
mod findings;
mod function_load;
mod link_override;
mod links;
mod model;
mod option_rules;
mod options;
mod paths;
mod printable;
mod suggest;
mod timeline;
mod toml_source;
mod toml_text;
mod trace_file;
mod upstream;
mod values;

pub use choices::{
    AcceleratorChoice, ApplicationKind, Broker, EventBus, ExecutionModelKind, KubeDeployment,
    ManagerKind, OpenFaasDistribution, Preset, ProviderKind, Runtime,
};
pub use entry::{Entry, Place, Row, Value};
pub use fault::{ConfigError, Fault};
pub use findings::{Findings, Rules};
pub use function_load::FunctionLoad;
pub use link_override::{LinkOverride, Which};
pub use model::{
    ApplicationConfig, Benchmark, Config, Container, ControllerSpec, Direction, Empty,
    FunctionSpec, Functions, ImageClassification, Infrastructure, KubeEdge, Kubernetes, LinkTable,
    MemUsage, Network, Observability, OneWay, OpenFaas, Qemu, Software, Stress, TierSpec,
    TraceSource,
    keys::{Key, Kind, Purpose},
};
pub use options::KEYS;
pub use paths::is_file;
pub use printable::printable;
pub use suggest::nearest;
pub use timeline::{Action, Change, Ends, LinkChange, TimelineStep, UNITS};
pub use toml_text::to_toml;

use std::path::Path;

/// Name of a config that was checked before, and is kept with its deployment: what its files were is not asked again.
pub const KEPT_CONFIG: &str = "state.json";

/// Larger files are not configs.
const LONGEST_FILE_BYTES: u64 = 256 << 10;
/// From then on more faults help nobody, and looking for near names for each would take minutes.
const MOST_FAULTS: usize = 50;

/// A config that passed every check.
#[derive(Debug, Clone)]
pub struct Checked {
    pub config: Config,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Reads and checks a file, with `--set path=value` on top, by our own rules and then by others. Reports every fault.
pub fn load(path: &Path, overrides: &[String], rules: Rules) -> Result<Checked, ConfigError> {
    let text = read(path)?;
    let is_cfg = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("cfg"));
    let stem = path
        .file_stem()
        .map(|s| s.to_string_lossy().into_owned())
        .unwrap_or_default();
    let whole = std::path::absolute(path).ok();
    let source = Source {
        text: &text,
        file: &path.display().to_string(),
        is_cfg,
        stem: &stem,
        dir: whole.as_deref().and_then(Path::parent),
    };
    source.parse(overrides, rules)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |why: String| ConfigError::Unreadable {
        path: path.to_owned(),
        why,
    };
    let meta = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?;
    if !meta.is_file() {
        return Err(unreadable("it is not a file".into()));
    }
    if meta.len() > LONGEST_FILE_BYTES {
        return Err(unreadable(format!(
            "it has {} bytes; a config has at most {LONGEST_FILE_BYTES}",
            meta.len()
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| unreadable(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".into()))?;
    Ok(text
        .strip_prefix('\u{feff}')
        .map_or(text.clone(), str::to_owned))
}

/// Checks a text; `file` is for messages, `stem` the default name. Paths in it stay as they are.
pub fn parse(
    text: &str,
    file: &str,
    is_cfg: bool,
    stem: &str,
    overrides: &[String],
    rules: Rules,
) -> Result<Checked, ConfigError> {
    let source = Source {
        text,
        file,
        is_cfg,
        stem,
        dir: None,
    };
    source.parse(overrides, rules)
}

/// A config before it is read.
struct Source<'a> {
    text: &'a str,
    /// For messages.
    file: &'a str,
    is_cfg: bool,
    /// The default name.
    stem: &'a str,
    /// From where its paths count.
    dir: Option<&'a Path>,
}

impl Source<'_> {
    fn parse(&self, overrides: &[String], rules: Rules) -> Result<Checked, ConfigError> {
        let Self {
            text,
            file,
            is_cfg,
            stem,
            dir,
        } = *self;
        let mut faults = Vec::new();
        let mut warnings = Vec::new();
        let mut entries = if is_cfg {
            cfg_source::entries(text, file, &mut faults, &mut warnings)
        } else {
            match toml_source::entries(text, file, &mut faults) {
                Some(entries) => entries,
                // What could not be read cannot be checked either.
                None => return Err(refused(file, faults)),
            }
        };
        for text in overrides {
            toml_source::apply_override(text, &mut entries, &mut faults);
        }
        paths::settle(&mut entries, dir);
        if is_cfg {
            upstream::understand(&mut entries, &mut warnings);
        }
        let checked = check::check(&entries, file, is_cfg, stem, rules, warnings, &mut faults);
        if faults.is_empty() {
            return Ok(checked);
        }
        Err(refused(file, faults))
    }
}

fn refused(file: &str, mut faults: Vec<Fault>) -> ConfigError {
    // By line; what has none, because it is missing, comes last.
    faults.sort_by_key(|f| (f.place.line.wrapping_sub(1), f.place.key.clone()));
    ConfigError::Faults {
        file: file.to_owned(),
        faults,
    }
}

#[cfg(test)]
mod options_doc;
#[cfg(test)]
mod spellings_tests;
