//! Requests that are nearly right: whatever byte of them is changed, the server answers, soon, and with a status that says
//! whose fault it is.

mod intake_support;
mod support;

use std::path::Path;
use std::time::Duration;

use intake_support::{CRASH, REPORT, Running, race};
use raceguard_server::intake::Reason;
use raceguard_server::limits::Limits;
use serde_json::json;

/// Requests of each kind.
const ROUNDS: usize = 400;

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).expect("it fits") % limit.max(1)
    }
}

/// The content with a few bytes replaced, removed, repeated or cut off.
fn mutated(content: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut content = content.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(content.len());
        let length = numbers.below(16).min(content.len() - at);
        match numbers.below(6) {
            0 => content[at] = u8::try_from(numbers.below(256)).expect("it fits"),
            1 => content[at] ^= 1 << numbers.below(8),
            2 => drop(content.drain(at..at + length)),
            3 => content.truncate(at + 1),
            4 => {
                let part = content[at..at + length].to_vec();
                content.splice(at..at, part.repeat(1 + numbers.below(50)));
            }
            _ => {
                content.insert(at, *b"{}[],:\"\\\n\x00\xff\x7f".get(numbers.below(12)).expect("it is below"));
            }
        }
        if content.is_empty() {
            content.push(b'x');
        }
    }
    content
}

fn otlp(name: &str) -> Vec<u8> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../raceguard-evidence/tests/foreign_binary/otlp");
    std::fs::read(folder.join(name)).expect("it is there")
}

fn logs() -> Vec<u8> {
    let record = |text: &str| json!({"timeUnixNano": "1", "body": {"stringValue": text}});
    json!({"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"logRecords": [record(REPORT), record(CRASH)]}]}]})
        .to_string()
        .into_bytes()
}

fn metrics() -> Vec<u8> {
    let point = json!({"timeUnixNano": "1", "asInt": "3", "attributes": [{"key": "a", "value": {"boolValue": true}}]});
    let metric = json!({"name": "go.goroutine.count", "unit": "1", "gauge": {"dataPoints": [point]}});
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).to_string().into_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mutation_of_a_request_is_answered() {
    let limits = Limits {
        body: 1 << 20,
        decompressed: 4 << 20,
        body_time: Duration::from_secs(5),
        ..Limits::default()
    };
    let server = Running::start(limits).await;
    let json_lines = otlp("lines.json");
    let document = json_lines.split(|byte| *byte == b'\n').next().expect("it has a line").to_vec();
    let evidence = [race("1-1", "m.Put"), race("1-2", "m.Get")].join("\n").into_bytes();
    let log = format!("start\n{REPORT}\n{CRASH}").into_bytes();
    let gzipped = zstd::encode_all(log.as_slice(), 3).expect("it compresses");
    let (protobuf, json) = ("application/x-protobuf", "application/json");
    let requests: [(&str, &str, &str, Vec<u8>); 10] = [
        ("/v1/traces", protobuf, "", otlp("sent.pb")),
        ("/v1/logs", protobuf, "", otlp("sent.pb")),
        ("/v1/metrics", protobuf, "", otlp("sent.pb")),
        ("/v1/traces", json, "", document),
        ("/v1/logs", json, "", logs()),
        ("/v1/metrics", json, "", metrics()),
        ("/v1/raw?name=a", "", "", log),
        ("/v1/raw?name=b", "", "", otlp("framed.pb")),
        ("/v1/raw?name=c", "", "zstd", gzipped),
        ("/v1/evidence", "", "", evidence),
    ];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut taken, mut refused) = (0, 0);
    for (path, content_type, encoding, content) in requests {
        for round in 0..ROUNDS {
            let body = if round == 0 { content.clone() } else { mutated(&content, &mut numbers) };
            let headers = [("content-type", content_type), ("content-encoding", encoding)];
            let sent = server.post(path, &headers, body.clone());
            let answer = tokio::time::timeout(Duration::from_secs(20), sent).await;
            let answer = answer.unwrap_or_else(|_| panic!("{path}: no answer to {body:?}"));
            match answer.status {
                200 => taken += 1,
                400 | 413 | 422 if round > 0 => refused += 1,
                status => panic!("{path}: {status} {} to {body:?}", String::from_utf8_lossy(&answer.body)),
            }
        }
    }
    assert!(taken > ROUNDS && refused > ROUNDS, "{taken} taken, {refused} refused");
    assert_eq!((server.refused(Reason::Fault), server.refused(Reason::Slow)), (0, 0));
    server.stop().await;
}
