//! Bad input over the network: each kind is refused or mended with a clear error and a counter, and nothing of it is kept.

mod intake_support;
mod support;

use std::io::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use intake_support::{Running, race};
use raceguard_server::intake::Reason;
use raceguard_server::limits::Limits;
use raceguard_server::token::Token;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

#[tokio::test]
async fn lines_that_are_no_records_are_told_and_the_others_taken() {
    let server = Running::start(Limits::default()).await;
    let deep = format!("{{\"schema\":1,\"kind\":\"note\",\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let wide = format!("{{\"schema\":1,\"kind\":\"note\",\"a\":[{}0]}}", "0,".repeat(600_000));
    let half_a_pair = race("1-2", "m.Put").replace("m.Put", "\\ud800");
    let body =
        ["{", "[]", "7", "{\"schema\":1}", &deep, &wide, &half_a_pair, &race("1-1", "m.Put")].join("\n");
    let answer = server.post("/v1/evidence", &[], body).await;
    let answer = answer.json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"].as_array().map(Vec::len)),
        (&json!(1), &Some(7)),
        "{answer}"
    );
    for (at, part) in [(0, "EOF"), (1, "invalid"), (3, "no kind"), (4, "recursion"), (5, "500000 values")] {
        let reason = answer["rejected"][at]["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(part), "{answer}");
    }
    assert_eq!(server.intake.counters.rejected_lines.get(), 7);
    server.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_however_small_it_was_made() {
    let limits = Limits { body: 100_000, decompressed: 1 << 20, lines: 10, ..Limits::default() };
    let server = Running::start(limits).await;
    let post = async |headers: &[(&'static str, &str)], body: Vec<u8>| {
        server.post("/v1/evidence", headers, body).await
    };
    post(&[], vec![b' '; 100_001]).await.refused(413, "larger than 100000 bytes");
    post(&[("content-encoding", "gzip")], gzip(&vec![b' '; 2 << 20])).await.refused(413, "decompressed");
    let bomb = zstd::encode_all(vec![b' '; 8 << 20].as_slice(), 19).expect("it compresses");
    post(&[("content-encoding", "zstd")], bomb).await.refused(413, "decompressed");
    post(&[], vec![b'\n'; 20]).await.refused(413, "10 lines");
    // Without a length that was announced the body is counted as it comes.
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let head = format!(
        "POST /v1/evidence HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
        server.write.reveal()
    );
    stream.write_all(head.as_bytes()).await.expect("it takes the head");
    let chunk = [b"4000\r\n".as_slice(), &[b' '; 0x4000], b"\r\n"].concat();
    for _ in 0..8 {
        // It may refuse before it has all of it.
        let _ = stream.write_all(&chunk).await;
    }
    assert!(first_line(&mut stream).await.contains("413"));
    assert_eq!((server.refused(Reason::TooLarge), server.records().await), (5, 0));
    server.stop().await;
}

async fn first_line(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_mins(1), stream.read(&mut answer)).await;
    let read = read.expect("it answers in time").unwrap_or(0);
    String::from_utf8_lossy(&answer[..read]).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_what_is_wrong_with_it() {
    let server = Running::start(Limits::default()).await;
    let post = async |headers: &[(&'static str, &str)], body: &str| {
        server.post("/v1/evidence", headers, body.to_owned()).await
    };
    post(&[], &json!({"schema": 2, "kind": "race"}).to_string()).await.refused(422, "upgrade raceguard");
    post(&[("raceguard-sequence", "many")], "").await.refused(422, "no number");
    post(&[("raceguard-sequence", "18446744073709551615")], "").await.refused(422, "too large");
    post(&[("raceguard-service", &"s".repeat(201))], "").await.refused(422, "201 bytes");
    post(&[("raceguard-stream", "")], "x").await.refused(422, "the stream's name");
    post(&[("content-encoding", "br")], "").await.refused(415, "send identity, gzip or zstd");
    post(&[("content-encoding", "gzip")], "no gzip").await.refused(400, "does not decompress");
    let stranger = Token::of_header("Bearer rgt_0000").expect("it is a token");
    for path in ["/v1/evidence", "/v1/raw", "/v1/traces", "/v1/metrics", "/v1/logs"] {
        server.post_as(&stranger, path, &[], "x").await.refused(401, "unknown or was revoked");
        server.post_as(&server.read, path, &[], "x").await.refused(403, "may write");
    }
    let counts = [Reason::NewerSchema, Reason::Header, Reason::Encoding, Reason::Token];
    assert_eq!(counts.map(|reason| server.refused(reason)), [1, 4, 2, 10]);
    assert_eq!(server.records().await, 0);
    server.stop().await;
}

#[tokio::test]
async fn times_that_can_not_be_are_mended_and_counted() {
    let server = Running::start(Limits::default()).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    let ns = |time: Duration| u64::try_from(time.as_nanos()).expect("it fits");
    let at = |id: &str, function: &str, time: u64| {
        race(id, function).replace("1700000000000000000", &time.to_string())
    };
    let body = [
        at("1-1", "m.Future", ns(now + Duration::from_hours(240))),
        at("1-2", "m.Ahead", ns(now + Duration::from_secs(5))),
        at("1-3", "m.Old", 1_000_000_000),
        at("1-4", "m.Unknown", 0),
        at("1-5", "m.Usual", ns(now) - 3_600_000_000_000),
    ];
    assert_eq!(server.post("/v1/evidence", &[], body.join("\n")).await.json()["accepted"], 5);
    let counters = &server.intake.counters;
    assert_eq!((counters.future_times.get(), counters.past_times.get()), (1, 1));
    let findings = server.findings().await;
    let seen = |function: &str| {
        let all = findings["findings"].as_array().expect("it is a list");
        let finding = all.iter().find(|finding| finding["title"].to_string().contains(function));
        Duration::from_millis(finding.and_then(|finding| finding["last_ms"].as_u64()).expect("it is there"))
    };
    let later = now + Duration::from_mins(1);
    for function in ["m.Future", "m.Ahead", "m.Unknown"] {
        let seen = seen(function);
        assert!(now.saturating_sub(Duration::from_secs(1)) < seen && seen < later, "{function}: {findings}");
    }
    let year = Duration::from_hours(24 * 366);
    assert!(seen("m.Old") + year + Duration::from_mins(1) > now, "{findings}");
    assert_eq!(seen("m.Usual").as_secs() + 3600, now.as_secs());
    server.stop().await;
}

#[tokio::test]
async fn batches_that_are_replayed_count_once() {
    let server = Running::start(Limits::default()).await;
    let body: String = (0..50).map(|number| race(&format!("1-{number}"), "m.Put") + "\n").collect();
    for headers in [vec![("raceguard-stream", "s")], vec![]] {
        for _ in 0..5 {
            assert_eq!(server.post("/v1/evidence", &headers, body.clone()).await.status, 200);
        }
    }
    let counters = &server.intake.counters;
    assert_eq!((counters.accepted.get(), counters.duplicates.get()), (100, 400));
    assert_eq!(server.records().await, 100);
    server.stop().await;
}

#[tokio::test]
async fn clients_that_say_nothing_or_little_make_room_for_others() {
    let limits = Limits {
        head_time: Duration::from_millis(500),
        body_time: Duration::from_millis(500),
        connections: 4,
        ..Limits::default()
    };
    let server = Running::start(limits).await;
    let mut silent = Vec::new();
    for address in [server.address, server.grpc] {
        for _ in 0..4 {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            if silent.len() % 2 == 0 && address == server.address {
                stream.write_all(b"POST /v1/evidence HTTP/1.1\r\nhost: x\r\n").await.expect("it takes that");
            }
            silent.push(stream);
        }
    }
    let answer = server.post("/v1/evidence", &[], race("1-1", "m.Put")).await;
    assert_eq!(answer.status, 200, "there is room once the silent ones are gone");
    for mut stream in silent {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        ended.expect("the connection is closed").expect("in order");
    }
    // A body that never ends is given up.
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    let head = format!(
        "POST /v1/evidence HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: 1000\r\n\r\n{{",
        server.write.reveal()
    );
    stream.write_all(head.as_bytes()).await.expect("it takes that");
    assert!(first_line(&mut stream).await.contains("408"));
    // One that breaks off is forgotten.
    let mut stream = TcpStream::connect(server.address).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("it takes that");
    drop(stream);
    for _ in 0..100 {
        if server.refused(Reason::Broken) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((server.refused(Reason::Slow), server.refused(Reason::Broken)), (1, 1));
    server.stop().await;
}
