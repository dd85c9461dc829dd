//! Why the result may be used, or must not be.

use super::{List, Section};
use crate::read::RunFiles;
use continuum_host::error::Error;

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let result = &run.result;
    let mut lists = Vec::new();
    let mut add = |title, items: &[String]| {
        if !items.is_empty() {
            let items = items.to_vec();
            lists.push(List { title, items });
        }
    };
    add("Reasons against it", &result.invalid_reasons);
    if result.interrupted {
        add(
            "Interrupted",
            &["The user asked to stop; what there was until then is here.".to_owned()],
        );
    }
    add("What its reader must know", &result.notes);
    let text = if lists.is_empty() {
        "There are no reasons against it, and no notes.".to_owned()
    } else {
        String::new()
    };
    Ok(Some(Section {
        id: "validity",
        title: "Validity",
        text,
        lists,
        ..Section::default()
    }))
}
