//! SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format).
//!
//! The result stands at the later access; the earlier one is a related location. A code flow has one thread flow
//! per goroutine, from its creation to the access.

use std::fmt::Write as _;
use std::io::{self, Write};

use jiff::Timestamp;
use raceguard_evidence::{ModulePaths, Origin};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::one_by_one::OneByOne;
use super::source::Excerpt;
use super::view::{AccessView, CrashView, FindingView, FrameView, ReportView};
use raceguard_diagnosis::rule::{RULES, Rule};

pub(crate) const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Name of the folder that paths of the module are relative to.
const SOURCE_ROOT: &str = "%SRCROOT%";

/// The log of one run.
#[derive(Serialize)]
struct Log<R: Serialize> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [R; 1],
}

/// The run, in the order in which it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<R: Serialize> {
    tool: Value,
    column_kind: &'static str,
    invocations: [Value; 1],
    results: R,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_uri_base_ids: Option<Value>,
}

pub(super) fn render(view: &ReportView<'_>, out: &mut dyn Write) -> io::Result<()> {
    let paths = &view.paths;
    let root = Some(paths.module_dir()).filter(|folder| !folder.is_empty());
    let run = Run {
        tool: json!({"driver": {
            "name": "raceguard",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": RULES.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
        }}),
        column_kind: "utf16CodeUnits",
        invocations: [invocation(view)],
        results: OneByOne(|| {
            let findings = view.findings.iter().map(|finding| race_result(finding, paths));
            findings.chain(view.crashes.iter().map(|crash| crash_result(crash, paths)))
        }),
        original_uri_base_ids: root.map(|root| json!({SOURCE_ROOT: {"uri": format!("{}/", file_uri(root))}})),
    };
    let log = Log { schema: SCHEMA, version: "2.1.0", runs: [run] };
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn descriptor(rule: &Rule) -> Value {
    json!({
        "id": rule.code,
        "name": rule.name,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": rule.why},
        "help": {
            "text": format!("{}\n\nWhat to do: {}", rule.why, rule.fix),
            "markdown": format!("{}\n\n**What to do:** {}", rule.why, rule.fix),
        },
        "defaultConfiguration": {"level": "error"},
    })
}

fn invocation(view: &ReportView<'_>) -> Value {
    let end = view.evidence.end.as_ref();
    let mut invocation = json!({
        "executionSuccessful": end.is_some_and(|end| !end.interrupted),
        "toolExecutionNotifications": view.summary.warnings.iter()
            .map(|warning| json!({"level": "warning", "message": {"text": warning}}))
            .collect::<Vec<_>>(),
    });
    if let Some(run) = &view.evidence.run {
        invocation["arguments"] = run.command.iter().skip(1).cloned().collect();
        set_time(&mut invocation, "startTimeUtc", run.started_unix_ns);
    }
    if let Some(end) = end {
        invocation["exitCode"] = end.exit_code.into();
        set_time(&mut invocation, "endTimeUtc", end.ended_unix_ns);
    }
    invocation
}

fn set_time(invocation: &mut Value, property: &str, unix_ns: u64) {
    let time = i128::from(unix_ns);
    if let Ok(time) = Timestamp::from_nanosecond(time)
        && unix_ns > 0
    {
        invocation[property] = format!("{time:.3}").into();
    }
}

fn race_result(view: &FindingView<'_>, paths: &ModulePaths) -> Value {
    let finding = view.finding;
    let message = format!(
        "{}: {}; {}. {}.",
        view.headline,
        view.later().label,
        view.earlier().label,
        capitalised(&view.advice)
    );
    let mut result = result(view.rule, &message, finding.fingerprint.as_str(), finding.occurrences);
    result["locations"] = json!([access_location(view.later(), paths)]);
    let mut related = vec![with_id(access_location(view.earlier(), paths), 1)];
    if let Some((object, site)) =
        view.object.as_ref().and_then(|object| Some((object, object.site.as_ref()?)))
    {
        let location = location(site, object.excerpt.as_ref(), Some(&object.text), paths);
        related.push(with_id(location, 2));
    }
    result["relatedLocations"] = related.into();
    let flows = [view.earlier(), view.later()].map(|access| thread_flow(access, paths));
    result["codeFlows"] = json!([{
        "message": {"text": "Both goroutines, from where they were created to where they met"},
        "threadFlows": flows,
    }]);
    result["stacks"] =
        view.accesses.iter().map(|access| stack(&access.label, &access.stack, paths)).collect();
    result["properties"] =
        json!({"tests": finding.tests, "processes": finding.processes, "advice": view.advice});
    result
}

fn crash_result(view: &CrashView<'_>, paths: &ModulePaths) -> Value {
    let finding = view.finding;
    let message = format!("{}. {}", view.headline, view.advice);
    let mut result = result(view.rule, &message, finding.fingerprint.as_str(), finding.occurrences);
    let place = view.place.as_ref();
    result["locations"] = place
        .map(|place| location(place, view.excerpt.as_ref(), Some(&view.label), paths))
        .into_iter()
        .collect();
    let stacks = view.goroutines.iter().map(|goroutine| {
        let title = format!("goroutine {} [{}]", goroutine.goroutine.id, goroutine.goroutine.state);
        stack(&title, &goroutine.stack, paths)
    });
    result["stacks"] = stacks.collect();
    result["properties"] = json!({"tests": finding.tests, "advice": view.advice});
    result
}

fn result(rule: &Rule, message: &str, fingerprint: &str, occurrences: u64) -> Value {
    json!({
        "ruleId": rule.code,
        "ruleIndex": RULES.iter().position(|known| *known == rule),
        "level": "error",
        "message": {"text": message},
        "partialFingerprints": {"raceguard/v1": fingerprint},
        "occurrenceCount": occurrences.max(1),
    })
}

fn access_location(access: &AccessView<'_>, paths: &ModulePaths) -> Value {
    match &access.place {
        Some(place) => location(place, access.excerpt.as_ref(), Some(&access.label), paths),
        None => json!({"message": {"text": access.label}}),
    }
}

fn with_id(mut location: Value, id: u64) -> Value {
    location["id"] = id.into();
    location
}

fn location(
    place: &FrameView<'_>,
    excerpt: Option<&Excerpt>,
    message: Option<&str>,
    paths: &ModulePaths,
) -> Value {
    let mut location = Map::new();
    if !place.frame.file.is_empty() {
        let mut physical = json!({"artifactLocation": artifact(place, paths)});
        if place.frame.line > 0 {
            physical["region"] = region(place, excerpt);
        }
        location.insert("physicalLocation".to_owned(), physical);
    }
    let logical = json!([{"fullyQualifiedName": place.frame.function, "kind": "function"}]);
    location.insert("logicalLocations".to_owned(), logical);
    if let Some(text) = message {
        location.insert("message".to_owned(), json!({"text": text}));
    }
    Value::Object(location)
}

fn region(place: &FrameView<'_>, excerpt: Option<&Excerpt>) -> Value {
    let mut region = json!({"startLine": place.frame.line});
    if let Some(excerpt) = excerpt.filter(|excerpt| !excerpt.mark.is_empty()) {
        let line = excerpt.marked_line();
        let column = |byte: usize| line[..byte].encode_utf16().count() + 1;
        region["startColumn"] = column(excerpt.mark.start).into();
        region["endColumn"] = column(excerpt.mark.end).into();
        region["snippet"] = json!({"text": &line[excerpt.mark.clone()]});
    }
    region
}

fn artifact(place: &FrameView<'_>, paths: &ModulePaths) -> Value {
    let file = place.frame.file.as_str();
    let relative = paths.relative(file);
    if relative.starts_with('/') {
        json!({"uri": file_uri(relative)})
    } else if place.origin == Origin::User && !paths.module_dir().is_empty() {
        json!({"uri": percent_encoded(relative), "uriBaseId": SOURCE_ROOT})
    } else {
        json!({"uri": percent_encoded(relative)})
    }
}

/// The goroutine's way: where it was created, then its calls from the outermost to the access.
fn thread_flow(access: &AccessView<'_>, paths: &ModulePaths) -> Value {
    let mut steps: Vec<Value> = Vec::new();
    for creation in access.creations.iter().rev() {
        if let Some(site) = &creation.site {
            let text =
                creation.by.as_ref().map_or_else(|| "created".to_owned(), |by| format!("created by {by}"));
            steps.push(step(&location(site, None, Some(&text), paths), 0, "important"));
        }
    }
    for (index, frame) in access.stack.iter().enumerate().rev() {
        let depth = access.stack.len() - index;
        steps.push(if index == access.place_index {
            step(&access_location(access, paths), depth, "essential")
        } else {
            let importance = if frame.is_standard() { "unimportant" } else { "important" };
            step(&location(frame, None, None, paths), depth, importance)
        });
    }
    if steps.is_empty() {
        steps.push(step(&access_location(access, paths), 0, "essential"));
    }
    json!({"id": access.who, "message": {"text": access.label}, "locations": steps})
}

fn step(location: &Value, depth: usize, importance: &str) -> Value {
    json!({"location": location, "nestingLevel": depth, "importance": importance})
}

fn stack(title: &str, frames: &[FrameView<'_>], paths: &ModulePaths) -> Value {
    let frames: Vec<Value> =
        frames.iter().map(|frame| json!({"location": location(frame, None, None, paths)})).collect();
    json!({"message": {"text": title}, "frames": frames})
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

pub(crate) fn file_uri(path: &str) -> String {
    format!("file://{}", percent_encoded(path))
}

/// The path as part of a URI (RFC 3986): everything outside the unreserved characters and `/` is encoded.
pub(crate) fn percent_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/@+".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
