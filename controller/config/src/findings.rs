//! What rules between options find, each at the place of its option.

use super::{
    entry::Value,
    fault::Fault,
    model::{Config, keys::Purpose},
    options,
    values::Options,
};
use continuum_model::Tier;

/// Rules of somebody who knows more than options: they see the config and add what is wrong with it.
pub type Rules = fn(&Config, &mut Findings<'_>);

/// Faults and warnings so far.
pub struct Findings<'a> {
    options: &'a Options<'a>,
    faults: &'a mut Vec<Fault>,
    /// So many of the faults are of single values, found before any rule was asked.
    of_values: usize,
    warnings: &'a mut Vec<String>,
}

impl std::fmt::Debug for Findings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Findings")
            .field("faults", &self.faults)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl<'a> Findings<'a> {
    pub(super) fn new(
        options: &'a Options<'a>,
        faults: &'a mut Vec<Fault>,
        warnings: &'a mut Vec<String>,
    ) -> Self {
        Self {
            options,
            of_values: faults.len(),
            faults,
            warnings,
        }
    }

    /// Something is wrong with an option, given by its TOML path.
    pub fn fault(&mut self, path: &str, text: impl Into<String>) {
        self.options.fault(self.faults, path, text);
    }

    /// Something is wrong with one of the rows of an option, counted from 0 as the config has them.
    pub fn fault_in_row(&mut self, path: &str, row: usize, text: impl Into<String>) {
        let place = self.options.place_of_row(path, row);
        self.faults.push(Fault {
            place,
            text: text.into(),
        });
    }

    pub(super) fn add(&mut self, faults: Vec<Fault>) {
        self.faults.extend(faults);
    }

    /// Something that the user should know.
    pub fn warn(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// The same about an option, given by its TOML path.
    pub fn warn_at(&mut self, path: &str, text: impl Into<String>) {
        let warning = Fault {
            place: self.options.place(path),
            text: text.into(),
        };
        self.warnings.push(warning.to_string());
    }

    /// Whether an option is written down, right or wrong.
    pub fn is_given(&self, path: &str) -> bool {
        self.options.is_given(path)
    }

    /// Whether an option is written down with a text that it may have.
    pub fn is_right_text(&self, path: &str) -> bool {
        self.options.text(path).is_some()
    }

    /// A number that is written down, and one that the option may have.
    pub fn number(&self, path: &str) -> Option<f64> {
        match self.options.value(path)? {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// The name of an option as the user wrote it.
    pub fn name(&self, path: &str) -> String {
        self.options.place(path).key
    }

    /// What an option is for.
    pub fn purpose(&self, path: &str) -> Purpose {
        options::find(path).map_or(Purpose::Application, |key| key.purpose)
    }

    /// Paths of options of a table that are written down, right, and say nothing about this config.
    pub fn without_place(&self, config: &Config, table: &str) -> Vec<&'static str> {
        let says_something = |value: &Value| match value {
            Value::List(all) => !all.is_empty(),
            Value::Timeline(all) => !all.is_empty(),
            Value::Functions(all) => !all.is_empty(),
            Value::Overrides(all) => !all.is_empty(),
            _ => true,
        };
        let of_table = options::KEYS.iter().filter(|k| k.path.starts_with(table));
        of_table
            .filter(|k| k.access.is_some_and(|a| (a.get)(config).is_none()))
            .filter(|k| self.options.value(k.path).is_some_and(says_something))
            .map(|k| k.path)
            .collect()
    }

    /// Whether something was found to be wrong with an option.
    pub fn is_wrong(&self, path: &str) -> bool {
        self.faults.iter().any(|fault| fault.place.path == path)
    }

    /// Whether the value of an option, or of one of a table, is wrong by itself: rules that build on it would complain
    /// about the wrong thing.
    pub fn is_wrong_value(&self, path: &str) -> bool {
        let is_about = |fault: &Fault| {
            let below = fault.place.path.strip_prefix(path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.faults.iter().take(self.of_values).any(is_about)
    }

    /// Whether it is known how many nodes there are to be.
    pub fn are_counts_right(&self) -> bool {
        let mut tiers = Tier::ALL.iter();
        tiers.all(|tier| !self.is_wrong_value(&format!("infrastructure.{tier}.nodes")))
    }
}
