//! Workflow commands that GitHub shows as annotations on the changed files: one at the statement to blame, a notice at
//! each other one.

use std::io::{self, Write};

use raceguard_evidence::{Severity, SourcePlace, StaticFinding};

use super::{Look, label, way};
use crate::check::filter::Report;
use crate::report::github::{escape_message, escape_property};

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in &report.findings {
        annotate_finding(finding, look, out)?;
    }
    for problem in &report.problems {
        let place = SourcePlace {
            file: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            end_line: problem.line,
            ..SourcePlace::default()
        };
        let command = if problem.loss { "error" } else { "notice" };
        annotate(out, command, &place, look, "raceguard", &problem.message)?;
    }
    Ok(())
}

fn annotate_finding(finding: &StaticFinding, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let command = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        _ => "notice",
    };
    let title = format!("{} {}", finding.rule, finding.message);
    for (index, site) in finding.sites.iter().enumerate() {
        if index == 0 {
            annotate(out, command, &site.place, look, &title, &message(finding, look))?;
        } else if site.place != finding.sites[0].place {
            let first = &finding.sites[0].place;
            let text = format!("{}\nThe other statement: {}", label(finding, index), position(first, look));
            annotate(out, "notice", &site.place, look, &title, &text)?;
        }
    }
    Ok(())
}

fn message(finding: &StaticFinding, look: &Look<'_>) -> String {
    let mut lines = Vec::new();
    for (index, site) in finding.sites.iter().enumerate() {
        lines.push(format!("{}: {}", position(&site.place, look), label(finding, index)));
        lines.extend(way(site, look.paths).map(|way| format!("  {way}")));
    }
    lines.extend(finding.reasons.iter().map(|reason| format!("Why: {}", reason.text)));
    lines.push(format!("Help: {}", finding.remedy));
    lines.join("\n")
}

fn position(place: &SourcePlace, look: &Look<'_>) -> String {
    format!("{}:{}", look.paths.in_repository(&place.file), place.line)
}

fn annotate(
    out: &mut dyn Write,
    command: &str,
    place: &SourcePlace,
    look: &Look<'_>,
    title: &str,
    message: &str,
) -> io::Result<()> {
    let mut properties = vec![format!("file={}", escape_property(&look.paths.in_repository(&place.file)))];
    if place.line > 0 {
        properties.push(format!("line={}", place.line));
        properties.push(format!("endLine={}", place.end_line.max(place.line)));
        // GitHub takes columns for places within one line only.
        if place.column > 0 && place.end_line == place.line && place.end_column > place.column {
            properties.push(format!("col={}", place.column));
            properties.push(format!("endColumn={}", place.end_column));
        }
    }
    properties.push(format!("title={}", escape_property(title)));
    writeln!(out, "::{command} {}::{}", properties.join(","), escape_message(message))
}
