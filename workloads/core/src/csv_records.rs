//! Records of CSV files, written and read.

use serde::{Serialize, de::DeserializeOwned};

/// Cells as one record with its line end: quoted where a cell has a comma, a quote or a line end in it.
pub fn csv_record<T: AsRef<[u8]>>(cells: impl IntoIterator<Item = T>) -> String {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    // Writing to memory does not fail.
    writer.write_record(cells).ok();
    let bytes = writer.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One value as a record with its line end.
pub(crate) fn to_record(value: &impl Serialize) -> String {
    let mut writer = csv::WriterBuilder::new()
        .has_headers(false)
        .from_writer(Vec::new());
    // Writing to memory does not fail.
    writer.serialize(value).ok();
    String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()).into_owned()
}

/// Records of a CSV text below its first line, and those that cannot be read, as they are.
pub(crate) fn read_records<T: DeserializeOwned>(
    text: &str,
    columns: &str,
) -> (Vec<T>, Vec<String>) {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(text.as_bytes());
    let (mut values, mut bad) = (Vec::new(), Vec::new());
    for record in reader.records() {
        match record {
            Ok(record) => match record.deserialize(None) {
                Ok(value) if record.len() == columns.split(',').count() => values.push(value),
                _ => bad.push(record.iter().collect::<Vec<_>>().join(",")),
            },
            Err(error) => bad.push(error.to_string()),
        }
    }
    (values, bad)
}
