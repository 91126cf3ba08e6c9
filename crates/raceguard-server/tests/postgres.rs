//! What only PostgreSQL does: connections that break, other writers, texts it can't hold, evidence by day.

use std::thread;

use raceguard_server::batch::Batch;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::store::sql::postgres::PostgresDatabase;
use raceguard_server::store::sql::{Connection, Database as _, Value};
use raceguard_server::store::{Place, Store, StoreError, partitions};
use raceguard_testbed::postgres::{Server, cut_connections, fresh_address};
use serde_json::json;

const DAY_MS: i64 = 86_400_000;

fn crash(message: &str) -> String {
    json!({"schema": 1, "kind": "crash", "time_unix_ns": 0, "message": message, "goroutines": []}).to_string()
}

fn repeat(number: u64) -> String {
    json!({"schema": 1, "kind": "repeat", "race": format!("1-{number}"), "pid": 1, "time_unix_ns": 0})
        .to_string()
}

fn batch(stream: &str, first: u64, lines: &[String]) -> Batch {
    let stream = StreamName::new(stream).expect("it is a name");
    Batch::read(Origin::default(), stream, first, lines.join("\n").into_bytes(), 10_000)
        .expect("it is a batch")
}

fn open(address: &str) -> Store {
    let place = Place::Postgres(PostgresDatabase::new(address).expect("it is an address"));
    Store::open(&place, Vec::new()).expect("it opens")
}

fn count(connection: &mut dyn Connection, sql: &str) -> i64 {
    connection.row(sql, &[]).expect("it answers").expect("there is a row").get(0).expect("it is a number")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().worker_threads(2).build().expect("it starts")
}

#[test]
fn a_connection_that_broke_is_made_again() {
    let address = fresh_address();
    let store = open(&address);
    let runtime = runtime();
    let write = |first| runtime.block_on(store.writer.write(batch("s", first, &[repeat(first)]), 1));
    assert_eq!(write(0).expect("it is written").accepted, 1);
    assert_eq!(store.reader.totals().expect("it answers").records, 1);
    cut_connections(&address);
    assert_eq!(write(1).expect("it is written").accepted, 1);
    assert_eq!(store.reader.totals().expect("it answers").records, 2);
}

#[test]
fn a_transaction_that_lost_its_connection_or_a_statement_changes_nothing() {
    let address = fresh_address();
    drop(open(&address));
    let mut connection =
        PostgresDatabase::new(&address).and_then(|database| database.writing()).expect("it is there");
    let add = "INSERT INTO stream (name, first_ms, last_ms) VALUES ($1, 0, 0)";
    let lost = connection.transaction(|connection| {
        connection.execute(add, &[Value::from("lost")])?;
        cut_connections(&address);
        connection.execute(add, &[Value::from("lost too")])
    });
    assert!(matches!(lost, Err(StoreError::Unreachable(_))), "{lost:?}");
    let refused = connection.transaction(|connection| {
        connection.execute(add, &[Value::from("a")])?;
        assert!(connection.execute("INSERT INTO total VALUES (0, 0, 0, 0)", &[]).is_err());
        Ok(())
    });
    assert!(matches!(refused, Err(StoreError::Postgres(_))), "{refused:?}");
    assert_eq!(count(&mut *connection, "SELECT count(*) FROM stream"), 0);
    connection.transaction(|connection| connection.execute(add, &[Value::from("b")])).expect("it goes on");
    assert_eq!(count(&mut *connection, "SELECT count(*) FROM stream"), 1);
}

#[test]
fn many_writers_of_the_same_streams_count_each_record_once() {
    const WRITERS: usize = 4;
    const BATCHES: u64 = 25;
    let address = fresh_address();
    drop(open(&address));
    let accepted: u64 = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let address = &address;
                scope.spawn(move || {
                    let store = open(address);
                    let runtime = runtime();
                    let mut accepted = 0;
                    for number in 0..BATCHES {
                        // Each begins elsewhere, so that they meet on streams and findings in every order.
                        let turned = (number + writer as u64 * 6) % BATCHES;
                        let lines = [crash(&format!("fatal {}", turned % 7)), repeat(1), crash("fatal x")];
                        let stream = format!("stream {}", turned % 5);
                        let sent = batch(&stream, turned / 5 * 3, &lines);
                        accepted +=
                            runtime.block_on(store.writer.write(sent, 1)).expect("it is written").accepted;
                    }
                    accepted
                })
            })
            .collect();
        writers.into_iter().map(|writer| writer.join().expect("it ends")).sum()
    });
    let records = i64::try_from(BATCHES * 3).expect("it is small");
    assert_eq!(i64::try_from(accepted), Ok(records));
    let mut connection =
        PostgresDatabase::new(&address).and_then(|database| database.reading()).expect("it is there");
    assert_eq!(count(&mut *connection, "SELECT records FROM total"), records);
    assert_eq!(count(&mut *connection, "SELECT CAST(sum(records) AS BIGINT) FROM block"), records);
    let seen = "SELECT CAST(sum(occurrences) AS BIGINT) FROM finding";
    assert_eq!(count(&mut *connection, seen), records / 3 * 2);
    let sighted = "SELECT CAST(sum(occurrences) AS BIGINT) FROM sighting";
    assert_eq!(count(&mut *connection, sighted), records / 3 * 2);
}

#[test]
fn a_text_with_nul_is_kept() {
    let store = open(&fresh_address());
    let runtime = runtime();
    for first in 0..2 {
        let sent = batch("s", first, &[crash("it \0 crashed")]);
        assert_eq!(runtime.block_on(store.writer.write(sent, 1)).expect("it is written").accepted, 1);
    }
    let findings = store.reader.findings(10).expect("it answers");
    assert_eq!((findings.len(), findings[0].occurrences), (1, 2));
    assert_eq!(findings[0].title, "it \u{fffd} crashed");
}

#[test]
fn days_are_made_ahead_and_dropped_whole() {
    let address = fresh_address();
    let store = open(&address);
    let runtime = runtime();
    let mut connection =
        PostgresDatabase::new(&address).and_then(|database| database.writing()).expect("it is there");
    for _ in 0..2 {
        partitions::make_days(&mut *connection, 100 * DAY_MS + 5).expect("they are made");
    }
    for (first, day) in [(0, 99), (1, 100), (2, 101)] {
        let sent = batch("s", first, &[repeat(first)]);
        runtime.block_on(store.writer.write(sent, day * DAY_MS + 7)).expect("it is written");
    }
    let elsewhere = "SELECT count(*) FROM block_other";
    assert_eq!(count(&mut *connection, elsewhere), 1);
    assert_eq!(partitions::drop_days(&mut *connection, 102 * DAY_MS - 1).expect("they go"), 1);
    assert_eq!(count(&mut *connection, "SELECT count(*) FROM block"), 2);
    // The day of what came before its table was made stays where it is.
    partitions::make_days(&mut *connection, 99 * DAY_MS).expect("they are made");
    assert_eq!(count(&mut *connection, elsewhere), 1);
}

#[test]
fn what_is_no_address_or_answers_not_is_told() {
    let error = PostgresDatabase::new("mysql://db").expect_err("it is none").to_string();
    assert!(error.contains("postgres://"), "{error}");
    let nobody = PostgresDatabase::new("postgres://nobody@127.0.0.1:1/x").expect("it is an address");
    let error = nobody.writing().map(drop).expect_err("nobody is there").to_string();
    assert!(error.contains("cannot be reached"), "{error}");
}

#[test]
fn a_server_with_tls_shows_who_it_is_as_far_as_the_address_wants() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let server = Server::start_with_tls(&made.cert.pem(), &made.signing_key.serialize_pem());
    let folder = tempfile::tempdir().expect("there is room");
    let roots = folder.path().join("root.pem");
    std::fs::write(&roots, made.cert.pem()).expect("it is written");
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let others = folder.path().join("other.pem");
    std::fs::write(&others, other.cert.pem()).expect("it is written");
    let by_address = server.address("postgres");
    let by_name = by_address.replace("127.0.0.1", "localhost");
    let (roots, others) =
        (format!("&sslrootcert={}", roots.display()), format!("&sslrootcert={}", others.display()));
    for (address, mode, roots, expected) in [
        (&by_address, "disable", "", Ok(0)),
        (&by_address, "prefer", "", Ok(1)),
        (&by_address, "require", "", Ok(1)),
        (&by_address, "require", &*roots, Ok(1)),
        (&by_address, "verify-ca", &roots, Ok(1)),
        (&by_address, "verify-ca", &others, Err("certificate")),
        (&by_address, "verify-full", &roots, Err("certificate")),
        (&by_name, "verify-full", &roots, Ok(1)),
        (&by_name, "verify-full", &others, Err("certificate")),
        (&by_name, "verify-full", "", Err("certificate")),
    ] {
        let address = format!("{address}?sslmode={mode}{roots}");
        let database = PostgresDatabase::new(&address).expect("it is an address");
        let sql = "SELECT CAST(CASE WHEN ssl THEN 1 ELSE 0 END AS BIGINT) FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        match (database.reading(), expected) {
            (Ok(mut connection), Ok(encrypted)) => {
                assert_eq!(count(&mut *connection, sql), encrypted, "{address}");
            }
            (Err(error), Err(what)) => assert!(error.to_string().contains(what), "{address}: {error}"),
            (outcome, _) => panic!("{address}: {:?}", outcome.map(|_| "connected")),
        }
    }
    // The whole store, and a server without TLS that is asked for it.
    drop(open(&format!("{by_name}?sslmode=verify-full{roots}")));
    let plain =
        PostgresDatabase::new(&format!("{}?sslmode=require", fresh_address())).expect("it is an address");
    let refused = plain.reading().err().expect("it has no TLS");
    assert!(refused.to_string().contains("TLS"), "{refused}");
}
