//! What happened during the run.

use super::Section;
use crate::{data_table::DataTable, read::RunFiles};
use continuum_host::error::Error;

/// Lines on the page; `events.csv` has all.
const MOST: usize = 300;

#[expect(clippy::unnecessary_wraps, reason = "as all sections are")]
pub(super) fn section(run: &RunFiles) -> Result<Option<Section>, Error> {
    let result = &run.result;
    let mut timeline = DataTable::new(
        "What the controller did and saw",
        &["after (s)", "by", "what"],
    );
    for row in &result.timeline {
        timeline.row([
            format!("{:.1}", row.after_s),
            row.source.clone(),
            row.text.clone(),
        ]);
    }
    // Agents still know what happened before this run.
    let begun_s = result.begun_unix_ns.s_since(result.load_unix_ns());
    let all: Vec<_> = run
        .events
        .iter()
        .filter(|event| event.at_s >= begun_s)
        .collect();
    let mut events = DataTable::new(
        "Events of all nodes",
        &["after (s)", "node", "part", "what"],
    );
    for event in all.iter().take(MOST) {
        let at = format!("{:.1}", event.at_s);
        events.row([
            at,
            event.node.clone(),
            event.source.clone(),
            event.text.clone(),
        ]);
    }
    if all.len() > MOST {
        events.note = format!("{} later ones are in events.csv.", all.len() - MOST);
    }
    let text = if timeline.rows.is_empty() && events.rows.is_empty() {
        "Nothing happened that an agent or the controller noted."
    } else {
        "Seconds since the load began, by the controller's clock."
    };
    let is_full = |table: &DataTable| !table.rows.is_empty();
    Ok(Some(Section {
        id: "events",
        title: "Events",
        text: text.into(),
        tables: Vec::from_iter(Some(timeline).filter(is_full)),
        folded: Vec::from_iter(Some(events).filter(is_full)),
        ..Section::default()
    }))
}
