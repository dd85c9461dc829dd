//! Functions that an application calls. In a config each is a table or one line.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::str::FromStr;

/// A function with how often it is called and with what.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "LoadTable")]
pub struct FunctionLoad {
    pub name: String,
    /// Calls per second and endpoint.
    pub frequency_hz: f64,
    /// JSON.
    pub parameters: String,
}

/// The same as a table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadTable {
    name: String,
    frequency: f64,
    #[serde(default)]
    parameters: Map<String, Value>,
}

fn is_frequency(frequency: f64) -> bool {
    (0.001..=100_000.0).contains(&frequency)
}

impl TryFrom<LoadTable> for FunctionLoad {
    type Error = String;

    fn try_from(table: LoadTable) -> Result<Self, String> {
        let LoadTable {
            name,
            frequency,
            parameters,
        } = table;
        if !is_frequency(frequency) {
            return Err(format!(
                "frequency `{frequency}` is not calls per second, 0.001 to 100000"
            ));
        }
        Ok(Self {
            name,
            frequency_hz: frequency,
            parameters: Value::Object(parameters).to_string(),
        })
    }
}

impl FromStr for FunctionLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let how = "write it as NAME FREQUENCY or NAME FREQUENCY {\"PARAMETER\":VALUE}";
        let mut words = text.trim().splitn(3, char::is_whitespace);
        let name = words.next().unwrap_or_default().to_owned();
        let frequency = words.next().unwrap_or_default();
        let frequency_hz = frequency
            .parse()
            .ok()
            .filter(|f| is_frequency(*f))
            .ok_or_else(|| {
                format!("`{text}`: `{frequency}` is not calls per second, 0.001 to 100000; {how}")
            })?;
        let parameters = words.next().unwrap_or("{}").trim().to_owned();
        serde_json::from_str::<Map<String, Value>>(&parameters)
            .map_err(|e| format!("`{text}`: its parameters are not JSON: {e}; {how}"))?;
        Ok(Self {
            name,
            frequency_hz,
            parameters,
        })
    }
}

impl std::fmt::Display for FunctionLoad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.frequency_hz)?;
        if self.parameters == "{}" {
            return Ok(());
        }
        write!(f, " {}", self.parameters)
    }
}

impl Serialize for FunctionLoad {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_means_the_same_as_its_line() {
        let table =
            json!({ "name": "sleep", "frequency": 2, "parameters": { "ms": 100, "of": [1, 2] } });
        let load: FunctionLoad = serde_json::from_value(table).unwrap();
        assert_eq!(load.to_string(), r#"sleep 2 {"ms":100,"of":[1,2]}"#);
        assert_eq!(load.to_string().parse::<FunctionLoad>().unwrap(), load);
        let plain: FunctionLoad =
            serde_json::from_value(json!({ "name": "image", "frequency": 0.5 })).unwrap();
        assert_eq!(plain, "image 0.5".parse().unwrap());
        let never = json!({ "name": "image", "frequency": 0 });
        let error = serde_json::from_value::<FunctionLoad>(never).unwrap_err();
        assert!(
            error.to_string().contains("`0` is not calls per second"),
            "{error}"
        );
    }
}
