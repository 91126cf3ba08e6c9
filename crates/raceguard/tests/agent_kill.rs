//! An agent that is killed at any moment, while logs grow and rotate and the server goes up and down, sends each record
//! once.

mod agent_support;
mod serve_support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use agent_support::{Place, append, crash, evidence, race};

/// Rounds of the writer; each has a race in a log that rotates, one in the file of a process, one as evidence, and
/// every fifth a crash.
const ROUNDS: usize = 200;

fn write_logs(logs: &Path) {
    let run = logs.join(".raceguard/runs/20260101T000000-9");
    fs::create_dir_all(&run).expect("it is made");
    for n in 0..ROUNDS {
        // Torn in the middle, so that agents see the halves.
        let report = race(n);
        let (start, end) = report.split_at(40 + n % 100);
        append(&logs.join("app.log"), &format!("text {n}\n{start}"));
        thread::sleep(Duration::from_millis(7));
        append(&logs.join("app.log"), end);
        append(&logs.join(format!("race.{}", 100 + n / 10)), &race(1000 + n));
        let line = evidence(n);
        let (start, end) = line.split_at(n % 50);
        append(&run.join("evidence.jsonl"), start);
        if n % 5 == 0 {
            append(&logs.join(format!("crash-{n}.txt")), crash(n).trim_end());
        }
        thread::sleep(Duration::from_millis(7));
        append(&run.join("evidence.jsonl"), end);
        if n % 25 == 24 {
            fs::rename(logs.join("app.log"), logs.join(format!("app.log.{n}"))).expect("it is renamed");
        }
    }
}

#[test]
fn each_record_arrives_once_however_often_the_agent_is_killed() {
    let place = Place::new();
    let logs = place.logs();
    let logs = logs.to_str().expect("it is text");
    place.configure(&format!(
        "[[tail]]\npaths = [\"{logs}/app.log*\", \"{logs}/race.*\", \"{logs}/crash-*\"]\nservice = \"pay\"\n\
         [[tail]]\npaths = [\"{logs}/**/evidence.jsonl\"]\nformat = \"evidence\"\nservice = \"pay\"\n"
    ));
    let done = AtomicBool::new(false);
    let (agents, servers) = thread::scope(|scope| {
        scope.spawn(|| {
            write_logs(Path::new(logs));
            done.store(true, Ordering::Relaxed);
        });
        let agents = scope.spawn(|| {
            let mut kills = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let agent = place.agent(Stdio::null());
                thread::sleep(Duration::from_millis(30 + kills * 61 % 400));
                drop(agent);
                kills += 1;
            }
            kills
        });
        let servers = scope.spawn(|| {
            let mut kills = 0_u64;
            while !done.load(Ordering::Relaxed) {
                let server = place.server();
                thread::sleep(Duration::from_millis(200 + kills * 97 % 300));
                drop(server);
                thread::sleep(Duration::from_millis(100));
                kills += 1;
            }
            kills
        });
        (agents.join().expect("it ends"), servers.join().expect("it ends"))
    });
    assert!(agents >= 10 && servers >= 4, "{agents} agents and {servers} servers were killed");
    let _server = place.server();
    let agent = place.agent(Stdio::piped());
    let expected = ROUNDS * 3 + ROUNDS / 5;
    place.wait_for(expected);
    let (text, code) = agent.stop();
    assert_eq!(code, Some(0), "{text}");
    let answer = place.findings().expect("it answers");
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for finding in answer["findings"].as_array().expect("it is a list") {
        let occurrences = finding["occurrences"].as_u64().expect("it is a number");
        // Crashes have the same title; their functions tell them apart.
        let name = format!("{} {}", finding["title"].as_str().unwrap_or_default(), finding["fingerprint"]);
        *seen.entry(name).or_default() += occurrences;
    }
    let wrong: Vec<_> = seen.iter().filter(|(_, occurrences)| **occurrences != 1).collect();
    assert!(wrong.is_empty() && seen.len() == expected, "{} of {expected}, not once: {wrong:?}", seen.len());
    assert!(text.contains("stopped;") && !text.contains("dropped") && !text.contains("vanished"), "{text}");
    assert!(!text.contains(&place.write), "the token is in the log");
}
