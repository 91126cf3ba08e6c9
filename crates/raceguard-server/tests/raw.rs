//! Raw files: every format that `raceguard ingest` reads, bounded, and counted once by its content.

mod intake_support;
mod support;

use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use intake_support::{CRASH, REPORT, Running, race};
use raceguard_server::intake::Reason;
use raceguard_server::limits::Limits;
use serde_json::json;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[tokio::test]
async fn a_log_counts_once_however_it_is_packed_and_called() {
    let server = Running::start(Limits::default()).await;
    let log = format!("starting\n{REPORT}\n{CRASH}");
    let first = server.post("/v1/raw?name=app.log", &[], log.clone()).await;
    let answer = first.json();
    assert_eq!((first.status, &answer["format"]), (200, &json!("go-output")), "{answer}");
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(3), &json!(0)), "race, crash, source");
    for (headers, body) in [
        (vec![], gzip(log.as_bytes())),
        (vec![("content-encoding", "gzip")], gzip(log.as_bytes())),
        (vec![("content-encoding", "zstd")], zstd::encode_all(log.as_bytes(), 3).expect("it compresses")),
    ] {
        let answer = server.post("/v1/raw?name=copy.log", &headers, body).await.json();
        assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(0), &json!(3)), "{answer}");
    }
    // From another instance it is another crash.
    server.post("/v1/raw", &[("raceguard-instance", "h2")], log).await;
    let findings = server.findings().await;
    assert_eq!((&findings["totals"]["findings"], &findings["totals"]["records"]), (&json!(2), &json!(6)));
    server.stop().await;
}

#[tokio::test]
async fn files_of_many_formats_become_evidence() {
    let server = Running::start(Limits::default()).await;
    let spans = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../raceguard-evidence/tests/foreign_binary/otlp/lines.json");
    let files: [(&str, Vec<u8>); 5] = [
        ("evidence", race("7-1", "m.Put").into_bytes()),
        ("otlp", std::fs::read(spans).expect("it is there")),
        ("go-test-json", format!("{}\n", json!({"Action": "fail", "Package": "m", "Elapsed": 0.1})).into_bytes()),
        ("junit", b"<testsuites><testsuite name=\"m\"><testcase classname=\"m\" name=\"TestPut\"/></testsuite></testsuites>".to_vec()),
        ("coverage", b"mode: set\nexample.com/m/a.go:3.10,5.2 1 1\n".to_vec()),
    ];
    for (format, content) in files {
        let answer = server.post(&format!("/v1/raw?name={format}"), &[], content).await;
        assert_eq!(answer.status, 200, "{format}: {}", answer.json());
        let answer = answer.json();
        assert_eq!(answer["format"], format, "{answer}");
        assert!(answer["accepted"].as_u64().is_some_and(|count| count >= 2), "{format}: {answer}");
    }
    assert_eq!(server.intake.counters.files.get(), 5);
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_evidence_or_too_much_of_it_is_refused() {
    let limits = Limits { decompressed: 1 << 20, lines: 20, ..Limits::default() };
    let server = Running::start(limits).await;
    let post = async |body: Vec<u8>| server.post("/v1/raw?name=f", &[], body).await;
    post(Vec::new()).await.refused(422, "is empty");
    post(b"PK\x03\x04 an archive".to_vec()).await.refused(422, "zip archive");
    post(gzip(&vec![b'\n'; 8 << 20])).await.refused(413, "decompressed");
    let many: String = (0..30).map(|_| REPORT).collect();
    post(many.into_bytes()).await.refused(413, "more than 20 records");
    let newer = json!({"schema": 99, "kind": "race"}).to_string();
    post(newer.into_bytes()).await.refused(422, "upgrade raceguard");
    server.post(&format!("/v1/raw?name={}", "x".repeat(300)), &[], CRASH).await.refused(422, "file's name");
    server.post_as(&server.read, "/v1/raw", &[], CRASH).await.refused(403, "may write");
    assert_eq!(server.records().await, 0);
    assert_eq!((server.refused(Reason::TooLarge), server.refused(Reason::NewerSchema)), (2, 1));
    server.stop().await;
}
