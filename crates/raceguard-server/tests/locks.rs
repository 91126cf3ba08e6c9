//! Waiting for locks over time, out of profiles as `raceguard ingest` and the agent write them.

mod support;

use std::time::Duration;

use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::slts::WINDOW_MS;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};

const MILLISECOND: i64 = 1_000_000;

/// A profile in which goroutines waited in `m.(*Store).Put`.
fn profile(kind: &str, method: &str, at_ms: i64, duration_s: i64, contentions: i64, delay_ns: i64) -> String {
    json!({
        "schema": 1, "kind": "profile", "profile": kind, "time_unix_ns": at_ms * MILLISECOND,
        "duration_ns": duration_s * 1_000_000_000,
        "sample_types": [{"type": "contentions", "unit": "count"}, {"type": "delay", "unit": "nanoseconds"}],
        "symbolised": true,
        "frames": [
            {"function": format!("sync.(*Mutex).{method}"), "file": "/go/src/sync/mutex.go", "line": 45},
            {"function": "example.com/m.(*Store).Put", "file": "/m/store.go", "line": 20},
        ],
        "samples": [{"stack": [0, 1], "values": [contentions, delay_ns]}],
    })
    .to_string()
}

async fn send(server: &Running, write: &Token, stream: &str, instance: &str, body: String) {
    let headers =
        [("raceguard-stream", stream), ("raceguard-service", "store"), ("raceguard-instance", instance)];
    let (status, answer) = server.post(write, &headers, body).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(1)), "{answer}");
}

async fn calls(server: &Running, read: &Token) -> Vec<Value> {
    let (status, answer) = server.send(read, "GET", "/v1/locks?service=store&hours=2", None).await;
    assert_eq!(status, 200, "{answer}");
    answer["calls"].as_array().expect("it is a list").clone()
}

async fn what_counts_since_the_start_counts_once(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let server = Running::start(scratch.place(), Limits::default()).await;
    let now = now_ms();
    let mutex = |contentions, delay| profile("mutex", "Unlock", now, 0, contentions, delay);
    send(&server, &write, "a1", "a", mutex(10, 1_000)).await;
    send(&server, &write, "a2", "a", mutex(14, 1_600)).await;
    // Another instance, and the first one after a restart.
    send(&server, &write, "b1", "b", mutex(5, 500)).await;
    send(&server, &write, "a3", "a", mutex(2, 100)).await;
    let calls = calls(&server, &read).await;
    assert_eq!(calls.len(), 1);
    let call = &calls[0];
    assert_eq!(
        (&call["contentions"], &call["total_ns"], &call["mean_ns"]),
        (&json!(21), &json!(2_200), &json!(104))
    );
    assert_eq!((&call["function"], &call["line"]), (&json!("example.com/m.(*Store).Put"), &json!(20)));
    assert_eq!(
        (&call["call"], &call["source"], &call["kind"]),
        (&json!("Unlock"), &json!("mutex profile"), &json!("Mutex"))
    );
    server.stop().await;
}

async fn profiles_of_a_span_of_time_add_up_by_window(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let server = Running::start(scratch.place(), Limits::default()).await;
    let now = now_ms();
    let block = |at_ms| profile("block", "Lock", at_ms, 10, 3, 300);
    send(&server, &write, "1", "a", block(now - 2 * WINDOW_MS)).await;
    send(&server, &write, "2", "a", block(now - 2 * WINDOW_MS)).await;
    send(&server, &write, "3", "a", block(now)).await;
    // Another kind of profile saw the same waits from the other end: it stands for itself.
    send(&server, &write, "4", "a", profile("mutex", "Unlock", now, 10, 9, 800)).await;
    let calls = calls(&server, &read).await;
    let sources: Vec<&Value> = calls.iter().map(|call| &call["source"]).collect();
    assert_eq!(sources, ["block profile", "mutex profile"]);
    let windows: Vec<(i64, u64)> = calls[0]["windows"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|window| (window["start_ms"].as_i64().unwrap_or(0), window["contentions"].as_u64().unwrap_or(0)))
        .collect();
    let start = |at_ms: i64| at_ms / WINDOW_MS * WINDOW_MS;
    assert_eq!(windows, [(start(now - 2 * WINDOW_MS), 6), (start(now), 3)]);
    let (_, other) = server.send(&read, "GET", "/v1/locks?service=other", None).await;
    assert_eq!(other["calls"], json!([]));
    server.stop().await;
}

async fn requests_through_a_function_that_waits_long_are_affected(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let server = Running::start(scratch.place(), Limits::default()).await;
    let at = (now_ms() / WINDOW_MS - 1) * WINDOW_MS;
    // 20 ms on average in the window before this one, which is over.
    send(&server, &write, "profile", "a", profile("block", "Lock", at, 10, 3, 60 * MILLISECOND)).await;
    let span = |number: usize, at_ms: i64| {
        json!({"schema": 1, "kind": "span", "service": "store", "span_kind": "server", "name": "PUT /",
               "trace_id": format!("{number:032x}"), "span_id": "1", "start_unix_ns": at_ms * MILLISECOND,
               "attributes": {"code.function.name": "example.com/m.(*Store).Put"}})
        .to_string()
    };
    let mut affected = 0;
    for number in 1..100 {
        send(&server, &write, &format!("span {number}"), "a", span(number, at + 1)).await;
        let (_, slts) = server.send(&read, "GET", "/v1/slts?service=store", None).await;
        affected = slts["services"][0]["windows"][0]["affected"].as_u64().unwrap_or(0);
        if affected > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(affected > 0, "no request is affected");
    // In another window the function did not wait.
    send(&server, &write, "elsewhere", "a", span(1000, at - WINDOW_MS + 1)).await;
    let (_, slts) = server.send(&read, "GET", "/v1/slts?service=store", None).await;
    let before = &slts["services"][0]["windows"][0];
    assert_eq!((&before["start_ms"], &before["affected"]), (&json!(at - WINDOW_MS), &json!(0)));
    server.stop().await;
}

on_both! {
    what_counts_since_the_start_counts_once,
    profiles_of_a_span_of_time_add_up_by_window,
    requests_through_a_function_that_waits_long_are_affected,
}
