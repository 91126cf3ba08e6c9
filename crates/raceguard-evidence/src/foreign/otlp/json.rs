//! OTLP as JSON.

mod log;
mod metric;
mod value;

use std::io::Read;

use memchr::memmem;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::logs::{LogTail, ResourceLog};
use super::request::{RequestError, RequestReader, Signal};
use super::resource::{Resource, span_kind, status};
use super::{LARGEST_MESSAGE, SPANS_WITHOUT_IDS};
use crate::foreign::{ForeignError, Input, Sink};
use crate::record::Record;
use crate::span::{Span, SpanEvent, SpanLink};
use log::JsonLog;
use metric::JsonMetric;
use value::{Attributes, Choice, Number};

/// Most values in a request: each may take a hundred bytes of memory, however few it has in the request.
const LARGEST_REQUEST: usize = 2_000_000;

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

/// Reads a request: one document with the resources of one signal.
pub(super) fn read_request(body: &[u8], request: &mut RequestReader<'_>) -> Result<(), RequestError> {
    let values = memchr::memchr3_iter(b'{', b'[', b',', body).count();
    if values > LARGEST_REQUEST {
        return Err(RequestError::TooLarge { what: "JSON values", limit: LARGEST_REQUEST });
    }
    let document: Document =
        serde_json::from_slice(body).map_err(|error| RequestError::Malformed(error.to_string()))?;
    let resources = match request.signal {
        Signal::Traces => document.spans,
        Signal::Metrics => document.metrics,
        Signal::Logs => document.logs,
    };
    let whole = Sha256::digest(body);
    for (number, mut per_resource) in (0_u64..).zip(resources) {
        let resource = per_resource.take_resource();
        request.resource(&[&whole, &number.to_be_bytes()], resource.producer(), |tail, sink| {
            take_scopes(per_resource, &resource, tail, 1, sink)
        })?;
    }
    Ok(())
}

fn take(document: Document, line: u64, sink: &mut dyn Sink) -> Result<(), ForeignError> {
    for mut per_resource in document.spans.into_iter().chain(document.metrics).chain(document.logs) {
        let resource = per_resource.take_resource();
        take_scopes(per_resource, &resource, LogTail::default(), line, sink)?;
    }
    Ok(())
}

fn take_scopes(
    per_resource: PerResource,
    resource: &Resource,
    tail: LogTail,
    line: u64,
    sink: &mut dyn Sink,
) -> Result<LogTail, ForeignError> {
    let mut log = ResourceLog::after(tail);
    for per_scope in per_resource.scopes {
        for span in per_scope.spans {
            take_span(span, &per_scope.scope.name, resource, line, sink)?;
        }
        for metric in per_scope.metrics {
            metric.take(resource, line, sink)?;
        }
        for record in per_scope.log_records {
            log.record(record.into_record(), sink)?;
        }
    }
    log.finish(line, sink)
}

fn take_span(
    span: JsonSpan,
    scope: &str,
    resource: &Resource,
    line: u64,
    sink: &mut dyn Sink,
) -> Result<(), ForeignError> {
    if !is_id(&span.trace_id, 32) || !is_id(&span.span_id, 16) {
        sink.skip(SPANS_WITHOUT_IDS, line);
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
    spans: Vec<PerResource>,
    #[serde(default, alias = "resource_metrics", rename = "resourceMetrics")]
    metrics: Vec<PerResource>,
    #[serde(default, alias = "resource_logs", rename = "resourceLogs")]
    logs: Vec<PerResource>,
}

/// What is of one resource.
#[derive(Deserialize)]
struct PerResource {
    #[serde(default)]
    resource: JsonResource,
    #[serde(
        default,
        rename = "scopeSpans",
        alias = "scope_spans",
        alias = "instrumentationLibrarySpans",
        alias = "scopeMetrics",
        alias = "scope_metrics",
        alias = "scopeLogs",
        alias = "scope_logs"
    )]
    scopes: Vec<PerScope>,
}

impl PerResource {
    fn take_resource(&mut self) -> Resource {
        Resource::new(std::mem::take(&mut self.resource.attributes).into_map())
    }
}

#[derive(Default, Deserialize)]
struct JsonResource {
    #[serde(default)]
    attributes: Attributes,
}

#[derive(Deserialize)]
struct PerScope {
    #[serde(default, alias = "instrumentationLibrary")]
    scope: Scope,
    #[serde(default)]
    spans: Vec<JsonSpan>,
    #[serde(default)]
    metrics: Vec<JsonMetric>,
    #[serde(default, rename = "logRecords", alias = "log_records")]
    log_records: Vec<JsonLog>,
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
