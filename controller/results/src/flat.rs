//! Nested values as lines of path and text.

use serde_json::Value;
use std::collections::BTreeMap;

/// `{"a": {"b": 1}}` as `a.b` = `1`; what is null or empty is left out.
pub(crate) fn flatten(value: &Value) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    add(value, "", &mut lines);
    lines
}

fn add(value: &Value, path: &str, lines: &mut BTreeMap<String, String>) {
    let text = match value {
        Value::Null => return,
        Value::Object(members) => {
            for (name, member) in members {
                let dot = if path.is_empty() { "" } else { "." };
                add(member, &format!("{path}{dot}{name}"), lines);
            }
            return;
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (index, item) in items.iter().enumerate() {
                add(item, &format!("{path}[{index}]"), lines);
            }
            return;
        }
        Value::Array(items) if items.is_empty() => return,
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => plain(other),
    };
    lines.insert(path.to_owned(), text);
}

/// A value as text, without quotes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => crate::data_table::NONE.to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_get_their_whole_path() {
        let value = json!({
            "a": { "b": 1, "none": null, "list": ["x", "y"] },
            "steps": [{ "at_s": 2.5 }, { "at_s": 5 }],
            "empty": [],
        });
        let lines: Vec<_> = flatten(&value).into_iter().collect();
        let expected = [
            ("a.b", "1"),
            ("a.list", "x, y"),
            ("steps[0].at_s", "2.5"),
            ("steps[1].at_s", "5"),
        ];
        let expected = expected.map(|(path, text)| (path.to_owned(), text.to_owned()));
        assert_eq!(lines, expected);
    }
}
