//! Findings of other static analysers, in the shape of our own.

use crate::fingerprint::Fingerprint;
use crate::record::Extra;
use crate::static_finding::{Severity, Site, SourcePlace, StaticFinding};

/// A finding with one place.
pub(super) fn finding(
    tool: &str,
    rule: &str,
    severity: Severity,
    message: &str,
    place: SourcePlace,
) -> StaticFinding {
    let site = Site { place, ..Site::default() };
    // These tools name no functions, so the message and the file stand in for them: stable while lines shift.
    let identity = format!("{}: {message}", site.place.file);
    let sites = vec![site];
    StaticFinding {
        rule: rule.to_owned(),
        tool: Some(tool.to_owned()),
        severity,
        fingerprint: Fingerprint::of_static_finding(&format!("{tool}:{rule}"), &identity, &sites),
        subject: String::new(),
        message: message.trim_end_matches('.').to_owned(),
        sites,
        reasons: Vec::new(),
        remedy: String::new(),
        fix: None,
        extra: Extra::new(),
    }
}

/// The severity that a tool names, in any of their spellings.
pub(super) fn severity(name: &str) -> Option<Severity> {
    match name.to_ascii_lowercase().as_str() {
        "error" | "high" | "critical" | "blocker" => Some(Severity::Error),
        "warning" | "warn" | "medium" | "major" => Some(Severity::Warning),
        "note" | "none" | "info" | "information" | "low" | "minor" | "hint" | "style" => {
            Some(Severity::Advice)
        }
        _ => None,
    }
}

/// `/m/a.go:3:5`.
pub(super) fn place(position: &str) -> Option<SourcePlace> {
    let (rest, last) = position.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    let (file, line, column) = match rest.rsplit_once(':').map(|(file, line)| (file, line.parse())) {
        Some((file, Ok(line))) => (file, line, last),
        _ => (rest, last, 0),
    };
    Some(SourcePlace {
        file: file.to_owned(),
        line,
        column,
        end_line: line,
        end_column: column,
        ..SourcePlace::default()
    })
}
