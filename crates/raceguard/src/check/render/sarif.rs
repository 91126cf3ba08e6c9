//! SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format).
//!
//! The result stands at the statement to blame; the others and what reasons speak of are related locations. A race has
//! a code flow with one thread flow for each statement, from where its goroutine comes from to the statement.

use std::io::{self, Write};

use raceguard_analyzer::rules::Rule;
use raceguard_evidence::{Severity, Site, SourcePlace, SourceProblem, StaticFinding};
use serde_json::{Value, json};

use super::excerpt::Sources;
use super::{Look, Paths, label, sentence};
use crate::check::filter::Report;
use crate::check::registry;
use crate::report::sarif::{SCHEMA, file_uri, percent_encoded};

/// Name of the folder that paths are relative to.
const SOURCE_ROOT: &str = "%SRCROOT%";

pub(super) fn render(report: &Report, look: &Look<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rules = registry::rules();
    let sarif = Sarif { look, sources: Sources::new(look), rules: &rules };
    let results: Vec<Value> = report.findings.iter().map(|finding| sarif.result(finding)).collect();
    let notifications: Vec<Value> =
        report.problems.iter().map(|problem| sarif.notification(problem)).collect();
    let root = format!("{}/", file_uri(look.paths.root().to_string_lossy().trim_end_matches('/')));
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "raceguard",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
            }},
            "columnKind": "utf16CodeUnits",
            "invocations": [{
                "executionSuccessful": report.losses() == 0,
                "exitCode": report.exit_code(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            "originalUriBaseIds": {SOURCE_ROOT: {"uri": root}},
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn descriptor(rule: &Rule) -> Value {
    let severity = match rule.severity {
        raceguard_analyzer::finding::Severity::Error => Severity::Error,
        raceguard_analyzer::finding::Severity::Warning => Severity::Warning,
        raceguard_analyzer::finding::Severity::Advice => Severity::Advice,
    };
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.what},
        "help": {
            "text": format!("{}\n\nWhat to do: {}", rule.why, rule.remedy),
            "markdown": rule.page(),
        },
        "defaultConfiguration": {"level": level(&severity)},
        "properties": {"tags": ["concurrency"]},
    })
}

fn level(severity: &Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        _ => "note",
    }
}

struct Sarif<'a> {
    look: &'a Look<'a>,
    sources: Sources<'a>,
    rules: &'a [&'static Rule],
}

impl Sarif<'_> {
    fn result(&self, finding: &StaticFinding) -> Value {
        let locations: Vec<Value> = finding
            .sites
            .iter()
            .enumerate()
            .map(|(index, site)| self.location(&site.place, &site.function, &label(finding, index)))
            .collect();
        let reasons = finding.reasons.iter().filter_map(|reason| Some((reason, reason.place.as_ref()?)));
        let mut related: Vec<Value> = locations.iter().skip(1).cloned().collect();
        related.extend(reasons.map(|(reason, place)| self.location(place, "", &reason.text)));
        for (id, location) in (1_u64..).zip(&mut related) {
            location["id"] = id.into();
        }
        let reasons = finding.reasons.iter().map(|reason| reason.text.as_str());
        let texts = std::iter::once(finding.message.as_str()).chain(reasons).chain([finding.remedy.as_str()]);
        let message: Vec<String> = texts.map(sentence).collect();
        let mut result = json!({
            "ruleId": finding.rule,
            "level": level(&finding.severity),
            "message": {"text": message.join(" ")},
            "locations": locations.first().into_iter().collect::<Vec<_>>(),
            "relatedLocations": related,
            "partialFingerprints": {"raceguard/v1": finding.fingerprint},
            "properties": {"subject": finding.subject, "remedy": finding.remedy},
        });
        if let Some(index) = self.rules.iter().position(|rule| rule.code == finding.rule) {
            result["ruleIndex"] = index.into();
        }
        if finding.sites.len() > 1 {
            let flows: Vec<Value> =
                (0..finding.sites.len()).map(|index| self.thread_flow(finding, index)).collect();
            let text = "Both statements, from where their goroutines come from";
            result["codeFlows"] = json!([{"message": {"text": text}, "threadFlows": flows}]);
        }
        if let Some(fix) = self.fix(finding) {
            result["fixes"] = json!([fix]);
        }
        result
    }

    /// The goroutine's way: its origin, outermost first, then its calls, then the statement.
    fn thread_flow(&self, finding: &StaticFinding, index: usize) -> Value {
        let site: &Site = &finding.sites[index];
        let mut steps: Vec<Value> = Vec::new();
        let origins = site.origin.iter().rev().filter_map(|reason| Some((reason, reason.place.as_ref()?)));
        for (reason, place) in origins {
            steps
                .push(json!({"location": self.location(place, "", &reason.text), "importance": "important"}));
        }
        for call in site.calls.iter().rev() {
            let location = self.location(&call.place, &call.function, "calls");
            steps.push(json!({"location": location, "importance": "important"}));
        }
        let location = self.location(&site.place, &site.function, &label(finding, index));
        steps.push(json!({"location": location, "importance": "essential"}));
        json!({"id": format!("statement {}", index + 1), "locations": steps})
    }

    fn notification(&self, problem: &SourceProblem) -> Value {
        let place = SourcePlace {
            file: problem.path.clone(),
            line: problem.line,
            column: problem.column,
            end_line: problem.line,
            end_column: problem.column,
            ..SourcePlace::default()
        };
        let mut physical = json!({"artifactLocation": artifact(&problem.path, self.look.paths)});
        if problem.line > 0 {
            physical["region"] = self.region(&place);
        }
        json!({
            "level": if problem.loss { "error" } else { "note" },
            "message": {"text": problem.message},
            "locations": [{"physicalLocation": physical}],
        })
    }

    fn location(&self, place: &SourcePlace, function: &str, message: &str) -> Value {
        let mut location = json!({
            "physicalLocation": {
                "artifactLocation": artifact(&place.file, self.look.paths),
                "region": self.region(place),
            },
            "message": {"text": message},
        });
        if !function.is_empty() {
            location["logicalLocations"] = json!([{"fullyQualifiedName": function, "kind": "function"}]);
        }
        location
    }

    fn region(&self, place: &SourcePlace) -> Value {
        let mut region = json!({"startLine": place.line.max(1)});
        if let Some(excerpt) = self.sources.around(place, 0).filter(|excerpt| !excerpt.mark.is_empty()) {
            let line = excerpt.marked_line();
            let column = |byte: usize| line[..byte].encode_utf16().count() + 1;
            region["startColumn"] = column(excerpt.mark.start).into();
            region["endColumn"] = column(excerpt.mark.end).into();
            region["snippet"] = json!({"text": &line[excerpt.mark.clone()]});
        }
        region
    }

    /// The change, by byte offsets of each file.
    fn fix(&self, finding: &StaticFinding) -> Option<Value> {
        let fix = finding.fix.as_ref()?;
        let changes = fix.edits.iter().map(|edit| {
            json!({
                "artifactLocation": artifact(&edit.file, self.look.paths),
                "replacements": [{
                    "deletedRegion": {"byteOffset": edit.start, "byteLength": edit.end.saturating_sub(edit.start)},
                    "insertedContent": {"text": edit.text},
                }],
            })
        });
        Some(json!({"description": {"text": fix.title}, "artifactChanges": changes.collect::<Vec<_>>()}))
    }
}

fn artifact(file: &str, paths: &Paths) -> Value {
    let relative = paths.in_repository(file);
    if relative.starts_with('/') {
        json!({"uri": file_uri(&relative)})
    } else {
        json!({"uri": percent_encoded(&relative), "uriBaseId": SOURCE_ROOT})
    }
}
