//! A checked config in the native spelling, with every value that is in force: the table of options tells what there is.

use super::{entry::Value, model::Config, options::KEYS};

pub fn to_toml(config: &Config) -> String {
    let mut out = String::new();
    let mut open_table = "";
    for key in KEYS.iter() {
        let Some(value) = key.get(config) else {
            continue;
        };
        if key.is_quiet && matches!(value, Value::Bool(false) | Value::Float(0.0)) {
            continue;
        }
        let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if table != open_table {
            out.push_str(&format!("[{table}]\n"));
            open_table = table;
        }
        out.push_str(&format!("{name} = {}\n", text(&value)));
    }
    out
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => toml_edit::Value::from(text).to_string(),
        Value::List(texts) => {
            let quoted = texts
                .iter()
                .map(|text| toml_edit::Value::from(text).to_string());
            format!("[{}]", quoted.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
