//! `raceguard agent` with files that rotate, are truncated or compressed, profiles, refusals, and mistakes.

mod agent_support;
mod serve_support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use agent_support::{Place, append, crash, evidence, race};
use flate2::Compression;
use flate2::write::GzEncoder;

fn tail(place: &Place, pattern: &str) -> String {
    format!("[[tail]]\npaths = [\"{}/{pattern}\"]\nservice = \"pay\"\n", place.logs().display())
}

fn totals(place: &Place) -> (u64, u64) {
    let answer = place.findings().expect("it answers");
    let number = |name: &str| answer["totals"][name].as_u64().expect("it is a number");
    (number("records"), number("duplicates"))
}

fn occurrences(answer: &serde_json::Value) -> Vec<u64> {
    let findings = answer["findings"].as_array().expect("it is a list");
    findings.iter().map(|one| one["occurrences"].as_u64().expect("it is a number")).collect()
}

#[test]
fn renamed_truncated_replaced_and_compressed_files_are_read_once() {
    let place = Place::new();
    place.configure(&tail(&place, "app.log*"));
    let log = place.logs().join("app.log");
    let _server = place.server();
    let agent = place.agent(Stdio::piped());
    append(&log, &race(1));
    place.wait_for(1);
    // Renamed with something unread in it, then another file in its place.
    append(&log, &race(2));
    fs::rename(&log, place.logs().join("app.log.1")).expect("it is renamed");
    append(&log, &race(3));
    place.wait_for(3);
    // Copied, compressed and truncated, as logrotate does it.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(race(3).as_bytes()).expect("it is memory");
    fs::write(place.logs().join("app.log.2.gz"), encoder.finish().expect("it is memory"))
        .expect("it is written");
    fs::write(&log, "").expect("it is truncated");
    thread::sleep(Duration::from_millis(200));
    append(&log, &crash(4));
    place.wait_for(4);
    // Removed, and one with the same beginning made.
    fs::remove_file(&log).expect("it is removed");
    append(&log, &crash(4).replace("crash4", "crash5"));
    let answer = place.wait_for(5);
    assert_eq!(occurrences(&answer), [1; 5]);
    let (text, code) = agent.stop();
    assert!(code == Some(0) && text.contains("is compressed"), "{text}");
}

#[test]
fn a_file_that_rotates_out_of_its_pattern_while_no_agent_runs_is_read_to_its_end() {
    let place = Place::new();
    place.configure(&tail(&place, "app.log"));
    let log = place.logs().join("app.log");
    let _server = place.server();
    let agent = place.agent(Stdio::null());
    append(&log, "nothing yet\n");
    append(&log, &race(1));
    place.wait_for(1);
    drop(agent);
    append(&log, &race(2));
    fs::rename(&log, place.logs().join("app.log.1")).expect("it is renamed");
    append(&log, &race(3));
    let _agent = place.agent(Stdio::null());
    let answer = place.wait_for(3);
    assert_eq!(occurrences(&answer), [1; 3]);
}

#[test]
fn a_report_at_the_end_of_a_file_is_taken_when_nothing_follows() {
    let place = Place::new();
    place.configure(&tail(&place, "*.log"));
    let _server = place.server();
    let agent = place.agent(Stdio::piped());
    append(&place.logs().join("a.log"), race(1).trim_end_matches(['=', '\n']));
    append(&place.logs().join("b.log"), "fatal error: concurrent map writes");
    append(
        &place.logs().join("c.log"),
        &format!("{}==================\nWARNING: DATA RACE\nWrite at 0x1 by", crash(3)),
    );
    place.wait_for(3);
    let (text, _) = agent.stop();
    assert!(text.contains("3 files followed"), "{text}");
}

#[test]
fn what_the_server_refuses_for_ever_is_kept_with_the_reason_and_holds_up_nothing() {
    let place = Place::new();
    let logs = place.logs();
    place.configure(&format!(
        "[[tail]]\npaths = [\"{}/*.jsonl\"]\nformat = \"evidence\"\nservice = \"pay\"\n",
        logs.display()
    ));
    let file = logs.join("evidence.jsonl");
    append(&file, &evidence(1));
    append(&file, "{\"schema\":99,\"kind\":\"race\"}\n");
    append(&file, "no record at all\n\n");
    append(&file, &evidence(2));
    let _server = place.server();
    let agent = place.agent(Stdio::piped());
    place.wait_for(2);
    let (text, code) = agent.stop();
    assert!(code == Some(0) && text.contains("2 refused"), "{text}");
    let letters =
        fs::read_to_string(place.folder.path().join("agent/dead-letters.jsonl")).expect("it is there");
    let letters: Vec<serde_json::Value> =
        letters.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(letters.len(), 2);
    assert_eq!((letters[0]["sequence"].as_u64(), letters[1]["sequence"].as_u64()), (Some(1), Some(2)));
    assert!(
        letters[0]["status"] == 422
            && letters[0]["reason"].as_str().is_some_and(|it| it.contains("schema 99"))
    );
    assert_eq!(letters[1]["line"], "no record at all");
}

#[test]
fn evidence_that_was_pushed_is_not_counted_again() {
    let place = Place::new();
    let run = place.logs().join("20260101T000000-9");
    fs::create_dir(&run).expect("it is made");
    let file = run.join("evidence.jsonl");
    append(&file, &(evidence(1) + &evidence(2)));
    let _server = place.server();
    let pushed = Command::new(env!("CARGO_BIN_EXE_raceguard"))
        .args(["push", "--server", &place.base(), "--token", &place.write])
        .arg(&file)
        .output()
        .expect("it runs");
    assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    place.configure(&format!(
        "[[tail]]\npaths = [\"{}/**/evidence.jsonl\"]\nformat = \"evidence\"\n",
        place.logs().display()
    ));
    let agent = place.agent(Stdio::piped());
    append(&file, &evidence(3));
    place.wait_for(3);
    let (text, _) = agent.stop();
    assert!(text.contains("2 were there already"), "{text}");
    assert_eq!(totals(&place), (3, 2));
}

/// Answers each request with what `answer` makes of its number and its path.
fn http(answer: impl Fn(usize, &str) -> String + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = listener.local_addr().expect("it has one").port();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { continue };
            let mut head = vec![0; 64 << 10];
            let read = stream.read(&mut head).unwrap_or(0);
            let text = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = stream.write_all(answer(number, &path).as_bytes());
        }
    });
    port
}

#[test]
fn profiles_are_taken_within_limits() {
    let place = Place::new();
    let port = http(|_, path| {
        let body = if path.ends_with("/mutex?seconds=1") {
            "--- mutex:\ncycles/second=1000000000\nsampling period=1\n1000 5 @ 0x1\n#\t0x1\tmain.f+0x1\t/m/a.go:1\n".to_owned()
        } else if path.ends_with("/block?seconds=1") {
            "x".repeat(100_000)
        } else {
            "<html>no profile</html>".to_owned()
        };
        format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    });
    place.configure(&format!(
        "[[pprof]]\nurl = \"http://127.0.0.1:{port}\"\nprofiles = [\"mutex\", \"block\", \"heap\"]\nevery = \"200ms\"\n\
         seconds = 1\ntimeout = \"2s\"\nmax_size = \"64KiB\"\nservice = \"pay\"\n"
    ));
    let _server = place.server();
    let agent = place.agent(Stdio::piped());
    let start = Instant::now();
    // Each is a profile and a description of where it came from.
    while place.findings().is_none_or(|answer| answer["totals"]["records"].as_u64() < Some(4)) {
        assert!(start.elapsed() < Duration::from_secs(30), "no profile arrived");
        thread::sleep(Duration::from_millis(50));
    }
    let (text, code) = agent.stop();
    assert_eq!(code, Some(0));
    assert!(text.contains("larger than max_size") && text.contains("/heap?seconds=1: "), "{text}");
    assert!(text.contains("profiles taken") && text.contains("profiles failed"), "{text}");
}

#[test]
fn a_server_that_asks_for_time_gets_it() {
    let place = Place::new();
    let requests: &'static AtomicUsize = Box::leak(Box::new(AtomicUsize::new(0)));
    let port = http(|_, path| {
        if path != "/v1/evidence" {
            return "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
        }
        requests.fetch_add(1, Ordering::Relaxed);
        "HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            .to_owned()
    });
    let place = Place { port, ..place };
    place.configure(&tail(&place, "*.log"));
    append(&place.logs().join("a.log"), &race(1));
    let agent = place.agent(Stdio::piped());
    thread::sleep(Duration::from_secs(3));
    assert_eq!(requests.load(Ordering::Relaxed), 1);
    let (text, code) = agent.stop();
    // What could not be sent stays in the spool.
    assert!(
        code == Some(0) && text.contains("takes no evidence now (429") && text.contains(", 0 records sent, "),
        "{text}"
    );
}

#[test]
fn mistakes_are_told_and_end_with_2() {
    let place = Place::new();
    let agent = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_raceguard"))
            .args(["agent", "--config"])
            .arg(place.folder.path().join("agent.toml"))
            .args(arguments)
            .env_remove("RACEGUARD_TOKEN")
            .output()
            .expect("it runs");
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (text.into_owned(), output.status.code())
    };
    let (text, code) = agent(&[]);
    assert!(code == Some(2) && text.contains("agent.toml"), "{text}");
    place.configure("[[tail]]\npath = [\"/x\"]\n");
    let (text, code) = agent(&["--check"]);
    assert!(code == Some(2) && text.contains("line 9") && text.contains("`path`"), "{text}");
    place.configure(&tail(&place, "*.log"));
    let (text, code) = agent(&["--check"]);
    assert!(
        code == Some(0) && text.contains("*.log (0 files now)") && !text.contains(&place.write),
        "{text}"
    );
    let _first = place.agent(Stdio::null());
    thread::sleep(Duration::from_millis(300));
    let (text, code) = agent(&[]);
    assert!(code == Some(2) && text.contains("another raceguard agent"), "{text}");
}
