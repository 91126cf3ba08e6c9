//! The diagnosis as one JSON document, described in `docs/explain.md`.

use std::io::{self, Write};

use raceguard_diagnosis::Diagnosis;
use serde::Serialize;

use super::Explanation;

/// The document. It is written as it is walked, for a diagnosis of many dumps is large.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    kind: &'a str,
    raceguard_version: &'a str,
    comparison: Option<Changes<'a>>,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
}

#[derive(Serialize)]
struct Changes<'a> {
    since: &'a str,
    new: &'a [String],
    still_there: &'a [String],
    gone: &'a [(String, String)],
}

pub(super) fn render(explanation: &Explanation<'_>, out: &mut dyn Write) -> io::Result<()> {
    let comparison = explanation.comparison.as_ref().map(|(since, comparison)| Changes {
        since,
        new: &comparison.new,
        still_there: &comparison.still_there,
        gone: &comparison.gone,
    });
    let document = Document {
        schema: 1,
        kind: "diagnosis",
        raceguard_version: env!("CARGO_PKG_VERSION"),
        comparison,
        diagnosis: explanation.diagnosis,
    };
    serde_json::to_writer_pretty(&mut *out, &document).map_err(io::Error::other)?;
    writeln!(out)
}
