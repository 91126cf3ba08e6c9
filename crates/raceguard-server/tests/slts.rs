//! Service-level thread safety: against a naive model, and over HTTP with a race of an example.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use raceguard_server::batch::Batch;
use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::live::Live;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::slts::questions::Slts;
use raceguard_server::slts::{LATE_MS, WINDOW_MS, window_of};
use raceguard_server::store::Store;
use raceguard_server::token::Role;
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};

const GATEWAY: &str = include_str!("../../raceguard-diagnosis/tests/examples/payment-gateway.jsonl");

/// A time that all of this test lies around.
const BASE_MS: i64 = 1_790_000_000_000;

/// A span, as the test makes them up.
#[derive(Debug, Clone)]
struct Made {
    service: u8,
    trace: u8,
    span: u8,
    is_request: bool,
    touched: bool,
    link: Option<u8>,
    start_ms: i64,
}

impl Made {
    fn record(&self) -> String {
        let wait = if self.touched { 50_000_000 } else { 9_999_999 };
        let links: Vec<Value> = self.link.map(|link| json!({"trace_id": trace(link)})).into_iter().collect();
        json!({
            "schema": 1, "kind": "span", "service": format!("s{}", self.service), "trace_id": trace(self.trace),
            "span_id": format!("{:x}", self.span), "name": format!("op{}", self.span % 3),
            "parent_span_id": "ff", "span_kind": if self.is_request { "server" } else { "internal" },
            "start_unix_ns": self.start_ms * 1_000_000, "end_unix_ns": self.start_ms * 1_000_000,
            "attributes": {"raceguard.lock.wait_ns": wait}, "links": links,
        })
        .to_string()
    }
}

/// Trace 0 is none.
fn trace(number: u8) -> String {
    if number == 0 { String::new() } else { format!("{number:032x}") }
}

fn made() -> impl Strategy<Value = Made> {
    let window = 0_i64..30;
    (
        0_u8..3,
        0_u8..12,
        0_u8..6,
        any::<bool>(),
        prop::bool::weighted(0.15),
        prop::option::weighted(0.1, 1_u8..12),
        window,
    )
        .prop_map(|(service, trace, span, is_request, touched, link, windows)| Made {
            service,
            trace,
            span,
            is_request,
            touched,
            link,
            start_ms: BASE_MS - windows * WINDOW_MS / 2,
        })
}

/// Requests and affected ones by service and window.
type Counts = BTreeMap<(String, i64), (u64, u64)>;

/// The definition, word for word: spans with the time at which each came.
fn model(spans: &[(Made, i64)]) -> Counts {
    let in_time: Vec<&Made> = spans
        .iter()
        .filter(|(span, received)| *received <= (window_of(span.start_ms) + 1) * WINDOW_MS + LATE_MS)
        .map(|(span, _)| span)
        .collect();
    let mut touched = BTreeSet::new();
    for span in in_time.iter().filter(|span| span.touched) {
        touched.insert((span.service, span.trace));
        touched.extend(span.link.map(|link| (span.service, link)));
    }
    let mut seen = BTreeSet::new();
    let mut counts = Counts::new();
    for span in in_time.iter().filter(|span| span.is_request) {
        if span.trace != 0 && !seen.insert((span.service, span.trace, span.span)) {
            continue;
        }
        let affected = span.touched || (span.trace != 0 && touched.contains(&(span.service, span.trace)));
        let count = counts.entry((format!("s{}", span.service), window_of(span.start_ms))).or_default();
        count.0 += 1;
        count.1 += u64::from(affected);
    }
    counts
}

fn counts(slts: &Slts) -> Counts {
    let window = |service: &str, window: &raceguard_server::slts::questions::SltsWindow| {
        ((service.to_owned(), window.start_ms / WINDOW_MS), (window.requests, window.affected))
    };
    slts.services
        .iter()
        .flat_map(|service| service.windows.iter().map(|counted| window(&service.service, counted)))
        .collect()
}

/// A store as the server opens it.
fn store(scratch: &Scratch) -> Store {
    let live = std::sync::Arc::new(Live::new().expect("its settings are right"));
    Store::open(scratch.place(), vec![live]).expect("it is new")
}

fn batch(stream: &str, spans: &[Made]) -> Batch {
    let lines: Vec<String> = spans.iter().map(Made::record).collect();
    let stream = StreamName::new(stream).expect("it is a name");
    Batch::read(Origin::default(), stream, 0, lines.join("\n").into_bytes(), 1000).expect("it can be read")
}

fn batches() -> impl Strategy<Value = Vec<Vec<Made>>> {
    prop::collection::vec(prop::collection::vec(made(), 1..20), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_counted_as_the_definition_says(
        batches in batches(),
        again in any::<prop::sample::Index>(),
    ) {
        counted_as_defined(Backend::Sqlite, &batches, again)?;
    }
}

proptest! {
    // Each makes a database of its own.
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_counted_as_the_definition_says_on_postgres(
        batches in batches(),
        again in any::<prop::sample::Index>(),
    ) {
        counted_as_defined(Backend::Postgres, &batches, again)?;
    }
}

fn counted_as_defined(
    backend: Backend,
    batches: &[Vec<Made>],
    again: prop::sample::Index,
) -> Result<(), TestCaseError> {
    let scratch = Scratch::new(backend);
    let runtime = tokio::runtime::Runtime::new().expect("it starts");
    let Store { writer, reader, thread, lock } = store(&scratch);
    let mut received = Vec::new();
    for (number, spans) in batches.iter().enumerate() {
        let at = BASE_MS + i64::try_from(number).expect("it is small") * WINDOW_MS;
        let sent = writer.write(batch(&format!("b{number}"), spans), at);
        runtime.block_on(sent).expect("it is written");
        received.extend(spans.iter().map(|span| (span.clone(), at)));
    }
    // A batch that is sent again changes nothing.
    let number = again.index(batches.len());
    let sent = writer.write(batch(&format!("b{number}"), &batches[number]), BASE_MS + 100 * WINDOW_MS);
    prop_assert_eq!(runtime.block_on(sent).expect("it is taken").accepted, 0);

    let slts = reader.slts(None, 24, BASE_MS + 8 * WINDOW_MS).expect("it answers");
    prop_assert_eq!(counts(&slts), model(&received));
    let requests: u64 = slts.services.iter().flat_map(|s| &s.operations).map(|o| o.requests).sum();
    let windows: u64 = slts.services.iter().flat_map(|s| &s.windows).map(|w| w.requests).sum();
    prop_assert_eq!(requests, windows);
    thread.stop().expect("it ends");
    drop(lock);
    Ok(())
}

async fn too_many_operations_and_late_spans_are_counted_apart(backend: Backend) {
    let scratch = Scratch::new(backend);
    let Store { writer, reader, thread, .. } = tokio::task::block_in_place(|| store(&scratch));
    let span = |number: usize, start_ms: i64| {
        json!({"schema": 1, "kind": "span", "service": "pay", "span_kind": "server", "name": format!("GET /{number}"),
               "start_unix_ns": start_ms * 1_000_000})
        .to_string()
    };
    let mut lines: Vec<String> = (0..250).map(|number| span(number, BASE_MS)).collect();
    lines.push(span(0, BASE_MS - 2 * LATE_MS));
    // A clock that runs ahead does not open windows of the future.
    lines.push(span(1, BASE_MS + 10 * WINDOW_MS));
    let stream = StreamName::new("s").expect("it is a name");
    let batch =
        Batch::read(Origin::default(), stream, 0, lines.join("\n").into_bytes(), 1000).expect("it reads");
    writer.write(batch, BASE_MS).await.expect("it is written");
    let (slts, others) = tokio::task::block_in_place(|| {
        (reader.slts(Some("pay"), 1, BASE_MS), reader.slts(Some("other"), 1, BASE_MS))
    });
    let slts = slts.expect("it answers");
    let pay = &slts.services[0];
    assert_eq!((pay.windows.len(), pay.windows[0].requests, pay.late), (1, 251, 1));
    assert_eq!(pay.operations.len(), 101);
    let other = pay.operations.iter().find(|operation| operation.operation == "(other)");
    assert_eq!(other.map(|operation| operation.requests), Some(150));
    assert_eq!(others.expect("it answers").services, []);
    tokio::task::block_in_place(|| thread.stop()).expect("it ends");
}

/// A request that went through `function`, in a trace of its own.
fn request(number: u64, function: &str, at_ms: i64) -> String {
    let span = |kind: &str, id: u64, parent: &str, attributes: Value| {
        json!({"schema": 1, "kind": "span", "service": "gateway", "trace_id": format!("{number:032x}"),
               "span_id": format!("{id:016x}"), "parent_span_id": parent, "name": "POST /pay", "span_kind": kind,
               "start_unix_ns": at_ms * 1_000_000, "attributes": attributes})
        .to_string()
    };
    // The inner one is sent first, as exporters do.
    let inner = span("internal", 2, "1", json!({"code.function.name": function}));
    format!("{inner}\n{}", span("server", 1, "", json!({})))
}

async fn requests_through_racy_code_are_affected_and_told(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, admin) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Admin));
    let server = Running::start(scratch.place(), Limits::default()).await;
    let headers = |stream| [("raceguard-stream", stream), ("raceguard-service", "gateway")];
    let racy = "example.com/payment-gateway.(*RouteTable).HealthCheck";
    let last = now_ms() - WINDOW_MS;

    // Before anything is known of the code no request is affected.
    server.post(&write, &headers("before"), request(1, racy, last)).await;
    server.post(&write, &headers("race"), GATEWAY).await;
    wait(&server, &admin, "/v1/live/maps", |maps| {
        maps["maps"]
            .as_array()
            .is_some_and(|maps| maps.iter().any(|map| map["name"] == "code" && map["entries"] == 1))
    })
    .await;
    let after: Vec<String> = (2..6)
        .map(|number| {
            request(number, if number % 2 == 0 { racy } else { "example.com/payment-gateway.Ping" }, last)
        })
        .collect();
    server.post(&write, &headers("after"), after.join("\n")).await;
    let (_, slts) = server.send(&admin, "GET", "/v1/slts?service=gateway", None).await;
    let window = &slts["services"][0]["windows"][0];
    assert_eq!(
        (&window["requests"], &window["affected"], &window["slts"]),
        (&json!(5), &json!(2), &json!(0.6))
    );
    assert_eq!(slts["services"][0]["operations"][0]["operation"], "POST /pay");

    let (_, slo) = server.send(&admin, "GET", "/v1/slo", None).await;
    let gateway = &slo["services"][0];
    assert_eq!(
        (&gateway["windows"], &gateway["good"], &gateway["met"]),
        (&json!(1), &json!(0), &json!(false))
    );
    assert_eq!((&gateway["burn"]["fast"], &gateway["budget"]["bad"]), (&json!(true), &json!(1)));
    assert_eq!(slo["fleet"]["compliance"], json!(0.0));

    let fired = |alerts: &Value| {
        let severities: Vec<&str> =
            alerts.as_array().into_iter().flatten().filter_map(|alert| alert["severity"].as_str()).collect();
        severities.contains(&"P1") && severities.contains(&"P2")
    };
    wait(&server, &admin, "/v1/alerts", fired).await;
    server.stop().await;
}

async fn wait(
    server: &Running,
    token: &raceguard_server::token::Token,
    path: &str,
    expected: impl Fn(&Value) -> bool,
) {
    for _ in 0..300 {
        let (_, answer) = server.send(token, "GET", path, None).await;
        if expected(&answer) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path}: {}", server.send(token, "GET", path, None).await.1);
}

on_both! {
    too_many_operations_and_late_spans_are_counted_apart,
    requests_through_racy_code_are_affected_and_told,
}
