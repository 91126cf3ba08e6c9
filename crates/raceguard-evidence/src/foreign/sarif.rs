//! SARIF 2.1.0 of other analysers: gosec, staticcheck, CodeQL and any other.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::static_tool::{finding, severity};
use super::{ForeignError, Format, Input, Recognition, Sink};
use crate::static_finding::{Reason, Severity, Site, SourcePlace};

/// Results in SARIF.
pub(super) const FORMAT: Format =
    Format { name: "sarif", title: "results of an analyser in SARIF", recognise, read };

const MAX_SIZE: usize = 256 << 20;

fn recognise(head: &[u8]) -> Recognition {
    let start = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let has = |name: &[u8]| memchr::memmem::find(start, name).is_some();
    if !start.starts_with(b"{") {
        return Recognition::No;
    }
    let names_schema = has(b"sarif-schema") || has(b"sarif-2.") || has(b"/sarif/");
    match (names_schema, has(b"\"runs\"")) {
        (true, true) => Recognition::Sure,
        (true, false) | (false, true) => Recognition::Maybe,
        _ => Recognition::No,
    }
}

fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let content = input.read_whole(MAX_SIZE)?;
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&content);
    let document: Value = serde_json::from_slice(content)
        .map_err(|error| input.malformed(error.to_string(), format!("line {}", error.line())))?;
    let Some(runs) = document.get("runs").and_then(Value::as_array) else {
        return Err(input.malformed("it has no \"runs\"", "its top level"));
    };
    for run in runs {
        Run::new(run).emit(sink)?;
    }
    Ok(())
}

/// One run of one tool.
struct Run<'a> {
    value: &'a Value,
    tool: &'a str,
    rules: HashMap<&'a str, &'a Value>,
    /// The same by number.
    rule_list: &'a [Value],
    bases: Option<&'a Map<String, Value>>,
}

impl<'a> Run<'a> {
    fn new(value: &'a Value) -> Self {
        let driver = &value["tool"]["driver"];
        let rule_list = driver["rules"].as_array().map_or(&[][..], Vec::as_slice);
        let rules = rule_list.iter().filter_map(|rule| Some((rule["id"].as_str()?, rule))).collect();
        let bases = value["originalUriBaseIds"].as_object();
        Self { value, tool: driver["name"].as_str().unwrap_or("unknown"), rules, rule_list, bases }
    }

    fn emit(&self, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        let driver = &self.value["tool"]["driver"];
        let version =
            driver["semanticVersion"].as_str().or_else(|| driver["version"].as_str()).unwrap_or_default();
        let producer = format!("{} {version}", self.tool);
        let known = &mut sink.source().producer;
        if !known.is_empty() {
            known.push_str(", ");
        }
        known.push_str(producer.trim_end());
        for result in self.value["results"].as_array().into_iter().flatten() {
            self.result(result, sink)?;
        }
        Ok(())
    }

    fn result(&self, result: &Value, sink: &mut dyn Sink) -> Result<(), ForeignError> {
        if result["suppressions"].as_array().is_some_and(|list| !list.is_empty()) {
            sink.skip("results that are suppressed in their source", 0);
            return Ok(());
        }
        let indexed =
            result["ruleIndex"].as_u64().and_then(|index| self.rule_list.get(usize::try_from(index).ok()?));
        let id = result["ruleId"].as_str().or_else(|| result["rule"]["id"].as_str());
        let rule = id.and_then(|id| self.rules.get(id).copied()).or(indexed);
        let id = id.or_else(|| rule?["id"].as_str()).unwrap_or("unnamed");
        let places: Vec<SourcePlace> = result["locations"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|place| self.place(place))
            .collect();
        let Some((first, others)) = places.split_first() else {
            sink.skip("results without a place", 0);
            return Ok(());
        };
        let message = message(&result["message"], rule);
        let mut finding = finding(self.tool, id, level(result, rule), &message, first.clone());
        finding.sites.extend(others.iter().map(|place| Site { place: place.clone(), ..Site::default() }));
        for related in result["relatedLocations"].as_array().into_iter().flatten() {
            let text = related["message"]["text"].as_str().unwrap_or("related").to_owned();
            finding.reasons.push(Reason { text, place: self.place(related), ..Reason::default() });
        }
        sink.record(finding.into())
    }

    fn place(&self, location: &Value) -> Option<SourcePlace> {
        let physical = &location["physicalLocation"];
        let artifact = &physical["artifactLocation"];
        let uri = artifact["uri"].as_str().or_else(|| {
            let index = usize::try_from(artifact["index"].as_u64()?).ok()?;
            self.value["artifacts"].get(index)?["location"]["uri"].as_str()
        })?;
        let region = &physical["region"];
        let number = |name: &str| region[name].as_u64().and_then(|number| u32::try_from(number).ok());
        let line = number("startLine").unwrap_or(0);
        let column = number("startColumn").unwrap_or(0);
        Some(SourcePlace {
            file: self.path(uri, artifact["uriBaseId"].as_str()),
            line,
            column,
            end_line: number("endLine").unwrap_or(line),
            end_column: number("endColumn").unwrap_or(column),
            ..SourcePlace::default()
        })
    }

    /// The path of a URI: absolute where the file says what it is relative to.
    fn path(&self, uri: &str, base: Option<&str>) -> String {
        let base = base.and_then(|base| self.bases?.get(base)?["uri"].as_str()).unwrap_or_default();
        let whole = if uri.contains("://") { uri.to_owned() } else { format!("{base}{uri}") };
        let path = whole.strip_prefix("file://").unwrap_or(&whole);
        decoded(path)
    }
}

fn message(message: &Value, rule: Option<&Value>) -> String {
    let text = message["text"].as_str().or_else(|| {
        let id = message["id"].as_str()?;
        rule?["messageStrings"][id]["text"].as_str()
    });
    text.or_else(|| rule?["shortDescription"]["text"].as_str()).unwrap_or_default().to_owned()
}

fn level(result: &Value, rule: Option<&Value>) -> Severity {
    let of_rule = || rule?["defaultConfiguration"]["level"].as_str();
    let level = result["level"].as_str().or_else(of_rule).unwrap_or("warning");
    severity(level).unwrap_or(Severity::Warning)
}

/// Without `%20` and its like.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
