//! A server that is killed at any moment has everything that it acknowledged, once, and diagnoses all of it.

mod serve_support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
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

/// New findings in a batch, each with a function of its own.
const NEW: u64 = 6;

/// Sends batches of new findings of a package, each until it is acknowledged, the last one too. Gives how many were.
fn send_new_until(stop: &AtomicBool, base: &str, token: &str, sender: u64) -> u64 {
    let (agent, mut batches) = (client(), 0);
    loop {
        let race = |n: u64| {
            let access = |op: &str| {
                let function = format!("example.com/shop/part{sender}.Put{n}");
                json!({"op": op, "size": 8, "goroutine": 1, "stack": [{"function": function, "file": "p.go", "line": 3}]})
            };
            json!({"schema": 1, "kind": "race", "id": format!("1-{n}"), "pid": 1, "address": "0x1", "size": 8,
                   "object": null, "accesses": [access("write"), access("read")], "goroutines": []})
            .to_string()
        };
        let lines: Vec<_> = (batches * NEW..(batches + 1) * NEW).map(race).collect();
        let answer = agent
            .post(format!("{base}/v1/evidence"))
            .header("authorization", format!("Bearer {token}"))
            .header("raceguard-stream", format!("sender {sender}"))
            .header("raceguard-sequence", (batches * NEW).to_string())
            .header("raceguard-service", "shop")
            .send(lines.join("\n").as_bytes());
        if answer.is_ok_and(|answer| answer.status() == 200) {
            batches += 1;
            if stop.load(Ordering::Relaxed) {
                return batches;
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Findings and occurrences of all causes together.
fn of_causes(base: &str, token: &str) -> (u64, u64) {
    let (mut findings, mut occurrences, mut cursor) = (0, 0, String::new());
    loop {
        let page = get(base, token, &format!("/v1/causes?limit=100{cursor}"));
        for cause in page["causes"].as_array().into_iter().flatten() {
            findings += cause["findings"].as_u64().expect("it is a number");
            occurrences += cause["occurrences"].as_u64().expect("it is a number");
        }
        match &page["next"] {
            Value::Null => return (findings, occurrences),
            next => cursor = format!("&cursor={}", next.as_str().expect("it is a text")),
        }
    }
}

#[test]
fn new_findings_are_diagnosed_once_whenever_the_server_is_killed() {
    let data = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(data.path(), "write"), token(data.path(), "read"));
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    let stop = AtomicBool::new(false);
    let mut server = Running::on(data.path(), port);
    let (server, batches) = thread::scope(|scope| {
        let senders = [0, 1].map(|sender| {
            let (stop, base, write) = (&stop, &base, &write);
            scope.spawn(move || send_new_until(stop, base, write, sender))
        });
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(150 + 41 * kill));
            drop(server);
            server = Running::on(data.path(), port);
        }
        stop.store(true, Ordering::Relaxed);
        (server, senders.map(|sender| sender.join().expect("it ends")).iter().sum::<u64>())
    });
    assert!(batches > KILLS, "so little got through that nothing was tested: {batches}");
    let started = Instant::now();
    while of_causes(&base, &read).0 < batches * NEW {
        assert!(
            started.elapsed() < Duration::from_mins(2),
            "{:?} of {batches} batches",
            of_causes(&base, &read)
        );
        thread::sleep(Duration::from_millis(200));
    }
    let totals = get(&base, &read, "/v1/findings")["totals"].clone();
    assert_eq!((&totals["findings"], &totals["records"]), (&json!(batches * NEW), &json!(batches * NEW)));
    assert_eq!(of_causes(&base, &read), (batches * NEW, batches * NEW), "each counts once, for one cause");
    drop(server);
}
