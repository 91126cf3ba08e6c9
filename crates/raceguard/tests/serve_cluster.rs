//! Three replicas over three NATS servers and PostgreSQL: a NATS server and a replica are killed under load, and what was
//! acknowledged is there, once. And what people do with messages that no replica could write.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use raceguard_testbed::{nats, postgres, process};
use serde_json::{Value, json};

const REPLICAS: usize = 3;
const SENDERS: usize = 6;
/// Lines of a batch: crashes that count for the sender's finding, then repeats that count for nothing.
const CRASHES: u64 = 5;
const REPEATS: u64 = 15;
/// Under load before, between and after the kills.
const PHASE: Duration = Duration::from_secs(4);
/// Between two batches of a sender, so that the queue does not outgrow what a busy machine can write.
const PAUSE: Duration = Duration::from_millis(10);
/// What a killed replica had in work comes again within half a minute; without anything new for longer, it is lost.
const STANDSTILL: Duration = Duration::from_secs(90);

struct Replica {
    process: Child,
    base: String,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn raceguard(database: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_raceguard"));
    command.env("RACEGUARD_DATABASE", database);
    command
}

fn start(database: &str, cluster: &str) -> Replica {
    let address = format!("127.0.0.1:{}", process::free_port());
    let process = raceguard(database)
        .args(["serve", "--queue-size", "256", "--listen", &address, "--cluster", cluster])
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    Replica { process, base: format!("http://{address}") }
}

/// Publishes messages as any client of NATS does, and waits until the server has read them.
fn publish(nats: &nats::Nats, subject: &str, messages: &[&str]) {
    let addresses = nats.addresses();
    let mut stream = TcpStream::connect(addresses.trim_start_matches("nats://")).expect("it listens");
    let mut answers = BufReader::new(stream.try_clone().expect("it is open")).lines();
    let mut lines = "CONNECT {\"verbose\":false}\r\n".to_owned();
    for message in messages {
        lines += &format!("PUB {subject} {}\r\n{message}\r\n", message.len());
    }
    stream.write_all((lines + "PING\r\n").as_bytes()).expect("it reads");
    assert!(answers.any(|line| line.expect("it answers") == "PONG"), "it ends without an answer");
}

fn token(database: &str, role: &str) -> String {
    let output = raceguard(database).args(["token", "add", role, "--role", role]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it is text").trim().to_owned()
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_global(Some(Duration::from_secs(15))).build().into()
}

fn wait_until(what: &str, within: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        thread::sleep(Duration::from_millis(200));
    }
}

fn is_ready(base: &str) -> bool {
    agent().get(format!("{base}/readyz")).call().is_ok_and(|answer| answer.status() == 200)
}

fn body(sender: usize) -> String {
    let message = format!("fatal error of {}", ["one", "two", "three", "four", "five", "six"][sender]);
    let crash =
        json!({"schema": 1, "kind": "crash", "time_unix_ns": 0, "message": message, "goroutines": []});
    let repeat = json!({"schema": 1, "kind": "repeat", "race": "1-1", "pid": sender, "time_unix_ns": 0});
    let lines = (0..CRASHES).map(|_| crash.to_string()).chain((0..REPEATS).map(|_| repeat.to_string()));
    lines.collect::<Vec<_>>().join("\n")
}

/// Sends batches, each until one of the replicas acknowledged it. Gives how many were.
fn send_until(stop: &AtomicBool, bases: &[String], token: &str, sender: usize) -> u64 {
    let (agent, body) = (agent(), body(sender));
    let (mut batches, mut at) = (0, sender);
    loop {
        let answer = agent
            .post(format!("{}/v1/evidence", bases[at % bases.len()]))
            .header("authorization", format!("Bearer {token}"))
            .header("raceguard-stream", format!("sender {sender}"))
            .header("raceguard-sequence", (batches * (CRASHES + REPEATS)).to_string())
            .send(body.as_bytes());
        if answer.is_ok_and(|answer| answer.status() == 200) {
            batches += 1;
            thread::sleep(PAUSE);
            // The last batch is sent until it is acknowledged too, so that what is expected is exact.
            if stop.load(Ordering::Relaxed) {
                return batches;
            }
        } else {
            at += 1;
            thread::sleep(Duration::from_millis(50));
        }
    }
}

fn findings(base: &str, token: &str) -> Option<Value> {
    let request =
        agent().get(format!("{base}/v1/findings")).header("authorization", format!("Bearer {token}"));
    let text = request.call().ok()?.body_mut().read_to_string().ok()?;
    serde_json::from_str(&text).ok()
}

/// Waits until the server has counted `expected` records, for as long as their number grows.
fn wait_for_records(base: &str, token: &str, expected: u64) {
    let (mut counted, mut grew) = (0, Instant::now());
    while counted < expected {
        assert!(grew.elapsed() < STANDSTILL, "{counted} of {expected} acknowledged records are written");
        thread::sleep(Duration::from_millis(200));
        let now = findings(base, token).and_then(|answer| answer["totals"]["records"].as_u64());
        if let Some(now) = now.filter(|now| *now > counted) {
            (counted, grew) = (now, Instant::now());
        }
    }
}

#[test]
fn what_was_acknowledged_survives_a_nats_server_and_a_replica() {
    let (mut nats, database) = (nats::Nats::start(3), postgres::fresh_address());
    let (write, read) = (token(&database, "write"), token(&database, "read"));
    let mut replicas: Vec<_> = (0..REPLICAS).map(|_| start(&database, &nats.addresses())).collect();
    for replica in &replicas {
        wait_until("a replica is ready", Duration::from_mins(1), || is_ready(&replica.base));
    }
    let bases: Vec<_> = replicas.iter().map(|replica| replica.base.clone()).collect();
    let stop = AtomicBool::new(false);
    let sent: Vec<u64> = thread::scope(|scope| {
        let (stop, bases, write) = (&stop, &bases, &write);
        let senders: Vec<_> =
            (0..SENDERS).map(|sender| scope.spawn(move || send_until(stop, bases, write, sender))).collect();
        thread::sleep(PHASE);
        nats.kill(0);
        thread::sleep(PHASE);
        replicas.remove(1);
        thread::sleep(PHASE);
        nats.restart(0);
        thread::sleep(PHASE);
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().expect("it ends")).collect()
    });
    let batches: u64 = sent.iter().sum();
    println!("{batches} batches acknowledged, of each sender {sent:?}");
    assert!(
        sent.iter().all(|batches| *batches > 10),
        "so little got through that nothing was tested: {sent:?}"
    );
    let expected = batches * (CRASHES + REPEATS);
    let base = &replicas[0].base;
    wait_for_records(base, &read, expected);
    // Nothing more comes.
    thread::sleep(Duration::from_secs(3));
    let answer = findings(base, &read).expect("it answers");
    assert_eq!(answer["totals"]["records"], expected);
    let counted: BTreeMap<String, u64> = answer["findings"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|finding| {
            (finding["title"].to_string(), finding["occurrences"].as_u64().expect("it is a number"))
        })
        .collect();
    let mut counted: Vec<u64> = counted.into_values().collect();
    let mut crashes: Vec<u64> = sent.iter().map(|batches| batches * CRASHES).collect();
    counted.sort_unstable();
    crashes.sort_unstable();
    assert_eq!(counted, crashes, "each crash counts once, for its finding");
}

#[test]
fn messages_that_were_set_aside_are_listed_and_put_back_with_a_command() {
    let (nats, database) = (nats::Nats::start(1), postgres::fresh_address());
    let (read, admin) = (token(&database, "read"), token(&database, "admin"));
    let replica = start(&database, &nats.addresses());
    wait_until("the replica is ready", Duration::from_mins(1), || is_ready(&replica.base));
    let queue = |what: &str, token: &str| {
        let mut command = raceguard(&database);
        let output = command.args(["queue", what, "--server", &replica.base, "--token", token]).output();
        let output = output.expect("it runs");
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("it is text");
        (output.status.code(), said)
    };
    assert_eq!(queue("list", &admin), (Some(0), "nothing is set aside\n".to_owned()));
    let none = "0 messages are in the queue again, 0 are set aside\n";
    assert_eq!(queue("replay", &admin), (Some(0), none.to_owned()));
    let (code, said) = queue("list", &read);
    assert!(code == Some(2) && said.contains("403"), "{said}");

    publish(&nats, "raceguard.evidence.3", &["no message of ours", "nor this one"]);
    let both = || queue("list", &admin).1.lines().count() == 2;
    wait_until("both are set aside", Duration::from_mins(1), both);
    let (code, said) = queue("list", &admin);
    let first = said.lines().next().unwrap_or_default();
    assert!(
        code == Some(1) && first.trim_start().starts_with("1 20") && first.contains(" partition 3 "),
        "{said}"
    );
    assert!(said.contains("18 bytes  ") && said.contains("12 bytes  "), "{said}");

    // They still are no messages of ours, so they come back, with numbers of their own.
    let (_, said) = queue("replay", &admin);
    assert!(said.starts_with("2 messages are in the queue again"), "{said}");
    let numbers = || -> Vec<String> {
        let said = queue("list", &admin).1;
        said.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    wait_until("both are back", Duration::from_mins(1), || numbers() == ["3", "4"]);
}
