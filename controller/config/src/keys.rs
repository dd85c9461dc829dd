//! What an option is. The table of them all is `options`.

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
    /// Any texts.
    List,
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
    /// Known, and only this value is accepted; for others the reason.
    Only(&'static str, &'static str),
}

pub(super) const fn key(path: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key {
        path,
        cfg: None,
        kind,
        doc,
    }
}

pub(super) const fn both(
    path: &'static str,
    section: &'static str,
    option: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Key {
    unit(path, section, option, CfgUnit::Same, kind, doc)
}

pub(super) const fn unit(
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
    }
}

/// Options of upstream that belong to what we do not support at all, with the reason.
pub(super) fn unsupported_option(option: &str) -> Option<String> {
    for prefix in ["gcp_", "aws_"] {
        if option.starts_with(prefix) {
            return Some(format!(
                "belongs to provider {}, which is not supported",
                prefix.trim_end_matches('_')
            ));
        }
    }
    None
}
