//! JSON of our own, for receivers that somebody writes: see docs/alerts.md.

use serde_json::{Value, json};

use super::Notice;

/// The form's version; a field changes its meaning never, and goes only with another number here.
const VERSION: u32 = 1;

pub(super) fn body(notice: &Notice, text: Option<&str>, delivery: i64, base: Option<&str>) -> Value {
    let state = if notice.firing_count > 0 { "firing" } else { "over" };
    json!({
        "version": VERSION,
        "delivery": delivery,
        "state": state,
        "severity": notice.severity(),
        "title": notice.title(),
        "text": text,
        "base": base,
        "labels": notice.labels,
        "firing": notice.firing,
        "firing_count": notice.firing_count,
        "over": notice.over,
        "over_count": notice.over_count,
    })
}
