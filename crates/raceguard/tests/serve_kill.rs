//! A server that is killed at any moment has everything that it acknowledged, once.

mod serve_support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serve_support::{Running, client, free_port, get, token};

const SENDERS: u64 = 4;
const BATCH: u64 = 20;
const KILLS: u64 = 8;

/// Sends batches one after the other, each until it is acknowledged. Returns how many were.
fn send_until(stop: &AtomicBool, acknowledged: &AtomicU64, base: &str, token: &str, sender: u64) {
    let agent = client();
    let mut first = 0;
    while !stop.load(Ordering::Relaxed) {
        let lines: Vec<_> = (first..first + BATCH)
            .map(|n| format!("{{\"schema\":1,\"kind\":\"repeat\",\"race\":\"1-{n}\",\"pid\":{sender}}}"))
            .collect();
        let answer = agent
            .post(format!("{base}/v1/evidence"))
            .header("authorization", format!("Bearer {token}"))
            .header("raceguard-stream", format!("sender {sender}"))
            .header("raceguard-sequence", first.to_string())
            .send(lines.join("\n").as_bytes());
        if answer.is_ok_and(|answer| answer.status() == 200) {
            acknowledged.fetch_add(BATCH, Ordering::Relaxed);
            first += BATCH;
        }
    }
}

fn records(base: &str, token: &str) -> u64 {
    get(base, token, "/v1/findings")["totals"]["records"].as_u64().expect("it is a number")
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once() {
    let data = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(data.path(), "write"), token(data.path(), "read"));
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut server = Running::on(data.path(), port);
    let server = thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (stop, acknowledged, base, write) = (&stop, &acknowledged, &base, &write);
            scope.spawn(move || send_until(stop, acknowledged, base, write, sender));
        }
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(40 + 37 * kill));
            drop(server);
            let before = acknowledged.load(Ordering::Relaxed);
            server = Running::on(data.path(), port);
            assert!(records(&base, &read) >= before, "an acknowledged record is gone after kill {kill}");
        }
        stop.store(true, Ordering::Relaxed);
        server
    });
    let sent = acknowledged.load(Ordering::Relaxed);
    assert!(sent > SENDERS * BATCH * KILLS, "so little got through that nothing was tested: {sent}");
    // Each sender ends with an acknowledged batch or with one that it gave up, which may have been written.
    let kept = records(&base, &read);
    assert!((sent..=sent + SENDERS * BATCH).contains(&kept), "{sent} acknowledged, {kept} kept");
    drop(server);
}
