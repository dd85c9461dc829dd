//! Whether a `result.json` is as the published schema says.

use jsonschema::Validator;
use serde_json::Value;

const SCHEMA: &str = include_str!("../../../../docs/result.schema.json");

fn validator() -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(SCHEMA)
        .map_err(|error| format!("docs/result.schema.json is no JSON: {error}"))?;
    jsonschema::draft202012::new(&schema)
        .map_err(|error| format!("docs/result.schema.json is no JSON schema: {error}"))
}

/// Every place that is not as it should be.
pub(crate) fn faults(result: &Value) -> Vec<String> {
    match validator() {
        Ok(validator) => validator
            .iter_errors(result)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
        Err(why) => vec![why],
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
        "/schema: 2 was expected",
        "/name: 7 is not of type \"string\"",
        "/clocks/edge0/before/error_ns: -1 is less than the minimum of 0",
        "/clocks/edge0/after: 3 is not valid under any of the schemas",
        "/stages_ms/x: \"p50_ms\" is a required property",
        "/runs/0: \"node\" is a required property",
        "/validity: \"good\" is not one of",
        ": \"plan\" is a required property",
    ] {
        assert!(faults.contains(part), "no `{part}` in\n{faults}");
    }
}

/// To the library a word that it does not know says nothing, so one that is misspelt would check nothing.
#[test]
fn every_word_of_the_schema_checks_or_describes() {
    const WORDS: [&str; 15] = [
        "$schema",
        "$id",
        "$defs",
        "$ref",
        "title",
        "description",
        "anyOf",
        "type",
        "const",
        "enum",
        "minimum",
        "maximum",
        "required",
        "additionalProperties",
        "items",
    ];
    fn unknown(schema: &Value, found: &mut Vec<String>) {
        let members = schema.as_object().into_iter().flatten();
        for (word, rule) in members {
            match word.as_str() {
                "properties" | "$defs" => {
                    let inner = rule.as_object().into_iter().flatten();
                    inner.for_each(|(_, schema)| unknown(schema, found));
                }
                "additionalProperties" | "items" => unknown(rule, found),
                "anyOf" => {
                    let inner = rule.as_array().into_iter().flatten();
                    inner.for_each(|schema| unknown(schema, found));
                }
                word if WORDS.contains(&word) => {}
                word => found.push(word.to_owned()),
            }
        }
    }
    let mut found = Vec::new();
    let schema = serde_json::from_str(SCHEMA);
    let schema = schema.unwrap_or_else(|why| panic!("the schema is no JSON: {why}"));
    unknown(&schema, &mut found);
    assert_eq!(found, Vec::<String>::new());
}
