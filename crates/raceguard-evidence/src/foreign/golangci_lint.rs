//! The JSON of golangci-lint, versions 1 and 2.

use serde::Deserialize;

use super::static_tool::{finding, severity};
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::static_finding::{Severity, SourcePlace};

/// Issues of golangci-lint.
pub(super) const FORMAT: Format =
    Format { name: "golangci-lint", title: "issues of golangci-lint in JSON", recognise, read };

const MAX_SIZE: usize = 256 << 20;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    issues: Option<Vec<Issue>>,
    #[serde(default)]
    report: Report,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Issue {
    from_linter: String,
    text: String,
    severity: String,
    pos: Position,
    line_range: Option<LineRange>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Position {
    filename: String,
    line: u32,
    column: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LineRange {
    to: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Report {
    warnings: Option<Vec<Warning>>,
    error: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Warning {
    tag: String,
    text: String,
}

fn recognise(head: &[u8]) -> Recognition {
    let start = head.trim_ascii_start();
    let has = |name: &[u8]| memchr::memmem::find(start, name).is_some();
    if !start.starts_with(b"{") || !has(b"\"Issues\"") {
        return Recognition::No;
    }
    let is_empty = has(b"\"Issues\":[]") || has(b"\"Issues\":null");
    if has(b"\"FromLinter\"") || is_empty { Recognition::Sure } else { Recognition::Maybe }
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let content = input.read_whole(MAX_SIZE)?;
    let mut values = serde_json::Deserializer::from_slice(&content).into_iter::<Document>();
    let document = match values.next() {
        Some(Ok(document)) => document,
        Some(Err(error)) => return Err(input.malformed(error.to_string(), format!("line {}", error.line()))),
        None => return Err(input.malformed("it holds no JSON", "line 1")),
    };
    for issue in document.issues.unwrap_or_default() {
        if issue.pos.filename.is_empty() {
            sink.skip("issues without a place", 0);
            continue;
        }
        sink.record(of_issue(&issue).into())?;
    }
    for warning in document.report.warnings.unwrap_or_default() {
        sink.warn(format!("golangci-lint warned: {} {}", warning.tag, warning.text).trim().to_owned());
    }
    if !document.report.error.is_empty() {
        sink.warn(format!("golangci-lint failed: {}", document.report.error));
    }
    "golangci-lint".clone_into(&mut sink.source().producer);
    Ok(())
}

fn of_issue(issue: &Issue) -> crate::static_finding::StaticFinding {
    // staticcheck, gosec and revive name their rule in front: `SA2001: empty critical section`.
    let (rule, message) = match issue.text.split_once(": ") {
        Some((code, message)) if is_code(code) => (code, message),
        _ => (issue.from_linter.as_str(), issue.text.as_str()),
    };
    let place = SourcePlace {
        file: issue.pos.filename.clone(),
        line: issue.pos.line,
        column: issue.pos.column,
        end_line: issue.line_range.as_ref().map_or(issue.pos.line, |range| range.to),
        ..SourcePlace::default()
    };
    let severity = severity(&issue.severity).unwrap_or(Severity::Warning);
    finding(&issue.from_linter, rule, severity, message, place)
}

/// `SA2001`, `G404`, `ST1000`.
fn is_code(text: &str) -> bool {
    let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
    (1..=4).contains(&letters)
        && letters < text.len()
        && text.len() <= 10
        && text[letters..].bytes().all(|b| b.is_ascii_digit())
}
