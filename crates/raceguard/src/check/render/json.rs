//! The report as one JSON document; its fields are described in `docs/evidence.md`.

use std::io::{self, Write};

use raceguard_evidence::Record;
use serde_json::{Value, json};

use super::excerpt::Sources;
use super::{Look, label, statistics, summary};
use crate::check::filter::Report;
use crate::check::registry;
use crate::report::source::Excerpt;

/// Version of the document; raised when a field changes its meaning or goes.
const CHECK_SCHEMA: u64 = 1;

/// Lines before and after a statement in its excerpt.
const CONTEXT: usize = 2;

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let hidden = report.hidden;
    let sources = Sources::new(look);
    let findings: Vec<Value> = report.findings.iter().map(|it| finding(it, look, &sources)).collect();
    let problems: Vec<Value> =
        report.problems.iter().map(|problem| Record::from(problem.clone()).to_json()).collect();
    let document = json!({
        "schema": CHECK_SCHEMA,
        "kind": "check",
        "raceguard_version": env!("CARGO_PKG_VERSION"),
        "root": look.paths.root().to_string_lossy(),
        "summary": {
            "text": summary(report),
            "findings": report.findings.len(),
            "packages": report.packages,
            "seconds": (report.seconds * 1000.0).round() / 1000.0,
            "losses": report.losses(),
            "rules": statistics::by_rule(report),
            "hidden": {
                "known": hidden.known,
                "suppressed": hidden.suppressed,
                "unchanged": hidden.unchanged,
                "not_selected": hidden.not_selected,
                "too_mild": hidden.too_mild,
            },
        },
        "findings": findings,
        "problems": problems,
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

/// The record, with what a reader needs to show it.
fn finding(finding: &raceguard_evidence::StaticFinding, look: &Look<'_>, sources: &Sources<'_>) -> Value {
    let mut value = Record::from(finding.clone()).to_json();
    let rule = registry::rule(&finding.rule);
    value["rule"] = json!({
        "code": finding.rule,
        "name": rule.map(|rule| rule.name),
        "summary": rule.map(|rule| rule.summary),
    });
    for (index, site) in finding.sites.iter().enumerate() {
        value["sites"][index]["path"] = look.paths.in_repository(&site.place.file).into();
        value["sites"][index]["label"] = label(finding, index).into();
        value["sites"][index]["excerpt"] = sources.around(&site.place, CONTEXT).map(|it| excerpt(&it)).into();
    }
    value
}

fn excerpt(excerpt: &Excerpt) -> Value {
    json!({
        "first_line": excerpt.first_line,
        "lines": excerpt.lines,
        "marked_line": excerpt.marked_number(),
        "marked_bytes": [excerpt.mark.start, excerpt.mark.end],
    })
}
