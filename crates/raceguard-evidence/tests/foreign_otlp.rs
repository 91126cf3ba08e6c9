//! Spans of OpenTelemetry. The files come from the Go SDK and the collector's own marshaller; the program that made them
//! lies beside them. What producers rarely write is made here.

mod foreign_binary;

use std::path::Path;

use foreign_binary::{read, skipped, try_read};
use raceguard_evidence::{Record, Source, Span};
use serde_json::json;

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_binary/otlp").join(name);
    std::fs::read(path).unwrap()
}

fn spans_of(content: &[u8]) -> (Source, Vec<Span>) {
    let (source, records) = read("spans", content);
    assert_eq!(source.format, "otlp");
    let span = |record| match record {
        Record::Span(span) => *span,
        other => panic!("{other:?}"),
    };
    (source, records.into_iter().map(span).collect())
}

#[test]
fn the_go_sdk_and_the_collector_write_the_same_spans_in_all_forms() {
    let (source, spans) = spans_of(&fixture("sent.pb"));
    assert_eq!((source.skipped, source.warnings), (vec![], vec![]));
    assert_eq!(spans.len(), 2);
    for other in ["framed.pb", "lines.json"] {
        let (source, others) = spans_of(&fixture(other));
        assert_eq!((source.skipped, source.warnings), (vec![], vec![]), "{other}");
        assert_eq!(others, spans, "{other}");
    }
}

#[test]
fn a_span_has_all_that_was_said_of_it() {
    let (_, spans) = spans_of(&fixture("lines.json"));
    let [child, parent] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((child.trace_id.len(), child.span_id.len()), (32, 16));
    assert_eq!(child.trace_id, parent.trace_id);
    assert_eq!(
        (child.parent_span_id.as_str(), parent.parent_span_id.as_str()),
        (parent.span_id.as_str(), "")
    );
    assert_eq!(
        (parent.name.as_str(), parent.span_kind.as_str(), parent.status.as_str()),
        ("GET /cart", "server", "ok")
    );
    assert_eq!((child.name.as_str(), child.span_kind.as_str()), ("query", "client"));
    assert_eq!((child.status.as_str(), child.status_message.as_str()), ("error", "timeout"));
    assert_eq!(
        (child.service.as_str(), child.instance.as_str(), child.version.as_str()),
        ("shop", "h7", "1.4.2")
    );
    assert_eq!(child.resource.get("replicas"), Some(&json!(3)));
    assert!(!child.resource.contains_key("service.name"), "{:?}", child.resource);
    assert_eq!(child.scope, "example.com/shop");
    let attributes = json!({
        "db.system": "postgresql", "rows": 9_007_199_254_740_993_i64, "cached": false, "ratio": 0.25, "tables": ["a", "b"]
    });
    assert_eq!(json!(child.attributes), attributes);
    assert_eq!(child.events[0].name, "exception");
    assert_eq!(child.events[0].attributes["exception.message"], json!("timeout"));
    assert!(
        child.start_unix_ns <= child.events[0].time_unix_ns
            && child.events[0].time_unix_ns <= child.end_unix_ns
    );
    assert!(parent.start_unix_ns > 1_600_000_000_000_000_000 && parent.duration_ns() > 0);
    assert_eq!((child.links.len(), &child.links[0].span_id), (1, &parent.span_id));
}

/// A span as JSON may also have it: names of fields in `snake_case`, numbers as numbers, enumerations by name.
fn unusual() -> String {
    json!({"resource_spans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scope_spans": [{"spans": [{
            "trace_id": "5B8EFFF798038103D269B633813FC60C", "span_id": "EEE19B7EC3C1B174",
            "parent_span_id": "0000000000000000", "name": "work", "kind": "SPAN_KIND_CONSUMER",
            "start_time_unix_nano": 1_544_712_660_000_000_000_u64, "end_time_unix_nano": "1544712661000000000",
            "status": {"code": "STATUS_CODE_ERROR"}, "dropped_attributes_count": 2,
            "attributes": [{"key": "map", "value": {"kvlistValue": {"values": [
                {"key": "n", "value": {"intValue": 7}}]}}}]
        }]}]
    }]})
    .to_string()
}

#[test]
fn json_is_read_in_every_spelling() {
    let (source, spans) = spans_of(unusual().as_bytes());
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (span.trace_id.as_str(), span.parent_span_id.as_str()),
        ("5b8efff798038103d269b633813fc60c", "")
    );
    assert_eq!((span.span_kind.as_str(), span.status.as_str()), ("consumer", "error"));
    assert_eq!((span.start_unix_ns, span.duration_ns()), (1_544_712_660_000_000_000, 1_000_000_000));
    assert_eq!(span.attributes["map"], json!({"n": 7}));
    assert_eq!(skipped(&source, "spans of which the producer dropped attributes, events or links"), 1);
}

#[test]
fn a_document_over_several_lines_is_one_document() {
    let lines = fixture("lines.json");
    let first = lines.split(|&byte| byte == b'\n').next().unwrap();
    let document: serde_json::Value = serde_json::from_slice(first).unwrap();
    let pretty = serde_json::to_vec_pretty(&document).unwrap();
    assert_eq!(spans_of(&pretty).1, spans_of(first).1);
    let error = try_read("cut.json", &pretty[..pretty.len() - 20]).unwrap_err().to_string();
    assert!(error.contains("cut.json") && error.contains("line"), "{error}");
}

#[test]
fn metrics_and_logs_are_counted_and_not_taken_for_spans() {
    let lines = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "a"}, {"name": "b"}]}]}]})
        .to_string()
        + "\n"
        + &json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "1"}]}]}]}).to_string();
    let (source, spans) = spans_of(lines.as_bytes());
    assert_eq!((spans.len(), skipped(&source, "metrics"), skipped(&source, "log records")), (0, 2, 1));

    let resource =
        message(1, &message(1, &[message(1, b"service.name"), message(2, &message(1, b"shop"))].concat()));
    let metric = message(2, &message(2, &[message(1, b"requests"), message(2, b"number of them")].concat()));
    let log = message(2, &message(2, &[&[9, 1, 0, 0, 0, 0, 0, 0, 0][..], &[16, 9]].concat()));
    let (source, spans) = spans_of(&message(1, &[resource, metric, log].concat()));
    assert_eq!((spans.len(), skipped(&source, "metrics"), skipped(&source, "log records")), (0, 1, 1));
}

#[test]
fn race_reports_in_logs_and_metrics_of_the_go_runtime_are_records() {
    let report = "WARNING: DATA RACE\nWrite at 0x00c000012345 by goroutine 7:\n  m.Put()\n      /m/a.go:21 +0x44\n\n\
                  Previous read at 0x00c000012345 by goroutine 8:\n  m.Get()\n      /m/a.go:30 +0x44\n==================";
    let time = 1_700_000_000_000_000_000_u64;
    let log = |text: &str| json!({"observedTimeUnixNano": time.to_string(), "body": {"stringValue": text}});
    let records: Vec<_> = std::iter::once("ready").chain(report.lines()).map(log).collect();
    let point = json!({"timeUnixNano": time.to_string(), "asInt": "41", "attributes": []});
    let metric =
        json!({"name": "go.goroutine.count", "unit": "{goroutine}", "gauge": {"dataPoints": [point]}});
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]});
    let logs = json!({"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": records}]}]});
    let metrics =
        json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]});
    let (source, records) = read("logs", format!("{logs}\n{metrics}\n").as_bytes());
    let [Record::Race(race), Record::Metric(metric)] = &records[..] else {
        panic!("{source:?}: {records:?}")
    };
    assert_eq!((race.time_unix_ns, race.accesses[1].stack[0].function.as_str()), (time, "m.Get"));
    assert_eq!((metric.name.as_str(), metric.service.as_str()), ("go.goroutine.count", "shop"));
    assert_eq!((metric.metric_kind.as_str(), metric.value, metric.time_unix_ns), ("gauge", 41.0, time));
    assert_eq!(source.skipped, vec![]);
}

/// A field that holds bytes.
fn message(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(content.len()).unwrap()];
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn messages_may_have_their_length_before_them_as_a_varint() {
    let framed = fixture("framed.pb");
    let mut delimited = Vec::new();
    let mut rest = &framed[..];
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        delimited.extend([u8::try_from(length & 0x7f).unwrap() | 0x80, u8::try_from(length >> 7).unwrap()]);
        delimited.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    assert_eq!(spans_of(&delimited).1, spans_of(&framed).1);
}

#[test]
fn what_is_cut_off_is_said_and_what_came_before_is_kept() {
    let framed = fixture("framed.pb");
    let (source, spans) = spans_of(&framed[..framed.len() - 10]);
    assert_eq!((spans.len(), source.warnings.len()), (1, 1), "{:?}", source.warnings);
    let sent = fixture("sent.pb");
    assert_eq!(spans_of(&sent[..sent.len() - 10]).1.len(), 1);
    let lines = fixture("lines.json");
    let (source, spans) = spans_of(&lines[..lines.len() - 10]);
    assert_eq!((spans.len(), skipped(&source, "documents cut off")), (1, 1));
}

#[test]
fn a_line_that_is_something_else_is_counted_with_its_number() {
    let mut lines = fixture("lines.json");
    lines.extend_from_slice(b"\n2026-01-01 exporter restarted\n");
    lines.extend_from_slice(unusual().as_bytes());
    let (source, spans) = spans_of(&lines);
    assert_eq!(spans.len(), 3);
    let skipped = source.skipped.iter().find(|skipped| skipped.what == "lines that are no OTLP").unwrap();
    assert_eq!((skipped.count, skipped.first_at), (1, 4));
}
