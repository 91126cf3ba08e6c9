//! Triggers: when they fire, exactly once, and what follows.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use raceguard_policy::facts::SightingFact;
use raceguard_server::limits::Limits;
use raceguard_server::policies::commits::Place;
use raceguard_server::policies::evaluator::{BUCKETS, Evaluator, Moment, TriggerCounts};
use raceguard_server::policies::in_force::{InForce, Release, Released};
use raceguard_server::policies::progress::Progress;
use raceguard_server::policies::set::CompiledSet;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, race, repeat, token};

mod support;

/// What happens: after a pause, a service shows something, so often.
#[derive(Debug, Clone)]
struct Happening {
    pause_ms: i64,
    service: usize,
    occurrences: u64,
    matches: bool,
}

/// What a trigger says.
#[derive(Debug, Clone)]
struct Said {
    window_s: u64,
    threshold: u64,
    cooldown_s: u64,
    grouped: bool,
}

fn text(said: &Said) -> String {
    let group = if said.grouped { "[service]" } else { "[]" };
    format!(
        "schema: 1\ntriggers:\n  - id: t\n    version: 1\n    description: d\n    when: sighting.kind == 'crash'\n    \
         window: {}s\n    threshold: {}\n    cooldown: {}s\n    group_by: {group}\n    responses: [alert]\n",
        said.window_s, said.threshold, said.cooldown_s
    )
}

/// An evaluator of a trigger whose batches up to `done` were evaluated before.
fn evaluator(said: &Said, done: i64) -> Evaluator {
    let set = CompiledSet::compile([("p".to_owned(), text(said))].into()).expect("it is a set");
    let in_force = InForce::new().expect("it is open");
    in_force
        .publish(
            Arc::new(Released { revision: 1, set: Arc::new(set), release: Release::ALL, problem: None }),
            None,
        )
        .expect("it is open");
    let mut evaluator = Evaluator::new(Arc::new(TriggerCounts::default()));
    let current = in_force.current().expect("it is open");
    let hash = current.stable().expect("it is there").set.triggers[0].hash.clone();
    let progress = Progress { since: 0, done: Place { number: done, at_ms: 0 } };
    evaluator.adopt(&current, &|_| true, &[(hash, progress)].into()).expect("it is open");
    evaluator
}

/// When the naive model fires: every sighting that matches is kept, and all are summed up each time.
fn naive(said: &Said, start_ms: i64, happenings: &[Happening]) -> Vec<(i64, String, u64)> {
    let bucket_ns = (said.window_s * 1_000_000_000).div_ceil(BUCKETS as u64);
    let bucket = |ms: i64| u64::try_from(ms).expect("it is positive") * 1_000_000 / bucket_ns;
    let (mut now, mut seen, mut fired) = (start_ms, Vec::new(), Vec::new());
    let mut still: HashMap<String, i64> = HashMap::new();
    for it in happenings {
        now += it.pause_ms;
        if !it.matches {
            continue;
        }
        let group = if said.grouped { format!("service-{}", it.service) } else { String::new() };
        seen.push((now, group.clone(), it.occurrences));
        let oldest = bucket(now).saturating_sub(BUCKETS as u64 - 1);
        let in_window = |(at, of, _): &&(i64, String, u64)| bucket(*at) >= oldest && *of == group;
        let count: u64 = seen.iter().filter(in_window).map(|(_, _, occurrences)| occurrences).sum();
        let is_still = still.get(&group).is_some_and(|until| now < *until);
        if count >= said.threshold && !is_still {
            still.insert(group.clone(), now + i64::try_from(said.cooldown_s * 1000).expect("it fits"));
            fired.push((now, group, count));
        }
    }
    fired
}

fn said() -> impl Strategy<Value = Said> {
    (1_u64..90, 1_u64..8, 1_u64..120, any::<bool>()).prop_map(|(window_s, threshold, cooldown_s, grouped)| {
        Said { window_s, threshold, cooldown_s, grouped }
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    (0_i64..15_000, 0_usize..3, 1_u64..4, prop::bool::weighted(0.8)).prop_map(
        |(pause_ms, service, occurrences, matches)| Happening { pause_ms, service, occurrences, matches },
    )
}

const START_MS: i64 = 1_790_000_000_123;

/// When the evaluator fires. After `restart` happenings another one takes over, as after a restart: it looks through the
/// window again without firing, and knows the cool-downs.
fn evaluated(said: &Said, happenings: &[Happening], restart: usize) -> Vec<(i64, String, u64)> {
    let mut evaluator = evaluator(said, 0);
    let (mut now, mut fired) = (START_MS, Vec::new());
    let mut still: Vec<(String, i64)> = Vec::new();
    let mut history: Vec<(Arc<SightingFact>, Moment)> = Vec::new();
    let hash = CompiledSet::compile([("p".to_owned(), text(said))].into()).expect("it is a set").triggers[0]
        .hash
        .clone();
    for (index, it) in happenings.iter().enumerate() {
        if index == restart {
            evaluator = self::evaluator(said, i64::try_from(restart).expect("it fits"));
            for (group, until) in &still {
                let labels =
                    said.grouped.then(|| ("service".to_owned(), group.clone())).into_iter().collect();
                evaluator.keep_still(&hash, &labels, *until);
            }
            let from = now - i64::try_from(said.window_s * 1000).expect("it fits");
            for (sighting, moment) in history.iter().filter(|(_, moment)| moment.at_ms >= from) {
                assert!(evaluator.see(sighting, *moment).expect("it is open").is_empty());
            }
        }
        now += it.pause_ms;
        let kind = if it.matches { "crash" } else { "race" };
        let sighting = Arc::new(SightingFact {
            kind: kind.to_owned(),
            service: format!("service-{}", it.service),
            occurrences: it.occurrences,
            ..SightingFact::default()
        });
        let number = i64::try_from(index).expect("it fits") + 1;
        let moment = Moment { number, at_ms: now, finding: 1 };
        history.push((Arc::clone(&sighting), moment));
        for firing in evaluator.see(&sighting, moment).expect("it is open") {
            let group = firing.group.first().cloned().unwrap_or_default();
            still.push((group.clone(), firing.until_ms));
            fired.push((firing.moment.at_ms, group, firing.count));
        }
    }
    fired
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn windows_thresholds_and_cool_downs_are_those_of_a_naive_model(
        said in said(),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        prop_assert_eq!(evaluated(&said, &happenings, usize::MAX), naive(&said, START_MS, &happenings));
    }

    #[test]
    fn a_restart_changes_nothing(
        said in said(),
        happenings in prop::collection::vec(happening(), 1..60),
        restart in 0_usize..60,
    ) {
        prop_assert_eq!(evaluated(&said, &happenings, restart), naive(&said, START_MS, &happenings));
    }

    /// Whatever is sent as policies, it is a set or it is refused.
    #[test]
    fn any_text_is_a_set_or_refused(text in "(schema: 1\n|triggers:\n|  - id: [a-z]|    when: \\PC{0,20}\n|[-:{}\\[\\]&*#|> ]|\\PC){0,30}") {
        let _ = CompiledSet::compile([("p".to_owned(), text)].into());
    }

    /// Whatever a condition that is accepted says, evaluating it ends soon.
    #[test]
    fn any_condition_ends_soon(parts in prop::collection::vec(prop::sample::select(vec![
        "sighting.tests.exists(a, ", "sighting.tests.all(b, ", "a == b", "sighting.kind == 'race'", " && ", " || ", "(", ")",
        "sighting.tests.map(c, c + c)", ".size() > 3", "sighting.message.matches('(a+)+$')", "!", "true", "['a', 'b'].exists(d, ",
        "size(sighting.message) % 7 == 0", "sighting.tests[31] == 'x'", " ? ", " : ",
    ]), 1..14)) {
        let condition = parts.concat().replace('\'', "''");
        let text = format!("schema: 1\ntriggers:\n  - id: t\n    version: 1\n    description: d\n    when: '{condition}'\n    \
                            window: 1m\n    responses: [alert]\n");
        if let Ok(set) = CompiledSet::compile([("p".to_owned(), text)].into()) {
            let sighting = SightingFact {
                message: "a".repeat(2_000),
                tests: (0..32).map(|number| format!("example.com/m.Test{number}")).collect(),
                ..SightingFact::default()
            };
            let took = || {
                let started = Instant::now();
                let prepared = raceguard_policy::trigger::Prepared::of(&sighting);
                let _ = set.triggers[0].matches(&prepared);
                started.elapsed()
            };
            // On a busy machine any one time may be that of somebody else.
            let least = (0..5).map(|_| took()).find(|took| *took < Duration::from_secs(2));
            prop_assert!(least.is_some(), "{condition} takes {:?}", took());
        }
    }
}

/// Waits until an answer is as wanted.
async fn until(server: &Running, token: &Token, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let started = Instant::now();
    loop {
        let (_, answer) = server.send(token, "GET", path, None).await;
        if wanted(&answer) {
            return answer;
        }
        assert!(started.elapsed() < Duration::from_mins(1), "{path} stays {answer}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn rows(answer: &Value) -> usize {
    answer.as_array().map_or(0, Vec::len)
}

async fn put(server: &Running, admin: &Token, text: &str) {
    let (status, answer) = server.send(admin, "PUT", "/v1/policies/p", Some(json!({ "text": text }))).await;
    assert_eq!(status, 200, "{answer}");
}

/// A small queue is full all the time, so that most of it is read from the stored blocks.
async fn what_the_queue_left_out_and_restarts_are_evaluated_once(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, write) = (token(place, Role::Admin), token(place, Role::Write));
    let limits = Limits { policy_queue: 1, ..Limits::default() };
    let mut server = Running::start(place, limits).await;
    // Fires once for each service, when it showed 12 races, and then not for an hour.
    put(&server, &admin, "schema: 1\ntriggers:\n  - id: many\n    version: 1\n    description: many races\n    \
        when: sighting.kind == 'race'\n    window: 1h\n    threshold: 12\n    group_by: [service]\n    responses: [alert, ticket]\n")
        .await;
    for part in 0..6 {
        let sending = (0..40).map(|number| {
            let (server, write) = (&server, &write);
            async move {
                let (service, stream) = (format!("service-{}", number % 20), format!("{part}-{number}"));
                let headers =
                    [("raceguard-stream", stream.as_str()), ("raceguard-service", service.as_str())];
                let batch = [race("1-1", "m.Put"), repeat("1-1")].join("\n");
                assert_eq!(server.post(write, &headers, batch).await.0, 200);
            }
        });
        for one in sending {
            one.await;
        }
        server.stop().await;
        server = Running::start(place, limits).await;
    }
    let total = 6 * 40;
    until(&server, &admin, "/v1/policies", |it| it["stream"]["block"] == total).await;
    let firings = until(&server, &admin, "/v1/firings", |it| rows(it) >= 20).await;
    assert_eq!(rows(&firings), 20, "{firings}");
    for firing in firings.as_array().into_iter().flatten() {
        // Two races in a batch, two batches in a part: the third part brings the twelfth.
        assert_eq!(firing["count"], 12, "{firing}");
    }
    let (_, tickets) = server.send(&admin, "GET", "/v1/tickets", None).await;
    assert_eq!(rows(&tickets), 20);
    assert!(tickets[0]["body"].as_str().is_some_and(|body| body.contains("service-")), "{tickets}");
    let alerts = until(&server, &admin, "/v1/alerts", |it| rows(it) == 20).await;
    assert_eq!(alerts[0]["firings"], 1, "{alerts}");
    server.stop().await;
}

/// Takes one document over HTTP, after it refused one.
fn webhook() -> (String, std::thread::JoinHandle<Vec<Value>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/hook", listener.local_addr().expect("it has one"));
    let taken = std::thread::spawn(move || {
        let mut documents = Vec::new();
        for status in ["503 Service Unavailable", "200 OK"] {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut request = Vec::new();
            let body = loop {
                let mut part = [0; 4096];
                let length = stream.read(&mut part).expect("it can be read");
                request.extend_from_slice(&part[..length]);
                let text = String::from_utf8_lossy(&request).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let wanted = head.to_lowercase().lines().find_map(|line| {
                    line.strip_prefix("content-length:").and_then(|it| it.trim().parse::<usize>().ok())
                });
                if wanted.is_some_and(|wanted| body.len() >= wanted) {
                    break body.to_owned();
                }
            };
            documents.push(serde_json::from_str(&body).expect("it is JSON"));
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).expect("it is there");
        }
        documents
    });
    (url, taken)
}

/// A canary of the service pay.
const CANARY: [(&str, &str); 5] = [
    ("raceguard-stream", "s"),
    ("raceguard-service", "pay"),
    ("raceguard-version", "1.4.2"),
    ("raceguard-instance", "pay-0"),
    ("raceguard-environment", "canary"),
];

async fn a_firing_is_told_and_blocks_sets_aside_and_looks_closer(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (admin, write) = (token(place, Role::Admin), token(place, Role::Write));
    let server = Running::start(place, Limits::default()).await;
    let (url, hook) = webhook();
    let text = format!(
        "schema: 1\ntriggers:\n  - id: bad-canary\n    version: 1\n    description: a canary races\n    \
         when: sighting.kind == 'race' && sighting.environment == 'canary'\n    window: 5m\n    \
         group_by: [service, version, instance, environment]\n    responses:\n      - alert: {{priority: P1}}\n      \
         - webhook: {{url: '{url}'}}\n      - ticket: {{title: Look at the canary, labels: [race], assignee: ada}}\n      \
         - block-build: {{reason: it races}}\n      - quarantine: {{what: instance, for: 1h}}\n      \
         - raise-sampling: {{rate: 0.5, for: 1h, max_overhead: 0.05}}\n"
    );
    put(&server, &admin, &text).await;
    assert_eq!(server.post(&write, &CANARY, race("1-1", "m.Put")).await.0, 200);
    let build = until(&server, &admin, "/v1/builds/pay/1.4.2", |it| it["blocked"] == true).await;
    assert_eq!((&build["reason"], &build["blocked_by"]), (&json!("it races"), &json!("trigger bad-canary")));
    let (_, other) = server.send(&admin, "GET", "/v1/builds/pay/1.4.3", None).await;
    assert_eq!(other["blocked"], false);
    let (_, told) = server.send(&write, "GET", "/v1/agent/instructions?service=pay", None).await;
    assert_eq!(
        (&told["sampling"][0]["rate"], &told["sampling"][0]["environment"]),
        (&json!(0.5), &json!("canary"))
    );
    assert_eq!(
        (&told["quarantine"][0]["kind"], &told["quarantine"][0]["name"]),
        (&json!("instance"), &json!("pay-0"))
    );
    instructions_are_for_canaries(&server, &write).await;
    let (_, tickets) = server.send(&admin, "GET", "/v1/tickets", None).await;
    assert_eq!(
        (&tickets[0]["title"], &tickets[0]["labels"]),
        (&json!("Look at the canary"), &json!(["race"]))
    );
    let alerts = until(&server, &admin, "/v1/alerts", |it| rows(it) == 1).await;
    assert_eq!(
        (&alerts[0]["severity"], &alerts[0]["labels"]["service"]),
        (&json!("P1"), &json!("pay")),
        "{alerts}"
    );

    what_costs_too_much_is_lowered(&server, &write).await;

    let (status, _) = server.send(&admin, "DELETE", "/v1/builds/pay/1.4.2", None).await;
    assert_eq!(status, 204);
    let (_, build) = server.send(&admin, "GET", "/v1/builds/pay/1.4.2", None).await;
    assert_eq!(build["blocked"], false);
    let documents =
        tokio::task::spawn_blocking(move || hook.join().expect("it ends")).await.expect("it runs");
    assert_eq!(documents[0], documents[1], "what was refused is sent again as it was");
    assert_eq!(
        (&documents[1]["kind"], &documents[1]["group"]["service"]),
        (&json!("trigger_fired"), &json!("pay"))
    );
    server.stop().await;
}

async fn instructions_are_for_canaries(server: &Running, write: &Token) {
    let several = "/v1/agent/instructions?service=web&service=pay&environment=production&environment=canary";
    let (_, told) = server.send(write, "GET", several, None).await;
    assert_eq!((rows(&told["sampling"]), rows(&told["quarantine"])), (1, 1), "{told}");
    let elsewhere = "/v1/agent/instructions?service=pay&environment=production";
    let (_, told) = server.send(write, "GET", elsewhere, None).await;
    assert_eq!(told["sampling"], json!([]), "only canaries are looked at more closely");
    let (_, others) = server.send(write, "GET", "/v1/agent/instructions?service=web", None).await;
    assert_eq!((&others["sampling"], &others["quarantine"]), (&json!([]), &json!([])));
}

async fn what_costs_too_much_is_lowered(server: &Running, write: &Token) {
    // It costs too much, so it is lowered, and not where it costs little.
    let overhead = async |share: f64| {
        let body = json!({"service": "pay", "environment": "canary", "overhead": share});
        server.send(write, "POST", "/v1/agent/overhead", Some(body)).await
    };
    assert_eq!(overhead(0.01).await.1["lowered"], json!([]));
    assert_eq!(overhead(0.2).await.1["lowered"][0]["rate"], 0.25);
    let (_, told) = server.send(write, "GET", "/v1/agent/instructions?service=pay", None).await;
    assert_eq!(told["sampling"][0]["rate"], 0.25);
    for _ in 0..20 {
        overhead(0.2).await;
    }
    let (_, told) = server.send(write, "GET", "/v1/agent/instructions?service=pay", None).await;
    assert_eq!(told["sampling"], json!([]), "a rate that stays too dear is taken back");
    assert_eq!(overhead(-1.0).await.0, 422);
}

on_both! {
    what_the_queue_left_out_and_restarts_are_evaluated_once,
    a_firing_is_told_and_blocks_sets_aside_and_looks_closer,
}
