//! The report as one JSON document; its fields are described in `docs/evidence.md`.

use std::io::{self, Write};

use raceguard_evidence::Record;
use serde::Serialize;
use serde_json::{Value, json};

use super::one_by_one::OneByOne;
use super::source::Excerpt;
use super::view::{AccessView, CrashView, FindingView, FrameView, ReportView};
use raceguard_diagnosis::rule::Rule;

/// Version of the document; raised when a field changes its meaning or goes.
const REPORT_SCHEMA: u64 = 1;

/// The document, in the order in which it is written.
#[derive(Serialize)]
struct Document<F: Serialize, C: Serialize> {
    schema: u64,
    kind: &'static str,
    raceguard_version: &'static str,
    run: Option<Value>,
    run_end: Option<Value>,
    summary: Value,
    findings: F,
    crashes: C,
    warnings: Vec<String>,
}

pub(super) fn render(view: &ReportView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let evidence = view.evidence;
    let summary = &view.summary;
    let document = Document {
        schema: REPORT_SCHEMA,
        kind: "report",
        raceguard_version: env!("CARGO_PKG_VERSION"),
        run: evidence.run.clone().map(|run| Record::from(run).to_json()),
        run_end: evidence.end.clone().map(|end| Record::from(end).to_json()),
        summary: json!({
            "text": summary.text(),
            "races": summary.races,
            "crashes": summary.crashes,
            "occurrences": summary.occurrences,
            "affected_tests": summary.affected_tests,
            "failed_otherwise": summary.failed_otherwise,
            "skipped_lines": evidence.skipped_lines,
        }),
        findings: OneByOne(|| view.findings.iter().map(finding)),
        crashes: OneByOne(|| view.crashes.iter().map(crash)),
        warnings: summary.warnings.clone(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn finding(view: &FindingView<'_>) -> Value {
    let finding = view.finding;
    json!({
        "fingerprint": finding.fingerprint,
        "rule": rule(view.rule),
        "headline": view.headline,
        "subject": view.subject,
        "advice": view.advice,
        "notes": view.notes,
        "occurrences": finding.occurrences,
        "tests": finding.tests,
        "processes": finding.processes,
        "places": finding.places,
        "statements": [statement(view.later(), "later"), statement(view.earlier(), "earlier")],
        "race": Record::from(finding.race.clone()).to_json(),
    })
}

fn crash(view: &CrashView<'_>) -> Value {
    json!({
        "fingerprint": view.finding.fingerprint,
        "rule": rule(view.rule),
        "headline": view.headline,
        "advice": view.advice,
        "occurrences": view.finding.occurrences,
        "tests": view.finding.tests,
        "statement": place(view.place.as_ref(), view.excerpt.as_ref()),
        "crash": Record::from(view.finding.crash.clone()).to_json(),
    })
}

fn rule(rule: &Rule) -> Value {
    json!({"code": rule.code, "name": rule.name, "summary": rule.summary})
}

fn statement(access: &AccessView<'_>, role: &str) -> Value {
    let mut value = place(access.place.as_ref(), access.excerpt.as_ref());
    value["role"] = role.into();
    value["label"] = access.label.clone().into();
    value
}

fn place(place: Option<&FrameView<'_>>, excerpt: Option<&Excerpt>) -> Value {
    json!({
        "function": place.map(|place| &place.frame.function),
        "path": place.map(|place| &place.path),
        "line": place.map(|place| place.frame.line),
        "origin": place.map(|place| place.origin.as_str()),
        "excerpt": excerpt.map(|excerpt| json!({
            "first_line": excerpt.first_line,
            "lines": excerpt.lines,
            "marked_line": excerpt.marked_number(),
            "marked_bytes": [excerpt.mark.start, excerpt.mark.end],
        })),
    })
}
