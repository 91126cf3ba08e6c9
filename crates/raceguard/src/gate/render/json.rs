//! The verdict as one JSON document; its fields are described in `docs/policy.md`.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::{Verdict, exit_code, summary};

/// Version of the document; raised when a field changes its meaning or goes.
const SCHEMA: u64 = 1;

pub(super) fn render(verdict: &Verdict<'_>, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &document(verdict))?;
    writeln!(out)
}

/// The document.
pub fn document(verdict: &Verdict<'_>) -> Value {
    let level = verdict.evaluation.level();
    let runs: Vec<Value> =
        verdict.runs.iter().map(|(mode, name)| json!({"mode": mode, "name": name})).collect();
    json!({
        "schema": SCHEMA,
        "kind": "gate",
        "raceguard_version": env!("CARGO_PKG_VERSION"),
        "level": level,
        "exit_code": exit_code(level),
        "summary": summary(verdict.evaluation),
        "source_of_policies": verdict.policies,
        "runs": runs,
        "baseline": verdict.baseline,
        "outcomes": verdict.evaluation.outcomes,
        "set_aside": verdict.evaluation.set_aside,
        "tickets": verdict.tickets,
    })
}
