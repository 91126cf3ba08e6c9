//! Evidence of a run written by hand to the format of `docs/evidence.md`, and the sources it is about.

use std::path::Path;

use raceguard::report::{Format, Options, render};
use raceguard_evidence::RunEvidence;

/// Two races and a crash in the sources below, and a race in a dependency whose sources are missing.
pub(crate) const EVIDENCE: &str = include_str!("evidence.jsonl");

/// Reads the sources of the fixture.
pub(crate) fn source(path: &Path) -> Option<String> {
    let text = match path.strip_prefix("/home/dev/pay").ok()?.to_str()? {
        "gateway/router.go" => include_str!("gateway/router.go"),
        "gateway/health.go" => include_str!("gateway/health.go"),
        "quota/ledger.go" => include_str!("quota/ledger.go"),
        _ => return None,
    };
    Some(text.to_owned())
}

/// Joins evidence.
pub(crate) fn load(evidence: &str) -> RunEvidence {
    RunEvidence::read(evidence.as_bytes()).expect("readable evidence")
}

/// Renders evidence as text.
pub(crate) fn rendered(evidence: &str, format: Format, options: &Options<'_>) -> String {
    let mut out = Vec::new();
    render(&load(evidence), format, options, &mut out).expect("a writer that takes everything");
    String::from_utf8(out).expect("UTF-8")
}
