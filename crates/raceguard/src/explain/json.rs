//! The diagnosis as one JSON document, described in `docs/explain.md`.

use std::io::{self, Write};

use serde_json::json;

use super::Explanation;

pub(super) fn render(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let comparison = explanation.comparison.as_ref().map(|(since, comparison)| {
        json!({ "since": since, "new": comparison.new, "still_there": comparison.still_there, "gone": comparison.gone })
    });
    let mut document = json!({
        "schema": 1,
        "kind": "diagnosis",
        "raceguard_version": env!("CARGO_PKG_VERSION"),
        "comparison": comparison,
    });
    let diagnosis = serde_json::to_value(explanation.diagnosis).map_err(io::Error::other)?;
    if let (Some(document), serde_json::Value::Object(diagnosis)) = (document.as_object_mut(), diagnosis) {
        document.extend(diagnosis);
    }
    serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::other)?;
    writeln!(out)
}
