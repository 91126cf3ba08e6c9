//! Disks that are full, writes that are torn, databases that are damaged or old: what was acknowledged is there, once.

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use raceguard_server::batch::Batch;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::store::{Store, StoreError, Totals};
use raceguard_server::token::Role;
use support::token;

fn batch(first: u64) -> Batch {
    let lines: Vec<String> = (first..first + 50)
        .map(|n| {
            let noise = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!(
                "{{\"schema\":1,\"kind\":\"repeat\",\"race\":\"{noise:x}\",\"pid\":1,\"noise\":\"{:x}\"}}\n",
                noise.rotate_left(17)
            )
        })
        .collect();
    let stream = StreamName::new("s").expect("it is a name");
    Batch::read(Origin::default(), stream, first, lines.concat().into_bytes(), 1000)
        .expect("they are records")
}

fn totals(folder: &Path) -> Totals {
    let store = Store::open(folder, Vec::new()).expect("it opens");
    store.reader.totals().expect("it reads")
}

fn blocks(folder: &Path) -> u64 {
    let sum = "SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM block";
    let row = Store::read(folder, |connection| connection.row(sum, &[])).expect("it reads");
    row.expect("there is a row").get(0).expect("it is a number")
}

#[tokio::test]
async fn a_full_disk_refuses_what_it_can_not_keep_and_keeps_what_it_said_it_has() {
    let folder = tempfile::tempdir().expect("there is room");
    let store = Store::open(folder.path(), Vec::new()).expect("it opens");
    // SQLite answers a full disk and a full file in the same way.
    let limit = |pages: u64| {
        move |connection: &mut (dyn raceguard_server::store::sql::Connection + 'static)| {
            connection.run_script(&format!("PRAGMA max_page_count = {pages}"))
        }
    };
    let row = store.reader.ask(|connection| connection.row("PRAGMA page_count", &[])).expect("it answers");
    let pages: u64 = row.expect("there is a row").get(0).expect("it is a number");
    store.writer.change(limit(pages + 40)).await.expect("it is set");
    let (mut acknowledged, mut refused) = (0, 0);
    for n in 0..400 {
        match store.writer.write(batch(n * 50), 1).await {
            Ok(receipt) => {
                assert_eq!((receipt.accepted, receipt.duplicates), (50, 0));
                acknowledged += 50;
            }
            Err(StoreError::NotWritten { reason }) => {
                assert!(reason.contains("full"), "{reason}");
                refused += 1;
            }
            Err(error) => panic!("{error}"),
        }
        if refused == 3 {
            break;
        }
    }
    assert!(acknowledged > 500 && refused == 3, "{acknowledged} acknowledged, {refused} refused");
    assert_eq!(
        store.reader.totals().expect("it answers").records,
        acknowledged,
        "questions are answered meanwhile"
    );
    // There is room again: those that were refused are sent again, and one that was not.
    store.writer.change(limit(100_000)).await.expect("it is set");
    for n in 0..(acknowledged / 50 + 3) {
        store.writer.write(batch(n * 50), 2).await.expect("there is room");
    }
    let kept = store.reader.totals().expect("it answers").records;
    assert_eq!(kept, acknowledged + 150);
    assert_eq!(blocks(folder.path()), kept);
}

/// Bytes of the log that are in use; the file is longer. Each page of 4 KiB has a head of 24 bytes, the log one of 32.
fn log_length(folder: &Path) -> u64 {
    let asked = Store::read(folder, |connection| connection.row("PRAGMA wal_checkpoint(NOOP)", &[]));
    let pages: u64 = asked.expect("it answers").expect("there is a row").get(1).expect("it is a number");
    32 + pages * (4096 + 24)
}

#[tokio::test]
async fn a_torn_write_takes_with_it_only_what_was_not_acknowledged() {
    let folder = tempfile::tempdir().expect("there is room");
    let live = folder.path().join("live");
    let store = Store::open(&live, Vec::new()).expect("it opens");
    let log = live.join("server.db-wal");
    // How long the log was when as many records were acknowledged.
    let mut acknowledged = Vec::new();
    for n in 0..20 {
        store.writer.write(batch(n * 50), 1).await.expect("it is written");
        acknowledged.push((log_length(&live), (n + 1) * 50));
    }
    let (whole, database) =
        (fs::read(&log).expect("it reads"), fs::read(live.join("server.db")).expect("it reads"));
    let end = usize::try_from(acknowledged[19].0).expect("it is small");
    for step in 0..60 {
        // As a power failure leaves it: cut off somewhere, with or without rubbish behind.
        let cut = end * step / 59;
        let copy = folder.path().join(format!("copy-{step}"));
        fs::create_dir(&copy).expect("it is made");
        fs::write(copy.join("server.db"), &database).expect("it is written");
        fs::write(copy.join("server.db-wal"), &whole[..cut]).expect("it is written");
        if step % 2 == 0 {
            let mut torn =
                OpenOptions::new().append(true).open(copy.join("server.db-wal")).expect("it opens");
            torn.write_all(&[0xa5; 5000]).expect("it is written");
        }
        let durable = acknowledged
            .iter()
            .filter(|(length, _)| *length <= cut as u64)
            .map(|(_, records)| *records)
            .next_back();
        let kept = totals(&copy).records;
        assert!(
            kept >= durable.unwrap_or(0) && kept.is_multiple_of(50),
            "cut at {cut}: {kept} of {durable:?}"
        );
        assert_eq!(blocks(&copy), kept, "what is told is what is kept");
    }
}

#[test]
fn a_damaged_database_is_refused_with_the_way_to_restore_it() {
    let folder = tempfile::tempdir().expect("there is room");
    token(folder.path(), Role::Write);
    let database = folder.path().join("server.db");
    let whole = fs::read(&database).expect("it reads");
    for damage in ["no database at all".repeat(1000).into_bytes(), [&[0; 16], &whole[16..]].concat()] {
        fs::write(&database, damage).expect("it is written");
        let error = Store::open(folder.path(), Vec::new()).expect_err("it is damaged").to_string();
        assert!(error.contains("is damaged") && error.contains("raceguard restore"), "{error}");
    }
}

#[tokio::test]
async fn a_database_of_the_first_format_is_brought_forward() {
    let folder = tempfile::tempdir().expect("there is room");
    let database = rusqlite::Connection::open(folder.path().join("server.db")).expect("it opens");
    database.execute_batch(include_str!("fixtures/format-1.sql")).expect("it is a database");
    drop(database);
    let token = raceguard_server::token::Token::of_header("Bearer rgt_fixture").expect("it is a token");
    let store = Store::open(folder.path(), Vec::new()).expect("it opens");
    let holder = store.reader.holder(&token.hash()).expect("it answers").expect("it is known");
    assert_eq!((holder.name.as_str(), holder.role), ("ci", Role::Write));
    assert_eq!(store.reader.totals().expect("it answers"), Totals { records: 3, duplicates: 1, findings: 1 });
    assert_eq!(store.reader.findings(9).expect("it answers")[0].occurrences, 2);
    // What was received in the old format is known in the new one: numbers 0 to 2 of the stream.
    let text = b"{\"schema\":1,\"kind\":\"repeat\",\"race\":\"1-1\",\"pid\":1}\n".repeat(4);
    let stream = StreamName::new("run-7").expect("it is a name");
    let again = Batch::read(Origin::default(), stream, 0, text, 10).expect("they are records");
    let receipt = store.writer.write(again, 1).await.expect("it is written");
    assert_eq!((receipt.accepted, receipt.duplicates), (1, 3));
    assert_eq!(store.reader.findings(9).expect("it answers")[0].occurrences, 3);
}
