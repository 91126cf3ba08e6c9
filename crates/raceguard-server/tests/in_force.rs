//! From the request to being in force, while evidence comes in. It stands alone, so that no other test takes the processors
//! meanwhile, and prints the distribution.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use raceguard_server::limits::Limits;
use raceguard_server::token::{Role, Token};
use serde_json::json;
use support::{Backend, Running, Scratch, race, token};

const CHANGES: usize = 200;

/// Within which 99 of 100 changes are to be in force.
const LIMIT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_set_is_in_force_within_a_second_under_load() {
    // One after the other: each has the machine to itself.
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let scratch = Scratch::new(backend);
        let (admin, write) = (token(scratch.place(), Role::Admin), token(scratch.place(), Role::Write));
        let server = Running::start(scratch.place(), Limits::default()).await;
        let done = AtomicBool::new(false);
        let (sent, mut times) = tokio::join!(load(&server, &write, &done), changes(&server, &admin, &done));
        times.sort();
        let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1];
        println!(
            "{backend:?}: from save to in force p50 {:?}, p90 {:?}, p99 {:?}, longest {:?} of {CHANGES}, \
             while {sent} batches of 50 races came in",
            at(50),
            at(90),
            at(99),
            at(100)
        );
        assert!(at(99) < LIMIT, "{backend:?}: {times:?}");
        server.stop().await;
    }
}

async fn load(server: &Running, write: &Token, done: &AtomicBool) -> u64 {
    let mut sent = 0_u64;
    while !done.load(Ordering::Relaxed) {
        let lines: Vec<String> =
            (0..50).map(|line| race(&format!("{sent}-{line}"), &format!("m.F{line}"))).collect();
        let stream = format!("load-{sent}");
        let headers = [("raceguard-stream", stream.as_str()), ("raceguard-service", "load")];
        server.post(write, &headers, lines.join("\n")).await;
        sent += 1;
    }
    sent
}

async fn changes(server: &Running, admin: &Token, done: &AtomicBool) -> Vec<Duration> {
    let mut times = Vec::new();
    for number in 1..=CHANGES {
        let text = format!(
            "schema: 1\ntriggers:\n  - id: races\n    version: 1\n    description: races of a service\n    \
             when: sighting.kind == 'race'\n    window: 5m\n    threshold: {number}\n    group_by: [service]\n    \
             responses: [alert]\n"
        );
        let started = Instant::now();
        let (status, answer) =
            server.send(admin, "PUT", "/v1/policies/races", Some(json!({ "text": text }))).await;
        assert_eq!(status, 200, "{answer}");
        let (_, seen) = server.send(admin, "GET", "/v1/policies", None).await;
        assert_eq!(seen["revision"], answer["revision"]["number"], "what was answered is in force");
        times.push(started.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    times
}
