//! Limits per token: how fast, how many different names, and what those are told who go beyond.

mod intake_support;
mod support;

use std::time::Duration;

use intake_support::{Running, race};
use raceguard_server::intake::Reason;
use raceguard_server::limits::{CardinalityLimits, Limits, RateLimits};
use raceguard_server::store::Store;
use raceguard_server::token::Role;
use serde_json::json;
use support::token;

fn batch(stream: &str, records: usize) -> String {
    (0..records).map(|number| race(&format!("{stream}-{number}"), "m.Put") + "\n").collect()
}

#[tokio::test]
async fn who_sends_too_fast_is_told_when_to_come_again_and_then_let_in() {
    let rates = RateLimits { records: 50, burst: Duration::from_secs(1), ..RateLimits::default() };
    let server = Running::start(Limits { rates, ..Limits::default() }).await;
    let other = Store::add_token(server.folder.path(), "other", Role::Write, 1).expect("it can be made");
    let post = async |stream: &str| {
        server.post("/v1/evidence", &[("raceguard-stream", stream)], batch(stream, 120)).await
    };
    assert_eq!(post("a").await.status, 200, "a batch that is larger than the burst is taken");
    let answer = post("b").await;
    answer.refused(429, "more than 50 records a second");
    // 120 less the 50 that were there, at 50 a second.
    let wait = answer.retry_after.expect("it says when");
    assert!((1..=2).contains(&wait), "{wait}");
    for path in ["/v1/traces", "/v1/raw"] {
        let answer = server.post(path, &[("content-type", "application/json")], "{}").await;
        answer.refused(429, "more than 50 records a second");
        assert!(answer.retry_after.is_some(), "{path}");
    }
    let answer = server.post_as(&other, "/v1/evidence", &[], race("1-1", "m.Put")).await;
    assert_eq!(answer.status, 200, "another token has its own allowance");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(post("b").await.status, 200);
    assert_eq!((server.refused(Reason::Rate), server.records().await), (3, 241));
    server.stop().await;
}

#[tokio::test]
async fn bytes_count_as_they_are_sent() {
    let rates = RateLimits { bytes: 10_000, burst: Duration::from_secs(1), ..RateLimits::default() };
    let server = Running::start(Limits { rates, ..Limits::default() }).await;
    let large = "x".repeat(25_000);
    assert_eq!(server.post("/v1/evidence", &[], large).await.status, 200);
    let answer = server.post("/v1/evidence", &[], "x").await;
    answer.refused(429, "more than 10000 bytes a second");
    assert_eq!(answer.retry_after, Some(2));
    server.stop().await;
}

#[tokio::test]
async fn too_many_instances_are_folded_and_too_many_findings_wait_for_the_next_hour() {
    let cardinality =
        CardinalityLimits { instances: 3, findings: 5, streams: 100, ..CardinalityLimits::default() };
    let server = Running::start(Limits { cardinality, ..Limits::default() }).await;
    for number in 0..10 {
        let instance = format!("i{number}");
        let headers = [("raceguard-instance", instance.as_str()), ("raceguard-stream", instance.as_str())];
        let answer = server.post("/v1/evidence", &headers, race("1-1", "m.Put")).await;
        assert_eq!(answer.status, 200, "evidence is kept, whoever it is from");
    }
    assert_eq!(server.intake.counters.folded_names.get(), 7);
    assert_eq!(server.findings().await["findings"][0]["occurrences"], 10);

    let findings: String =
        (0..10).map(|number| race(&format!("2-{number}"), &format!("m.F{number}")) + "\n").collect();
    let answer = server.post("/v1/evidence", &[], findings).await;
    answer.refused(429, "more than 5 different findings");
    assert!(answer.retry_after.is_some_and(|wait| (1..=3600).contains(&wait)), "{answer:?}");
    assert_eq!(server.refused(Reason::Cardinality), 1);
    // What is known already is taken all the same.
    assert_eq!(server.post("/v1/evidence", &[], race("3-1", "m.Put")).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn streams_that_are_named_are_limited_and_those_named_after_their_content_are_not() {
    let cardinality = CardinalityLimits { streams: 2, ..CardinalityLimits::default() };
    let server = Running::start(Limits { cardinality, ..Limits::default() }).await;
    let post = async |headers: &[(&'static str, &str)], id: &str| {
        server.post("/v1/evidence", headers, race(id, "m.Put")).await
    };
    for stream in ["a", "b", "a"] {
        assert_eq!(post(&[("raceguard-stream", stream)], "1-1").await.status, 200);
    }
    post(&[("raceguard-stream", "c")], "1-1").await.refused(429, "different streams");
    for id in ["1-1", "1-2", "1-3"] {
        assert_eq!(post(&[], id).await.status, 200);
    }
    server.stop().await;
}

#[tokio::test]
async fn requests_share_the_memory_and_give_it_back() {
    let server = Running::start(Limits { memory: 256 << 10, ..Limits::default() }).await;
    let held = server.intake.reserve(200 << 10).expect("it is free");
    let answer = server.post("/v1/evidence", &[], vec![b' '; 100 << 10]).await;
    answer.refused(429, "too much is being received");
    assert_eq!(answer.retry_after, Some(1));
    let bomb = zstd::encode_all(vec![b' '; 10 << 20].as_slice(), 19).expect("it compresses");
    server.post("/v1/evidence", &[("content-encoding", "zstd")], bomb).await.refused(429, "too much");
    drop(held);
    for _ in 0..20 {
        assert_eq!(server.post("/v1/evidence", &[], vec![b'\n'; 100 << 10]).await.status, 413, "lines");
        assert_eq!(
            server.post("/v1/evidence", &[], vec![b' '; 100 << 10]).await.json()["accepted"],
            json!(0)
        );
    }
    assert_eq!(server.refused(Reason::Memory), 2);
    server.intake.reserve(256 << 10).expect("all of it is free again");
    let admin = token(server.folder.path(), Role::Admin);
    assert_eq!(server.post_as(&admin, "/v1/evidence", &[], race("1-1", "m.Put")).await.status, 200);
    server.stop().await;
}
