//! GitLab's code quality report: an array of issues.

use std::collections::HashMap;
use std::io::{self, Write};

use raceguard_evidence::{Severity, SourcePlace};
use serde_json::{Value, json};

use super::{Look, sentence};
use crate::check::filter::Report;

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    // GitLab shows one issue for each fingerprint, so findings that share one are numbered.
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut issues: Vec<Value> = Vec::new();
    for finding in &report.findings {
        let number = seen.entry(finding.fingerprint.as_str()).or_insert(0);
        *number += 1;
        let fingerprint = match *number {
            1 => finding.fingerprint.to_string(),
            more => format!("{}-{more}", finding.fingerprint),
        };
        let locations: Vec<Value> = finding.sites.iter().map(|site| location(&site.place, look)).collect();
        issues.push(json!({
            "description": format!("{}: {} {}", finding.rule, sentence(&finding.message), sentence(&finding.remedy)),
            "check_name": finding.rule,
            "fingerprint": fingerprint,
            "severity": severity(&finding.severity),
            "categories": ["Bug Risk"],
            "location": locations.first(),
            "other_locations": locations.get(1..).unwrap_or_default(),
        }));
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}

fn location(place: &SourcePlace, look: &Look<'_>) -> Value {
    let path = look.paths.in_repository(&place.file);
    json!({"path": path, "lines": {"begin": place.line, "end": place.end_line.max(place.line)}})
}

fn severity(severity: &Severity) -> &'static str {
    match severity {
        Severity::Error => "critical",
        Severity::Warning => "major",
        _ => "minor",
    }
}
