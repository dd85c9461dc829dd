//! What an option is: its names, its type, and where in the config it is. The table of them all is `options`.

use super::field::Access;

/// One option.
#[derive(Debug)]
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
}

/// Why an option has no effect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WithoutEffect {
    /// The value that needs no word; every other one is told.
    pub(crate) usual: &'static str,
    pub(crate) why: &'static str,
}

impl Key {
    pub(crate) const fn at(mut self, access: Access) -> Self {
        self.access = Some(access);
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
    /// Section.
    pub section: &'static str,
    /// Option.
    pub option: &'static str,
    /// How its value becomes ours.
    pub unit: CfgUnit,
}

/// How a value of a `.cfg` becomes ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CfgUnit {
    /// As it is.
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
    /// Truth value.
    Bool,
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
        path,
        cfg: Some(Cfg {
            section,
            option,
            unit,
        }),
        kind,
        doc,
        access: None,
        is_quiet: false,
        without_effect: None,
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
