//! OTLP as JSON.

use std::io::Read;

use memchr::memmem;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, Visitor};
use serde_json::{Map, Value as Json};

use super::resource::{Resource, span_kind, status};
use super::{DEEPEST_VALUE, LARGEST_MESSAGE};
use crate::foreign::{ForeignError, Input, Sink};
use crate::record::Record;
use crate::span::{Span, SpanEvent, SpanLink};

/// Whether a file begins as a JSON object with one of the fields that only OTLP has.
pub(super) fn is_recognised(head: &[u8]) -> bool {
    let is_object = head.trim_ascii_start().starts_with(b"{");
    let names: [&[u8]; 6] = [
        b"\"resourceSpans\"",
        b"\"resource_spans\"",
        b"\"resourceMetrics\"",
        b"\"resource_metrics\"",
        b"\"resourceLogs\"",
        b"\"resource_logs\"",
    ];
    is_object && names.iter().any(|name| memmem::find(&head[..head.len().min(1024)], name).is_some())
}

/// Reads the documents of a file.
pub(super) fn read(input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    let mut line = Vec::new();
    let mut number = 0_u64;
    let mut documents = 0_u64;
    while input.read_line(&mut line, LARGEST_MESSAGE + 1)? {
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.len() > LARGEST_MESSAGE {
            sink.skip("lines longer than 64 MiB", number);
            continue;
        }
        match serde_json::from_slice::<Document>(&line) {
            Ok(document) => {
                documents += 1;
                take(document, number, sink)?;
            }
            // A document over several lines.
            Err(error) if documents == 0 && number == 1 && error.is_eof() => {
                return read_whole(line, input, sink);
            }
            Err(error) if error.is_eof() => {
                sink.skip("documents cut off", number);
                sink.warn(format!("the document in line {number} is cut off"));
            }
            Err(_) => sink.skip("lines that are no OTLP", number),
        }
    }
    Ok(())
}

/// Reads documents that do not end with their first line.
fn read_whole(mut content: Vec<u8>, input: &mut Input<'_>, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    content.push(b'\n');
    let limit = LARGEST_MESSAGE as u64;
    let read = (&mut *input).take(limit + 1).read_to_end(&mut content);
    let read = read.map_err(|source| input.read_error(source))?;
    if read as u64 > limit {
        let what = "a JSON document over several lines is larger than 64 MiB; write one document per line, as the \
                    collector's file exporter does";
        return Err(input.malformed(what, "line 1"));
    }
    let mut any = false;
    for document in serde_json::Deserializer::from_slice(&content).into_iter::<Document>() {
        match document {
            Ok(document) => {
                any = true;
                take(document, 1, sink)?;
            }
            Err(error) if any => {
                sink.skip("documents cut off", error.line() as u64);
                sink.warn(format!("the file is cut off or damaged in line {}: {error}", error.line()));
                return Ok(());
            }
            Err(error) => return Err(input.malformed(error.to_string(), format!("line {}", error.line()))),
        }
    }
    Ok(())
}

fn take(document: Document, line: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    for per_resource in document.spans {
        let resource = Resource::new(per_resource.resource.attributes.into_map());
        for per_scope in per_resource.scope_spans {
            for span in per_scope.spans {
                take_span(span, &per_scope.scope.name, &resource, line, sink)?;
            }
        }
    }
    let metrics = document.metrics.iter().flat_map(|resource| &resource.scopes);
    for _ in metrics.flat_map(|scope| &scope.items) {
        sink.skip("metrics", line);
    }
    let logs = document.logs.iter().flat_map(|resource| &resource.scopes);
    for _ in logs.flat_map(|scope| &scope.items) {
        sink.skip("log records", line);
    }
    Ok(())
}

fn take_span(
    span: JsonSpan,
    scope: &str,
    resource: &Resource,
    line: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    if !is_id(&span.trace_id, 32) || !is_id(&span.span_id, 16) {
        sink.skip("spans without ids in hex", line);
        return Ok(());
    }
    let dropped = [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count];
    if dropped.iter().any(|count| count.0 > 0) {
        sink.skip("spans of which the producer dropped attributes, events or links", line);
    }
    let event = |event: JsonEvent| SpanEvent {
        name: event.name,
        time_unix_ns: event.time_unix_nano.0,
        attributes: event.attributes.into_map(),
    };
    let linked = |other: JsonLink| SpanLink {
        trace_id: other.trace_id.to_ascii_lowercase(),
        span_id: other.span_id.to_ascii_lowercase(),
    };
    let has_parent = span.parent_span_id.bytes().any(|digit| digit != b'0');
    let mut record = Span {
        trace_id: span.trace_id.to_ascii_lowercase(),
        span_id: span.span_id.to_ascii_lowercase(),
        parent_span_id: if has_parent { span.parent_span_id.to_ascii_lowercase() } else { String::new() },
        name: span.name,
        span_kind: span_kind(span.kind.number("SPAN_KIND_", span_kind)).to_owned(),
        start_unix_ns: span.start_time_unix_nano.0,
        end_unix_ns: span.end_time_unix_nano.0,
        status: status(span.status.code.number("STATUS_CODE_", status)).to_owned(),
        status_message: span.status.message,
        scope: scope.to_owned(),
        attributes: span.attributes.into_map(),
        links: span.links.into_iter().map(linked).collect(),
        events: span.events.into_iter().map(event).collect(),
        ..Span::default()
    };
    resource.describe(&mut record);
    sink.record(Record::Span(Box::new(record)))
}

fn is_id(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, alias = "resource_spans", rename = "resourceSpans")]
    spans: Vec<ResourceSpans>,
    #[serde(default, alias = "resource_metrics", rename = "resourceMetrics")]
    metrics: Vec<Others>,
    #[serde(default, alias = "resource_logs", rename = "resourceLogs")]
    logs: Vec<Others>,
}

/// Metrics or logs, to be counted.
#[derive(Deserialize)]
struct Others {
    #[serde(
        default,
        rename = "scopeMetrics",
        alias = "scope_metrics",
        alias = "scopeLogs",
        alias = "scope_logs"
    )]
    scopes: Vec<OthersOfScope>,
}

#[derive(Deserialize)]
struct OthersOfScope {
    #[serde(default, rename = "metrics", alias = "logRecords", alias = "log_records")]
    items: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct ResourceSpans {
    #[serde(default)]
    resource: JsonResource,
    #[serde(default, rename = "scopeSpans", alias = "scope_spans", alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Default, Deserialize)]
struct JsonResource {
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize)]
struct ScopeSpans {
    #[serde(default, alias = "instrumentationLibrary")]
    scope: Scope,
    #[serde(default)]
    spans: Vec<JsonSpan>,
}

#[derive(Default, Deserialize)]
struct Scope {
    #[serde(default)]
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonSpan {
    #[serde(alias = "trace_id")]
    trace_id: String,
    #[serde(alias = "span_id")]
    span_id: String,
    #[serde(alias = "parent_span_id")]
    parent_span_id: String,
    name: String,
    kind: Choice,
    #[serde(alias = "start_time_unix_nano")]
    start_time_unix_nano: Number,
    #[serde(alias = "end_time_unix_nano")]
    end_time_unix_nano: Number,
    attributes: Attributes,
    #[serde(alias = "dropped_attributes_count")]
    dropped_attributes_count: Number,
    events: Vec<JsonEvent>,
    #[serde(alias = "dropped_events_count")]
    dropped_events_count: Number,
    links: Vec<JsonLink>,
    #[serde(alias = "dropped_links_count")]
    dropped_links_count: Number,
    status: JsonStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonEvent {
    #[serde(alias = "time_unix_nano")]
    time_unix_nano: Number,
    name: String,
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JsonLink {
    #[serde(alias = "trace_id")]
    trace_id: String,
    #[serde(alias = "span_id")]
    span_id: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct JsonStatus {
    message: String,
    code: Choice,
}

/// An enumeration: its number, or its name.
#[derive(Deserialize)]
#[serde(untagged)]
enum Choice {
    Number(u64),
    Name(String),
}

impl Default for Choice {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Choice {
    /// The number, when `shown` gives the names without their prefix, in lower case.
    fn number(&self, prefix: &str, shown: fn(u64) -> &'static str) -> u64 {
        match self {
            Self::Number(number) => *number,
            Self::Name(name) => {
                let name = name.strip_prefix(prefix).unwrap_or(name);
                (1..=5).find(|&number| shown(number).eq_ignore_ascii_case(name)).unwrap_or(0)
            }
        }
    }
}

/// A number of 64 bits, which JSON may hold as a string.
#[derive(Clone, Copy, Default)]
struct Number(u64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;

        impl Visitor<'_> for NumberVisitor {
            type Value = Number;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a number, or a string of one")
            }

            fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
                Ok(Number(number))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
                Ok(Number(u64::try_from(number).unwrap_or(0)))
            }

            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
            fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
                Ok(Number(number as u64))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Number, E> {
                let number = text.parse().map(Number);
                number.map_err(|_| E::custom(format!("`{text}` is no number")))
            }
        }

        deserializer.deserialize_any(NumberVisitor)
    }
}

/// Attributes, `[{"key": …, "value": {"stringValue": …}}]`.
#[derive(Default)]
struct Attributes(Vec<(String, Json)>);

impl Attributes {
    fn into_map(self) -> Map<String, Json> {
        self.0.into_iter().collect()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Json::Array(attributes) = Json::deserialize(deserializer)? else {
            return Err(D::Error::custom("attributes are no list"));
        };
        Ok(Self(attributes.into_iter().filter_map(|attribute| key_value(attribute, 0)).collect()))
    }
}

fn key_value(mut attribute: Json, depth: usize) -> Option<(String, Json)> {
    let key = attribute.get("key")?.as_str()?.to_owned();
    let value = attribute.get_mut("value").map_or(Json::Null, |value| any_value(value.take(), depth));
    Some((key, value))
}

fn any_value(value: Json, depth: usize) -> Json {
    let Json::Object(value) = value else { return Json::Null };
    let Some((kind, mut content)) = value.into_iter().next() else { return Json::Null };
    let is_nested =
        |kind: &str| matches!(kind, "arrayValue" | "array_value" | "kvlistValue" | "kvlist_value");
    if is_nested(&kind) && depth >= DEEPEST_VALUE {
        return "(nested too deep)".into();
    }
    let mut values = || match content.get_mut("values").map(Json::take) {
        Some(Json::Array(values)) => values,
        _ => Vec::new(),
    };
    match kind.as_str() {
        "intValue" | "int_value" => match content.as_str().map(str::parse::<i64>) {
            Some(Ok(number)) => number.into(),
            _ => content,
        },
        "arrayValue" | "array_value" => values().into_iter().map(|item| any_value(item, depth + 1)).collect(),
        "kvlistValue" | "kvlist_value" => {
            Json::Object(values().into_iter().filter_map(|item| key_value(item, depth + 1)).collect())
        }
        _ => content,
    }
}
