//! A server that is killed at any moment has everything that it acknowledged, once.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

const SENDERS: u64 = 4;
const BATCH: u64 = 20;
const KILLS: u64 = 8;

/// A server process, killed when dropped.
struct Server(
    Child,
    #[expect(dead_code, reason = "kept open, so that the server can write to it")] BufReader<ChildStderr>,
);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(data: &Path, port: u16) -> Server {
    let mut child = Command::new(env!("CARGO_BIN_EXE_raceguard"))
        .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
        .arg(data)
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    stderr.read_line(&mut line).expect("it says where it serves");
    assert!(line.contains("serving"), "{line}");
    Server(child, stderr)
}

fn token(data: &Path, name: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_raceguard"))
        .args(["token", "add", name, "--role", name, "--data"])
        .arg(data)
        .output()
        .expect("it runs");
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(5)))
        .build()
        .into()
}

/// Sends batches one after the other, each until it is acknowledged. Returns how many were.
fn send_until(stop: &AtomicBool, acknowledged: &AtomicU64, base: &str, token: &str, sender: u64) {
    let agent = agent();
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
    let mut answer = agent()
        .get(format!("{base}/v1/findings"))
        .header("authorization", format!("Bearer {token}"))
        .call()
        .expect("it answers");
    let text = answer.body_mut().read_to_string().expect("it is text");
    let answer: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    answer["totals"]["records"].as_u64().expect("it is a number")
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once() {
    let data = tempfile::tempdir().expect("there is room");
    let (write, read) = (token(data.path(), "write"), token(data.path(), "read"));
    // Free a moment ago; servers that are killed leave it free again.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("there is a port")
        .port();
    let base = format!("http://127.0.0.1:{port}");
    let (stop, acknowledged) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut server = start(data.path(), port);
    let server = thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (stop, acknowledged, base, write) = (&stop, &acknowledged, &base, &write);
            scope.spawn(move || send_until(stop, acknowledged, base, write, sender));
        }
        for kill in 0..KILLS {
            thread::sleep(Duration::from_millis(40 + 37 * kill));
            drop(server);
            let before = acknowledged.load(Ordering::Relaxed);
            server = start(data.path(), port);
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
