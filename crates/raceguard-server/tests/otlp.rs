//! OTLP over HTTP and gRPC: what exporters send becomes evidence, once, and answers are those of the specification.

mod intake_support;
mod support;

use std::io::Write as _;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use intake_support::{CRASH, REPORT, Running};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use raceguard_server::intake::Reason;
use raceguard_server::limits::Limits;
use serde_json::{Value, json};
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;

/// When all that is sent happened: an hour ago, to the second.
static NOW: LazyLock<u64> = LazyLock::new(|| {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    (since.as_secs() - 3600) * 1_000_000_000
});

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Any::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn resource(service: &str, instance: &str) -> Resource {
    let attributes = vec![
        text("service.name", service),
        text("service.version", "1.4.2"),
        text("service.instance.id", instance),
        text("deployment.environment.name", "canary"),
    ];
    Resource { attributes, ..Resource::default() }
}

fn spans(service: &str, first: u8, count: u8) -> ResourceSpans {
    let span = |number: u8| Span {
        trace_id: vec![number; 16],
        span_id: vec![number; 8],
        name: "GET /cart".to_owned(),
        kind: 2,
        start_time_unix_nano: *NOW,
        end_time_unix_nano: *NOW + 1_000_000,
        attributes: vec![text("http.route", "/cart")],
        ..Span::default()
    };
    let spans = (first..first + count).map(span).collect();
    let scope = Some(InstrumentationScope { name: "net/http".to_owned(), ..InstrumentationScope::default() });
    let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
    ResourceSpans { resource: Some(resource(service, "h1")), scope_spans, ..ResourceSpans::default() }
}

fn logs(instance: &str, bodies: impl IntoIterator<Item = impl Into<String>>) -> ExportLogsServiceRequest {
    let record = |body: String| LogRecord {
        time_unix_nano: *NOW,
        body: Some(AnyValue { value: Some(Any::StringValue(body)) }),
        ..LogRecord::default()
    };
    let log_records = bodies.into_iter().map(|body| record(body.into())).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs {
        resource: Some(resource("shop", instance)),
        scope_logs,
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }
}

fn metrics() -> ExportMetricsServiceRequest {
    let gauge = |name: &str, value| Metric {
        name: name.to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: vec![NumberDataPoint {
                time_unix_nano: *NOW,
                value: Some(value),
                ..NumberDataPoint::default()
            }],
        })),
        ..Metric::default()
    };
    let point = HistogramDataPoint {
        time_unix_nano: *NOW,
        count: 3,
        sum: Some(0.5),
        ..HistogramDataPoint::default()
    };
    let histogram = Data::Histogram(Histogram { data_points: vec![point], ..Histogram::default() });
    let metrics = vec![
        gauge("go.goroutine.count", Number::AsInt(41)),
        gauge("http.server.active_requests", Number::AsInt(3)),
        Metric { name: "go.schedule.duration".to_owned(), data: Some(histogram), ..Metric::default() },
        gauge("go.memory.used", Number::AsDouble(f64::NAN)),
    ];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics {
        resource: Some(resource("shop", "h1")),
        scope_metrics,
        ..ResourceMetrics::default()
    }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn spans_of_several_services_are_kept_once_in_each_encoding() {
    let server = Running::start(Limits::default()).await;
    let request =
        ExportTraceServiceRequest { resource_spans: vec![spans("shop", 1, 3), spans("till", 7, 2)] };
    let bytes = request.encode_to_vec();
    let zstd = zstd::encode_all(bytes.as_slice(), 3).expect("it compresses");
    for (headers, body) in [
        (vec![PROTOBUF], bytes.clone()),
        (vec![PROTOBUF, ("content-encoding", "gzip")], gzip(&bytes)),
        (vec![PROTOBUF, ("content-encoding", "zstd")], zstd),
    ] {
        let answer = server.post("/v1/traces", &headers, body).await;
        assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/x-protobuf"));
        let response = ExportTraceServiceResponse::decode(answer.body.as_slice()).expect("it is one");
        assert_eq!(response.partial_success, None);
        assert_eq!(server.records().await, 5);
    }
    let counters = &server.intake.counters;
    assert_eq!((counters.accepted.get(), counters.duplicates.get()), (5, 10));

    // The same over gRPC is the same too, compressed or not.
    let channel = Endpoint::new(format!("http://{}", server.grpc)).expect("it is one").connect_lazy();
    let mut client = TraceServiceClient::new(channel).send_compressed(CompressionEncoding::Gzip);
    let response = client.export(authorized(&server, request.clone())).await.expect("it is taken");
    assert_eq!(response.into_inner().partial_success, None);
    assert_eq!((server.records().await, counters.duplicates.get()), (5, 15));
    server.stop().await;
}

fn authorized<T>(server: &Running, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", server.write.reveal()).parse().expect("it is ASCII");
    request.metadata_mut().insert("authorization", bearer);
    request
}

fn channel(server: &Running) -> Channel {
    Endpoint::new(format!("http://{}", server.grpc)).expect("it is one").connect_lazy()
}

#[tokio::test]
async fn json_with_ids_in_hex_is_taken_and_spans_without_ids_are_told() {
    let server = Running::start(Limits::default()).await;
    let span = |trace: &str| {
        json!({"traceId": trace, "spanId": "eee19b7ec3c1b174", "name": "work", "kind": 2,
               "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"})
    };
    let request = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"spans": [span("5b8efff798038103d269b633813fc60c"), span("not hex")]}]}]});
    let answer = server.post("/v1/traces", &[JSON], request.to_string()).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
    assert_eq!(answer.json()["partialSuccess"]["rejectedSpans"], "1");
    assert_eq!(server.records().await, 1);
    let counters = &server.intake.counters;
    assert_eq!((counters.spans.get(), counters.spans_rejected.get()), (1, 1));

    // A request that is empty is none that failed.
    let answer = server.post("/v1/traces", &[JSON], "{}").await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    server.stop().await;
}

#[tokio::test]
async fn reports_and_crashes_in_logs_are_findings_whole_or_line_by_line() {
    let server = Running::start(Limits::default()).await;
    let whole = logs("h1", ["listening on :8080", REPORT, "bye", CRASH]);
    let answer = server.post("/v1/logs", &[PROTOBUF], whole.encode_to_vec()).await;
    assert_eq!(answer.status, 200);
    let findings = server.findings().await;
    assert_eq!(findings["totals"]["findings"], 2, "{findings}");

    // The same from another instance, one line a record, over gRPC.
    let mut client = LogsServiceClient::new(channel(&server));
    client.export(authorized(&server, logs("h2", REPORT.lines()))).await.expect("it is taken");
    let findings = server.findings().await;
    assert_eq!((&findings["totals"]["findings"], &findings["totals"]["records"]), (&json!(2), &json!(3)));
    let race = of_kind(&findings, "race");
    assert_eq!((&race["occurrences"], &race["last_ms"]), (&json!(2), &json!(*NOW / 1_000_000)));
    assert_eq!(
        race["title"],
        "write in example.com/shop.(*Cart).Put against read in example.com/shop.(*Cart).Get"
    );
    assert_eq!(server.intake.counters.log_findings.get(), 3);
    server.stop().await;
}

fn of_kind(findings: &Value, kind: &str) -> Value {
    let all = findings["findings"].as_array().expect("it is a list");
    all.iter().find(|finding| finding["kind"] == kind).unwrap_or_else(|| panic!("{findings}")).clone()
}

#[tokio::test]
async fn a_report_that_a_request_cuts_off_is_joined_with_the_next_of_its_instance() {
    let server = Running::start(Limits::default()).await;
    let lines: Vec<&str> = REPORT.lines().collect();
    let (first, second) = lines.split_at(5);
    let send = async |instance: &str, part: &[&str]| {
        let request = logs(instance, part.iter().copied());
        let answer = server.post("/v1/logs", &[PROTOBUF], request.encode_to_vec()).await;
        assert_eq!(answer.status, 200);
    };
    send("h1", first).await;
    send("h2", second).await;
    assert_eq!(server.records().await, 0, "the rest of another instance's log completes nothing");
    send("h1", second).await;
    assert_eq!(server.records().await, 1);
    // Sent again, as when the answer was lost: nothing is counted twice.
    send("h1", second).await;
    send("h1", first).await;
    send("h1", second).await;
    let findings = server.findings().await;
    assert_eq!(of_kind(&findings, "race")["occurrences"], 1, "{findings}");
    server.stop().await;
}

#[tokio::test]
async fn metrics_of_the_go_runtime_are_kept_and_the_others_counted() {
    let server = Running::start(Limits::default()).await;
    let answer = server.post("/v1/metrics", &[PROTOBUF], metrics().encode_to_vec()).await;
    assert_eq!(answer.status, 200);
    let counters = &server.intake.counters;
    assert_eq!((server.records().await, counters.data_points.get()), (2, 2));
    assert_eq!((counters.metrics_dropped.get(), counters.skipped.get()), (1, 1));
    let mut client = MetricsServiceClient::new(channel(&server));
    client.export(authorized(&server, metrics())).await.expect("it is taken");
    assert_eq!((server.records().await, counters.duplicates.get()), (2, 2));
    server.stop().await;
}

#[tokio::test]
async fn refusals_over_http_have_the_status_and_the_body_that_clients_expect() {
    let server = Running::start(Limits::default()).await;
    let request = ExportTraceServiceRequest { resource_spans: vec![spans("shop", 1, 1)] }.encode_to_vec();
    server
        .post("/v1/traces", &[("content-type", "text/plain")], request.clone())
        .await
        .refused(415, "x-protobuf");
    server.post_as(&server.read, "/v1/traces", &[JSON], "{}").await.refused(403, "may write");
    server.post("/v1/traces", &[JSON], "{\"resourceSpans\": 7}").await.refused(400, "not an OTLP request");
    let deep = format!("{{\"resourceSpans\": {}", "[".repeat(100_000));
    server.post("/v1/traces", &[JSON], deep).await.refused(400, "recursion");
    let answer = server.post("/v1/traces", &[PROTOBUF], &request[..request.len() - 3]).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (400, "application/x-protobuf"));
    let status =
        raceguard_server::otlp::answer::StatusBody::decode(answer.body.as_slice()).expect("it is one");
    assert_eq!(status.code, i32::from(Code::InvalidArgument), "{status:?}");
    assert!(status.message.contains("cut off"), "{status:?}");
    assert_eq!((server.refused(Reason::Malformed), server.refused(Reason::Token)), (3, 1));
    assert_eq!(server.records().await, 0);
    server.stop().await;
}

#[tokio::test]
async fn refusals_over_grpc_say_whether_to_send_again() {
    let limits = Limits { otlp: 4096, memory: 64 << 10, ..Limits::default() };
    let server = Running::start(limits).await;
    let mut client = TraceServiceClient::new(channel(&server));
    let small = ExportTraceServiceRequest { resource_spans: vec![spans("shop", 1, 1)] };
    let error = client.export(small.clone()).await.expect_err("it has no token");
    assert_eq!(error.code(), Code::Unauthenticated);
    let large = ExportTraceServiceRequest { resource_spans: vec![spans("shop", 1, 100)] };
    let error = client.export(authorized(&server, large.clone())).await.expect_err("it is too large");
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    let mut compressed = TraceServiceClient::new(channel(&server)).send_compressed(CompressionEncoding::Zstd);
    let error = compressed.export(authorized(&server, large)).await.expect_err("it is too large");
    assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
    // All memory is in use by others: the client is told when to come again.
    let held = server.intake.reserve(64 << 10).expect("it is free");
    let error = client.export(authorized(&server, small.clone())).await.expect_err("there is no memory");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    let wait = error.get_details_retry_info().and_then(|info| info.retry_delay);
    assert!(wait.is_some_and(|wait| wait.as_secs() == 1), "{error:?}");
    drop(held);
    client.export(authorized(&server, small)).await.expect("there is memory again");
    assert_eq!(server.records().await, 1);
    server.stop().await;
}
