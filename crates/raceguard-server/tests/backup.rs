//! Backups of a server that is being written to, and what is made of them.

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use raceguard_server::audit;
use raceguard_server::backup::{BackupError, backup, restore};
use raceguard_server::limits::Limits;
use raceguard_server::store::Store;
use raceguard_server::token::Role;
use serde_json::json;
use support::{Running, token};

fn batch(first: u64) -> String {
    let line = |n| json!({"schema": 1, "kind": "repeat", "race": format!("1-{n}"), "pid": 1}).to_string();
    (first..first + 10).map(|n| line(n) + "\n").collect()
}

#[tokio::test]
async fn a_backup_under_load_has_what_was_acknowledged_before_it() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let (write, read) = (token(&data, Role::Write), token(&data, Role::Read));
    let server = Arc::new(Running::start(&data, Limits::default()).await);
    let (done, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let sender = tokio::spawn({
        let (server, done, sent) = (Arc::clone(&server), Arc::clone(&done), Arc::clone(&sent));
        async move {
            let mut first = 0;
            while !done.load(Ordering::Relaxed) {
                let number = first.to_string();
                let headers = [("raceguard-stream", "s"), ("raceguard-sequence", number.as_str())];
                assert_eq!(server.post(&write, &headers, batch(first)).await.0, 200);
                first += 10;
                sent.store(first, Ordering::Relaxed);
            }
        }
    });
    let mut copies = Vec::new();
    for n in 0..4 {
        while sent.load(Ordering::Relaxed) < (n + 1) * 50 {
            tokio::task::yield_now().await;
        }
        let (_, before) = server.get(&read, "/v1/findings").await;
        let (from, to) = (data.clone(), folder.path().join(format!("{n}.backup")));
        let made =
            tokio::task::spawn_blocking(move || backup(&from, &to, "local:root").map(|made| (made, to)));
        let (_, file) = made.await.expect("it runs").expect("it is made");
        let (_, after) = server.get(&read, "/v1/findings").await;
        copies.push((file, before["totals"]["records"].as_u64(), after["totals"]["records"].as_u64()));
    }
    done.store(true, Ordering::Relaxed);
    sender.await.expect("it runs");
    Arc::into_inner(server).expect("nobody else has it").stop().await;
    for (n, (file, before, after)) in copies.into_iter().enumerate() {
        let made = folder.path().join(format!("restored-{n}"));
        let manifest = restore(&file, &made, "local:root").expect("it is whole");
        assert_eq!(manifest.audit_id, 3 + n as u64, "two tokens, and the backups up to this one");
        let records = records(&made);
        assert!(before <= Some(records) && Some(records) <= after, "{before:?} {records} {after:?}");
        let newest =
            Store::read(&made, |connection| audit::page(connection, manifest.audit_id, 9)).expect("it reads");
        assert_eq!((newest.len(), newest[0].act.as_str()), (1, "backup.restore"));
        // It is a data folder like any other: what was sent before is known.
        let server = Running::start(&made, Limits::default()).await;
        assert_eq!(server.get(&read, "/v1/findings").await.0, 200);
        server.stop().await;
    }
}

fn records(folder: &std::path::Path) -> u64 {
    let row = Store::read(folder, |connection| connection.row("SELECT records FROM total", &[]));
    row.expect("it reads").expect("it is there").get(0).expect("it is a number")
}

#[test]
fn what_is_damaged_is_not_restored() {
    let folder = tempfile::tempdir().expect("there is room");
    let data = folder.path().join("data");
    let file = folder.path().join("a.backup");
    assert!(matches!(backup(&data, &file, "local:root"), Err(BackupError::NoDatabase(_))));
    token(&data, Role::Write);
    backup(&data, &file, "local:root").expect("it is made");
    assert!(matches!(backup(&data, &file, "local:root"), Err(BackupError::Exists(_))));
    assert!(matches!(restore(&file, &data, "local:root"), Err(BackupError::NotEmpty(_))));

    let whole = fs::read(&file).expect("it reads");
    let damaged = folder.path().join("damaged.backup");
    let target = folder.path().join("restored");
    let mut changes: Vec<Vec<u8>> =
        [0, 10, whole.len() / 2, whole.len() - 3].map(|end| whole[..end].to_vec()).into();
    for at in [5, whole.len() / 2, whole.len() - 20] {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        changes.push(flipped);
    }
    changes.push([&whole[..], b"more"].concat());
    for (number, content) in changes.iter().take(7).enumerate() {
        fs::write(&damaged, content).expect("it is written");
        let error = restore(&damaged, &target, "local:root").expect_err(&format!("damage {number}"));
        assert!(matches!(error, BackupError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("damaged.backup"), "{error}");
        let left = fs::read_dir(&target).map_or(0, Iterator::count);
        assert_eq!(left, 0, "nothing is left behind");
    }
    restore(&file, &target, "local:root").expect("the whole one is restored, into the folder of those tries");
    assert!(fs::read_dir(folder.path()).expect("it lists").flatten().all(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        ![".part", "copying.db"].iter().any(|end| name.ends_with(end))
    }));
}
