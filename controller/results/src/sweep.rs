//! A matrix of runs: what was varied, what came of each point, in a file from which a sweep that was interrupted goes on.

mod page;

use crate::{
    data_table::{NONE, optional},
    figures::Named,
    page::PAGE_FILE,
    read::{ResultFile, StageRow, is_result},
    series::Series,
    whole::write_whole,
};
use continuum_host::error::Error;
use continuum_model::END_TO_END;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::Path};

/// Version of `sweep.json`.
const SCHEMA_VERSION: u32 = 1;
/// What a sweep has done.
pub const SWEEP_FILE: &str = "sweep.json";

/// One option with the values that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variation {
    /// TOML path.
    pub key: String,
    pub values: Vec<String>,
}

/// One run of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Values in the order of the variations.
    pub values: Vec<String>,
    /// Directory of its result, relative to the sweep's; `None` = not done yet.
    pub result: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    schema: u32,
    /// What everything was made from, without what is varied.
    config: String,
    pub variations: Vec<Variation>,
    /// The last variation changes fastest.
    pub points: Vec<Point>,
}

impl Variation {
    /// `key=a,b,c` as typed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| Error::Words {
            doing: format!("vary `{text}`"),
            why: format!("{why}; write --vary benchmark.frequency=1,2,5"),
        };
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| refused("there is no `=` in it"))?;
        let values: Vec<String> = values.split(',').map(|v| v.trim().to_owned()).collect();
        if key.trim().is_empty() || values.iter().any(String::is_empty) {
            return Err(refused("a key or a value is missing"));
        }
        let mut sorted = values.clone();
        sorted.sort();
        sorted.dedup();
        if sorted.len() < values.len() {
            return Err(refused("a value is there twice"));
        }
        let key = key.trim().to_owned();
        Ok(Self { key, values })
    }

    /// Several of them, each of another key.
    pub fn parse_all(texts: &[String]) -> Result<Vec<Self>, Error> {
        let mut all: Vec<Self> = Vec::new();
        for text in texts {
            let one = Self::parse(text)?;
            if all.iter().any(|other| other.key == one.key) {
                return Err(Error::Words {
                    doing: format!("vary `{text}`"),
                    why: format!(
                        "`{}` is varied already; write all of its values in one --vary",
                        one.key
                    ),
                });
            }
            all.push(one);
        }
        Ok(all)
    }
}

/// Every combination of values.
fn combinations(variations: &[Variation]) -> Vec<Vec<String>> {
    variations
        .iter()
        .fold(vec![Vec::new()], |before, variation| {
            let longer = before.iter().flat_map(|values| {
                variation.values.iter().map(move |value| {
                    let mut values = values.clone();
                    values.push(value.clone());
                    values
                })
            });
            longer.collect()
        })
}

impl Series for Sweep {
    const FILE: &'static str = SWEEP_FILE;
    const NAME: &'static str = "sweep";
    const OTHER: &'static str = "another config or other --vary";

    fn is_same(&self, other: &Self) -> bool {
        (self.schema, &self.config, &self.variations)
            == (other.schema, &other.config, &other.variations)
    }

    /// A point whose result is gone is not done.
    fn forget_removed(&mut self, dir: &Path) {
        for point in &mut self.points {
            point
                .result
                .take_if(|result| !is_result(&dir.join(&*result)));
        }
    }
}

impl Sweep {
    /// Of a config as text, without any point done.
    pub fn new(config: &str, variations: Vec<Variation>) -> Self {
        let points = combinations(&variations).into_iter();
        Self {
            schema: SCHEMA_VERSION,
            config: config.to_owned(),
            points: points
                .map(|values| Point {
                    values,
                    result: None,
                })
                .collect(),
            variations,
        }
    }

    /// What `--set` would say for a point.
    pub fn settings(&self, point: &Point) -> Vec<String> {
        let pairs = self.variations.iter().zip(&point.values);
        pairs
            .map(|(variation, value)| format!("{}={value}", variation.key))
            .collect()
    }

    /// What came of every point that is done.
    pub fn outcomes(&self, dir: &Path) -> Result<Vec<Outcome>, Error> {
        let done = self
            .points
            .iter()
            .filter_map(|point| Some((point, point.result.as_ref()?)));
        done.map(|(point, result)| {
            let result = ResultFile::read(&dir.join(result))?;
            Ok(Outcome {
                values: point.values.clone(),
                result,
            })
        })
        .collect()
    }

    /// Columns of the table: what was varied, by the last word of its path where that is enough, then what came of it.
    pub fn columns(&self) -> Vec<String> {
        let last_word = |key: &str| {
            key.rsplit_once('.')
                .map_or(key, |(_, word)| word)
                .to_owned()
        };
        let words: BTreeSet<String> = self.variations.iter().map(|v| last_word(&v.key)).collect();
        let is_enough = words.len() == self.variations.len();
        let keys = self.variations.iter().map(|variation| {
            if is_enough {
                last_word(&variation.key)
            } else {
                variation.key.clone()
            }
        });
        let rest = ["answered", "p50 (ms)", "p95 (ms)", "p99 (ms)", "validity"];
        keys.chain(rest.map(str::to_owned)).collect()
    }

    /// The figure of what is done.
    pub(crate) fn figure(&self, dir: &Path) -> Result<Option<Named>, Error> {
        page::figure(self, &self.outcomes(dir)?)
    }

    /// Rows of the table of what is done; percentiles are of the latency from due.
    pub fn rows(&self, dir: &Path) -> Result<Vec<Vec<String>>, Error> {
        Ok(self.outcomes(dir)?.iter().map(Outcome::row).collect())
    }

    /// Writes the page of what is done.
    pub fn write_page(&self, dir: &Path) -> Result<(), Error> {
        let outcomes = self.outcomes(dir)?;
        let rows: Vec<Vec<String>> = outcomes.iter().map(Outcome::row).collect();
        let page = page::page(self, &outcomes, &rows)?;
        write_whole(&dir.join(PAGE_FILE), &page.render()?)
    }
}

/// A point that is done.
#[derive(Debug)]
pub struct Outcome {
    values: Vec<String>,
    result: ResultFile,
}

impl Outcome {
    /// Why it must not be used.
    pub fn invalid_reasons(&self) -> &[String] {
        &self.result.invalid_reasons
    }

    fn row(&self) -> Vec<String> {
        let result = &self.result;
        let whole = result.stages_ms.get(END_TO_END);
        let answered = result
            .counts
            .get("answered")
            .map_or_else(|| NONE.to_owned(), u64::to_string);
        let mut row = self.values.clone();
        row.extend([
            answered,
            optional(whole.map(|w| w.p50_ms)),
            optional(whole.and_then(StageRow::p95_ms)),
            optional(whole.and_then(StageRow::p99_ms)),
            result.validity.loud_name().to_owned(),
        ]);
        row
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_a_point_and_the_last_changes_fastest() {
        let variations = ["a=1,2", "b.c=x,y"].map(|text| Variation::parse(text).unwrap());
        let sweep = Sweep::new("", variations.into());
        let settings: Vec<_> = sweep
            .points
            .iter()
            .map(|p| sweep.settings(p).join(" "))
            .collect();
        assert_eq!(
            settings,
            ["a=1 b.c=x", "a=1 b.c=y", "a=2 b.c=x", "a=2 b.c=y"]
        );
    }

    #[test]
    fn what_cannot_be_varied_is_refused_with_an_example() {
        for bad in ["a", "=1", "a=", "a=1,,2", "a=1,1"] {
            let error = Variation::parse(bad).unwrap_err();
            assert!(error.to_string().contains("--vary"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_key_is_varied_once() {
        let twice = ["a=1,2", "b=1", "a=3"].map(str::to_owned);
        let error = Variation::parse_all(&twice).unwrap_err();
        assert!(
            error.to_string().contains("`a` is varied already"),
            "{error}"
        );
        assert_eq!(Variation::parse_all(&twice[..2]).unwrap().len(), 2);
    }

    #[test]
    fn a_sweep_goes_on_where_it_was_and_no_other_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let of = |text| vec![Variation::parse(text).unwrap()];
        let mut sweep = Sweep::new("name = \"a\"", of("x=1,2"))
            .resume(dir.path())
            .unwrap();
        sweep.points[0].result = Some("one".into());
        sweep.points[1].result = Some("removed".into());
        let one = dir.path().join("one");
        std::fs::create_dir(&one).unwrap();
        std::fs::write(one.join("result.json"), "{}").unwrap();
        sweep.save(dir.path()).unwrap();
        sweep.points[1].result = None;
        let again = Sweep::new("name = \"a\"", of("x=1,2"))
            .resume(dir.path())
            .unwrap();
        assert_eq!(again, sweep);
        for (config, vary) in [("name = \"b\"", "x=1,2"), ("name = \"a\"", "x=1,3")] {
            let error = Sweep::new(config, of(vary)).resume(dir.path()).unwrap_err();
            assert!(error.to_string().contains("another --results"), "{error}");
        }
    }
}
