//! The collector over HTTP: what is acknowledged is kept, once, and everything else is told why not.

mod support;

use raceguard_server::limits::Limits;
use raceguard_server::server::{Options, Server};
use raceguard_server::store::Store;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Running, race, repeat, token};

#[tokio::test]
async fn a_batch_sent_twice_counts_once_even_over_a_restart() {
    let folder = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(folder.path(), Role::Write), token(folder.path(), Role::Read));
    let batch = [race("1-1", "m.Put"), repeat("1-1"), "no record".to_owned(), repeat("1-1")].join("\n");
    let headers = [("raceguard-stream", "run-7"), ("raceguard-service", "gateway")];

    let server = Running::start(folder.path(), Limits::default()).await;
    let (status, answer) = server.post(&write, &headers, batch.clone()).await;
    assert_eq!((status, &answer["accepted"], &answer["duplicates"]), (200, &json!(3), &json!(0)), "{answer}");
    assert_eq!(answer["rejected"][0]["line"], 3);
    server.stop().await;

    let server = Running::start(folder.path(), Limits::default()).await;
    let (_, answer) = server.post(&write, &headers, batch).await;
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(0), &json!(3)));
    // Of an overlapping batch only what is new counts.
    let overlapping = [repeat("1-1"), repeat("1-1")].join("\n");
    let (_, answer) = server.post(&write, &[headers[0], ("raceguard-sequence", "3")], overlapping).await;
    assert_eq!((&answer["accepted"], &answer["duplicates"]), (&json!(1), &json!(1)));

    let (status, answer) = server.get(&read, "/v1/findings").await;
    assert_eq!((status, &answer["totals"]["records"]), (200, &json!(4)), "{answer}");
    assert_eq!(answer["findings"][0]["occurrences"], 4);
    assert_eq!(answer["findings"][0]["title"], "write in m.Put against read in m.Put");
    server.stop().await;
}

#[tokio::test]
async fn repeats_that_come_before_their_race_are_counted_with_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(folder.path(), Role::Write), token(folder.path(), Role::Read));
    let server = Running::start(folder.path(), Limits::default()).await;
    let late = [("raceguard-stream", "s"), ("raceguard-sequence", "1")];
    server.post(&write, &late, [repeat("1-1"), repeat("1-1")].join("\n")).await;
    let (_, answer) = server.get(&read, "/v1/findings").await;
    assert_eq!(answer["findings"], json!([]));
    server.post(&write, &[("raceguard-stream", "s")], race("1-1", "m.Put")).await;
    let (_, answer) = server.get(&read, "/v1/findings").await;
    assert_eq!(answer["findings"][0]["occurrences"], 3);
    server.stop().await;
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let folder = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(folder.path(), Role::Write), token(folder.path(), Role::Read));
    let limits = Limits { body: 4096, decompressed: 8192, lines: 10, ..Limits::default() };
    let server = Running::start(folder.path(), limits).await;
    let refused = |(status, answer): (u16, Value), expected: u16, part: &str| {
        assert_eq!(status, expected, "{answer}");
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(part)), "{answer}");
    };
    refused(server.post(&read, &[], race("1-1", "m.Put")).await, 403, "needs one that may write");
    let again =
        Store::add_token(folder.path(), "write", Role::Read, 1).expect_err("the name is taken").to_string();
    assert!(again.contains("another name"), "{again}");
    refused(server.get(&write, "/v1/findings").await, 403, "may write");
    let stranger = Token::of_header("Bearer rgt_00").expect("it is a token");
    refused(server.post(&stranger, &[], race("1-1", "m.Put")).await, 401, "unknown");
    refused(server.get(&read, "/v1/nothing").await, 404, "/v1/nothing");
    refused(server.get(&read, "/v1/evidence").await, 405, "GET");
    refused(server.get(&read, "/v1/findings?limit=all").await, 400, "limit");
    refused(server.post(&write, &[("content-encoding", "br")], "x").await, 415, "gzip");
    refused(server.post(&write, &[("content-encoding", "gzip")], "x").await, 400, "decompress");
    refused(
        server.post(&write, &[("raceguard-sequence", "-1")], race("1-1", "m.Put")).await,
        422,
        "no number",
    );
    refused(server.post(&write, &[], vec![b'\n'; 100]).await, 413, "10 lines");
    let newer = json!({"schema": 99, "kind": "race"}).to_string();
    refused(server.post(&write, &[], newer).await, 422, "upgrade raceguard");
    let bomb = zstd::encode_all(vec![b' '; 1 << 20].as_slice(), 19).expect("it compresses");
    refused(server.post(&write, &[("content-encoding", "zstd")], bomb).await, 413, "decompressed");
    let (status, _) = server.post(&write, &[], vec![b' '; 5000]).await;
    assert_eq!(status, 413);
    let (_, answer) = server.get(&read, "/v1/findings").await;
    assert_eq!(answer["totals"]["records"], 0);
    server.stop().await;
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let server = Running::start(folder.path(), Limits::default()).await;
    let listen = "127.0.0.1:0".parse().expect("it is an address");
    let second = Server::start(Options::new(folder.path().to_owned(), listen)).await;
    let error = second.expect_err("it is in use").to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
    server.stop().await;
    Running::start(folder.path(), Limits::default()).await.stop().await;
}

#[tokio::test]
async fn a_database_that_is_none_or_newer_is_refused() {
    let folder = tempfile::tempdir().expect("there is room");
    let database = folder.path().join("server.db");
    std::fs::write(&database, "evidence").expect("it can be written");
    let error = Store::open(folder.path(), Vec::new()).expect_err("it is no database").to_string();
    assert!(error.contains("restore"), "{error}");
    std::fs::remove_file(&database).expect("it is there");
    drop(Store::open(folder.path(), Vec::new()).expect("it is new"));
    let newer = rusqlite::Connection::open(&database).expect("it is one");
    newer.execute("UPDATE format SET number = 99 WHERE part = 'collector'", []).expect("it can be written");
    drop(newer);
    let error = Store::open(folder.path(), Vec::new()).expect_err("it is newer").to_string();
    assert!(error.contains("format 99") && error.contains("upgrade"), "{error}");
}
