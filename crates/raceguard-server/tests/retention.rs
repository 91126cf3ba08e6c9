//! Old evidence goes, in steps that hold up nobody, and the room it took goes back to the disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use raceguard_server::batch::Batch;
use raceguard_server::clock::now_ms;
use raceguard_server::origin::{Origin, StreamName};
use raceguard_server::retention::Retention;
use raceguard_server::store::Store;
use tokio_util::sync::CancellationToken;

const DAY_MS: i64 = 24 * 3_600_000;

/// A batch that does not compress well.
fn batch(number: u64) -> Batch {
    let noise = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (n << 7).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let lines: Vec<String> = (0..40)
        .map(|n| {
            let words: Vec<String> =
                (0..30).map(|w| format!("{:x}", noise(number * 10_000 + n * 100 + w))).collect();
            let words = words.concat();
            format!("{{\"schema\":1,\"kind\":\"crash\",\"message\":\"fatal error: concurrent map writes\",\"noise\":\"{words}\"}}\n")
        })
        .collect();
    let stream = StreamName::new(&format!("stream {number}")).expect("it is a name");
    Batch::read(Origin::default(), stream, 0, lines.concat().into_bytes(), 1000).expect("they are records")
}

fn number(folder: &Path, sql: &str) -> u64 {
    let row = Store::read(folder, |connection| connection.row(sql, &[])).expect("it reads");
    row.expect("there is a row").get(0).expect("it is a number")
}

fn size(folder: &Path) -> u64 {
    fs::metadata(folder.join("server.db")).expect("it is there").len()
}

#[tokio::test]
async fn old_evidence_goes_while_new_evidence_comes_and_counters_stay() {
    let folder = tempfile::tempdir().expect("there is room");
    let store = Store::open(folder.path(), Vec::new()).expect("it opens");
    let now = now_ms();
    for n in 0..400 {
        let age = if n % 4 == 0 { 1 } else { 40 };
        store.writer.write(batch(n), now - age * DAY_MS).await.expect("it is written");
    }
    let writer = store.writer.clone();
    let coming = tokio::spawn(async move {
        let mut slowest = Duration::ZERO;
        for n in 1000..1060 {
            let start = Instant::now();
            writer.write(batch(n), now).await.expect("it is written");
            slowest = slowest.max(start.elapsed());
        }
        slowest
    });
    let retention = Retention { days: 30 };
    let removed = retention.remove(&store.writer, now, &CancellationToken::new()).await.expect("it works");
    let slowest = coming.await.expect("it runs");
    assert_eq!(removed.blocks, 300);
    assert!(removed.pages > 100, "{removed:?}");
    // Far above what a step takes, so that a busy machine does not fail it; far below what all of them take.
    assert!(slowest < Duration::from_secs(2), "a batch waited for {slowest:?}");
    let folder = folder.path();
    assert_eq!(number(folder, "SELECT count(*) FROM block"), 160);
    assert_eq!(number(folder, "SELECT blocks FROM total"), 160);
    assert_eq!(number(folder, "SELECT records FROM total"), 460 * 40);
    assert_eq!(number(folder, "SELECT occurrences FROM finding"), 460 * 40);
    // What is sent again is known, though its evidence is gone.
    let receipt = store.writer.write(batch(1), now).await.expect("it is written");
    assert_eq!((receipt.accepted, receipt.duplicates), (0, 40));
    let free = number(folder, "PRAGMA freelist_count");
    assert!(free < 50, "{free} pages hold nothing");
    let again = retention.remove(&store.writer, now, &CancellationToken::new()).await.expect("it works");
    assert_eq!(again.blocks, 0);
    let thread = store.thread;
    tokio::task::spawn_blocking(move || thread.stop()).await.expect("it runs").expect("it ends");
    assert!(size(folder) < 160 * 60_000, "{} bytes for 160 batches", size(folder));
}
