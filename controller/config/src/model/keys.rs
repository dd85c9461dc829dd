//! What an option is: its names, its type, and where in the config it is. The table of them all is `options`.

use super::{Config, LinkTable, TraceSource, field::Access};
use crate::entry::Value;
use continuum_model::{Setting, SettingKind};

#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// TOML path, also for `--set`.
    pub path: &'static str,
    /// Upstream's spelling, if it has one.
    pub cfg: Option<Cfg>,
    /// Type and range.
    pub kind: Kind,
    /// What it is, with its default.
    pub doc: &'static str,
    /// Where in the config it is; `None` = it has no effect there.
    pub(crate) access: Option<Access>,
    /// Not shown when it is false or 0.
    pub(crate) is_quiet: bool,
    /// Accepted, and nothing follows from it.
    pub(crate) without_effect: Option<WithoutEffect>,
    /// What it is of a link, which is put in with all others of the link.
    pub(crate) of_link: Option<(LinkTable, OfLink)>,
    pub(crate) purpose: Purpose,
}

/// What an option of a benchmark is for, whatever application is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The application itself.
    Application,
    Workers,
    Endpoints,
    Functions,
    KubeControl,
}

/// Why an option has no effect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WithoutEffect {
    /// The value that needs no word; every other one is told.
    pub(crate) usual: &'static str,
    pub(crate) why: &'static str,
}

/// What an option is of a link.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OfLink {
    Setting(&'static Setting),
    Trace(&'static TraceOption),
}

/// How a recorded link is used.
#[derive(Debug)]
pub(crate) struct TraceOption {
    name: &'static str,
    kind: Kind,
    doc: &'static str,
    get: fn(&TraceSource) -> Option<Value>,
}

/// Options of a recorded link, in the order in which they are shown.
pub(crate) static TRACE_OPTIONS: [TraceOption; 4] = [
    TraceOption {
        name: "trace",
        kind: Kind::Text,
        doc: "file of a recorded link, in mahimahi's format or CSV; relative to the config (none)",
        get: |trace| Some(Value::Text(trace.path.clone())),
    },
    TraceOption {
        name: "trace_loop",
        kind: Kind::Bool,
        doc: "the trace begins again at its end; else its last numbers stay (true)",
        get: |trace| Some(Value::Bool(trace.is_loop)),
    },
    TraceOption {
        name: "trace_offset_s",
        kind: Kind::Float(0.0, 864_000.0),
        doc: "where in the trace links begin (0)",
        get: |trace| Some(Value::Float(trace.offset_s)),
    },
    TraceOption {
        name: "trace_seed",
        kind: Kind::Int(0, 1_000_000_000),
        doc: "draws for each sender where its links begin, always the same for a seed (all begin at the offset)",
        get: |trace| trace.seed.map(Value::Int),
    },
];

impl Key {
    pub(crate) const fn at(mut self, access: Access) -> Self {
        self.access = Some(access);
        self
    }

    /// Of a link: there are as many as links times settings.
    pub(crate) fn of_link(table: LinkTable, of_link: OfLink, cfg: Option<Cfg>) -> Self {
        let (name, kind, doc) = match of_link {
            OfLink::Trace(option) => (option.name, option.kind, option.doc),
            OfLink::Setting(setting) => {
                let kind = match setting.kind {
                    SettingKind::Number(low, high) => Kind::Float(low, high),
                    SettingKind::Truth => Kind::Bool,
                    SettingKind::Name(names) => Kind::Choice(names, &[]),
                };
                (setting.name, kind, setting.doc)
            }
        };
        Self {
            cfg,
            of_link: Some((table, of_link)),
            // The table of options lives as long as the program.
            ..key(format!("network.{}.{name}", table.name()).leak(), kind, doc)
        }
    }

    /// What is in force; `None` = nothing is shown.
    pub(crate) fn get(&self, config: &Config) -> Option<Value> {
        let Some((table, of_link)) = self.of_link else {
            return (self.access?.get)(config);
        };
        let network = &config.network;
        let setting = match of_link {
            OfLink::Setting(setting) => setting,
            OfLink::Trace(option) => {
                let trace = network.traces.iter().find(|trace| trace.table == table)?;
                return (option.get)(trace);
            }
        };
        let value = match table {
            LinkTable::Pair(pair) => (setting.get)(network.pair(pair.0, pair.1)?),
            LinkTable::Direction(direction) => network.direction(direction)?.value(setting)?,
        };
        Some(match setting.kind {
            SettingKind::Number(..) => Value::Float(value),
            SettingKind::Truth => Value::Bool(value > 0.0),
            SettingKind::Name(_) => Value::Text(setting.text(value)),
        })
    }

    pub(crate) const fn of(mut self, purpose: Purpose) -> Self {
        self.purpose = purpose;
        self
    }

    pub(crate) const fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    pub(crate) const fn without_effect(mut self, usual: &'static str, why: &'static str) -> Self {
        self.without_effect = Some(WithoutEffect { usual, why });
        self
    }
}

/// Upstream's spelling of an option.
#[derive(Debug, Clone, Copy)]
pub struct Cfg {
    pub section: &'static str,
    pub option: &'static str,
    /// How its value becomes ours.
    pub unit: CfgUnit,
}

/// How a value of a `.cfg` becomes ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CfgUnit {
    Same,
    /// Gigabytes to mebibytes.
    Gigabytes,
    /// Comma-separated.
    List,
    /// Case does not matter.
    Lowercase,
    /// It means the opposite of ours.
    Not,
}

/// Type and range of an option.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// First two numbers of addresses of single machines.
    Prefixes,
    /// Any texts.
    List,
    /// Steps, each a table or a line.
    Timeline,
    /// Functions with their loads, each a table or a line.
    Functions,
    /// Links of nodes, each a table or a line.
    Overrides,
    /// Truth value.
    Bool,
    /// Truth value, or one of these.
    TruthOr(&'static [&'static str]),
    /// Whole number in a range.
    Int(i64, i64),
    /// Number in a range.
    Float(f64, f64),
    /// Mebibytes in a range; whole, unless the `.cfg` gives gigabytes.
    Mib(f64, f64),
    /// One of these; those behind are known and refused with the reason.
    Choice(
        &'static [&'static str],
        &'static [(&'static str, &'static str)],
    ),
}

pub(crate) const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        path,
        cfg: None,
        kind,
        doc,
        access: None,
        is_quiet: false,
        without_effect: None,
        of_link: None,
        purpose: Purpose::Application,
    }
}

pub(crate) const fn both(
    path: &'static str,
    section: &'static str,
    option: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Key {
    unit(path, section, option, CfgUnit::Same, kind, doc)
}

pub(crate) const fn unit(
    path: &'static str,
    section: &'static str,
    option: &'static str,
    unit: CfgUnit,
    kind: Kind,
    doc: &'static str,
) -> Key {
    Key {
        cfg: Some(Cfg {
            section,
            option,
            unit,
        }),
        ..key(path, kind, doc)
    }
}

/// The provider that an option of upstream belongs to, if that is one we do not have.
pub(crate) fn other_provider(option: &str) -> Option<&'static str> {
    let prefixes = [("gcp_", "gcp"), ("aws_", "aws")];
    let of = prefixes
        .iter()
        .find(|(prefix, _)| option.starts_with(prefix));
    of.map(|(_, provider)| *provider)
}
