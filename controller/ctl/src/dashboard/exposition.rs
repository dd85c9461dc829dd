//! What a gateway for functions tells Prometheus, read for the page.

use std::collections::BTreeMap;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metric<'a> {
    pub(super) name: &'a str,
    pub(super) labels: BTreeMap<&'a str, String>,
    pub(super) value: f64,
}

impl Metric<'_> {
    pub(super) fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// All values of a text of Prometheus's format; comments and what is no value are left out.
pub(super) fn metrics(text: &str) -> impl Iterator<Item = Metric<'_>> {
    text.lines().filter_map(metric)
}

fn metric(line: &str) -> Option<Metric<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at_checked(end)?;
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (BTreeMap::new(), rest),
    };
    // A time may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Metric {
        name,
        labels,
        value,
    })
}

/// `name="value",…}` and what is behind it.
fn labels(mut rest: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, behind) = rest.split_once("=\"")?;
        let (value, behind) = quoted(behind)?;
        labels.insert(name, value);
        rest = behind;
    }
}

/// Up to the quote that ends it, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_names_and_labels_and_the_rest_is_left_out() {
        let text = "# TYPE a counter\na_total{code=\"200\",function_name=\"f.ns\"} 3\nb 1.5 1700000000\n\
                    c_bucket{le=\"+Inf\"} 4\nd{x=\"a\\\"},\\\\\\n\"} 2\nnonsense\ne{x=\"open\n";
        let seen: Vec<(&str, String, f64)> = metrics(text)
            .map(|m| (m.name, format!("{:?}", m.labels), m.value))
            .collect();
        let expected = [
            (
                "a_total",
                r#"{"code": "200", "function_name": "f.ns"}"#,
                3.0,
            ),
            ("b", "{}", 1.5),
            ("c_bucket", r#"{"le": "+Inf"}"#, 4.0),
            ("d", r#"{"x": "a\"},\\\n"}"#, 2.0),
        ];
        let expected = expected.map(|(name, labels, value)| (name, labels.to_owned(), value));
        assert_eq!(seen, expected);
    }
}
