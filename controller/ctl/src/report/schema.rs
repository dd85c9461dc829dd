//! Whether a `result.json` is as the published schema says. As much of JSON schema as that file uses; a word in it that is
//! not known here is a fault, so that nothing in it goes unchecked.

use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/result.schema.json");

/// Words that say nothing about a value.
const DESCRIPTIONS: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];

/// Every place that is not as it should be.
pub(crate) fn faults(result: &Value) -> Vec<String> {
    let mut check = Check {
        root: serde_json::from_str(SCHEMA).unwrap_or_default(),
        faults: Vec::new(),
    };
    if !check.root.is_object() {
        check.faults.push("the schema is no JSON".into());
    }
    let root = check.root.clone();
    check.value(result, &root, "result");
    check.faults
}

struct Check {
    root: Value,
    faults: Vec<String>,
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

impl Check {
    fn expect(&mut self, holds: bool, at: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(format!("{at}: {}", what()));
        }
    }

    fn value(&mut self, value: &Value, schema: &Value, at: &str) {
        let no_words = serde_json::Map::new();
        for (word, rule) in schema.as_object().unwrap_or(&no_words) {
            match word.as_str() {
                "$ref" => {
                    let pointer = rule.as_str().unwrap_or_default().trim_start_matches('#');
                    let target = self.root.pointer(pointer).cloned();
                    self.expect(target.is_some(), at, || format!("{rule} leads nowhere"));
                    self.value(value, &target.unwrap_or_default(), at);
                }
                "anyOf" => {
                    let alternatives = rule.as_array().cloned().unwrap_or_default();
                    let fits = alternatives.iter().any(|one| self.fits(value, one));
                    self.expect(fits, at, || format!("{value} is none of {rule}"));
                }
                "type" => {
                    let fits = rule.as_array().map_or_else(
                        || is_of_type(value, rule),
                        |names| names.iter().any(|name| is_of_type(value, name)),
                    );
                    self.expect(fits, at, || format!("{value} is not of type {rule}"));
                }
                "const" => self.expect(value == rule, at, || format!("{value} is not {rule}")),
                "enum" => {
                    let fits = rule.as_array().is_some_and(|all| all.contains(value));
                    self.expect(fits, at, || format!("{value} is not one of {rule}"));
                }
                "minimum" | "maximum" => self.bound(value, word == "minimum", rule, at),
                "required" => {
                    for name in rule.as_array().into_iter().flatten() {
                        let name = name.as_str().unwrap_or_default();
                        let is_there = value.as_object().is_none_or(|o| o.contains_key(name));
                        self.expect(is_there, at, || format!("`{name}` is missing"));
                    }
                }
                "properties" => {
                    for (name, schema) in rule.as_object().unwrap_or(&no_words) {
                        if let Some(member) = value.get(name) {
                            self.value(member, schema, &format!("{at}.{name}"));
                        }
                    }
                }
                "additionalProperties" => {
                    for (name, member) in value.as_object().unwrap_or(&no_words) {
                        self.value(member, rule, &format!("{at}.{name}"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(item, rule, &format!("{at}[{index}]"));
                    }
                }
                word if DESCRIPTIONS.contains(&word) => {}
                word => self.expect(false, at, || format!("the schema's `{word}` is not known")),
            }
        }
    }

    fn bound(&mut self, value: &Value, is_minimum: bool, rule: &Value, at: &str) {
        let (Some(number), Some(bound)) = (value.as_f64(), rule.as_f64()) else {
            return;
        };
        let holds = if is_minimum {
            number >= bound
        } else {
            number <= bound
        };
        self.expect(holds, at, || format!("{number} is beyond {bound}"));
    }

    fn fits(&mut self, value: &Value, schema: &Value) -> bool {
        let before = self.faults.len();
        self.value(value, schema, "");
        let fits = self.faults.len() == before;
        self.faults.truncate(before);
        fits
    }
}

#[test]
fn what_is_not_as_the_schema_says_is_found_with_its_place() {
    let bad = serde_json::json!({
        "schema": 1, "name": 7, "clocks": { "edge0": { "before": { "offset_ns": 1, "error_ns": -1 }, "after": 3 } },
        "stages_ms": { "x": { "count": 0 } }, "runs": [{}], "validity": "good",
    });
    let faults = faults(&bad).join("\n");
    for part in [
        "result.schema: 1 is not 2",
        "result.name: 7 is not of type \"string\"",
        "result.clocks.edge0.before.error_ns: -1 is beyond 0",
        "result.clocks.edge0.after: 3 is none of",
        "result.stages_ms.x: `p50_ms` is missing",
        "result.runs[0]: `node` is missing",
        "result.validity: \"good\" is not one of",
        "result: `plan` is missing",
    ] {
        assert!(faults.contains(part), "no `{part}` in\n{faults}");
    }
    assert!(!faults.contains("not known"), "{faults}");
}
