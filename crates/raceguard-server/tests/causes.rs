//! Root causes over HTTP, of real evidence: what the runs of the examples recorded.

mod support;

use std::time::Duration;

use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::store::Place;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};

const GATEWAY: &str = include_str!("../../raceguard-diagnosis/tests/examples/payment-gateway.jsonl");
const QUOTA: &str = include_str!("../../raceguard-diagnosis/tests/examples/margin-quota.jsonl");
const LOST_UPDATE: &str = include_str!("../../raceguard-diagnosis/tests/examples/lost-update.jsonl");

/// A server with its two tokens.
struct Fleet {
    server: Running,
    write: Token,
    admin: Token,
}

impl Fleet {
    async fn start(place: &Place) -> Self {
        let (write, admin) = (token(place, Role::Write), token(place, Role::Admin));
        Self { server: Running::start(place, Limits::default()).await, write, admin }
    }

    /// Sends lines of evidence as if they had been recorded now.
    async fn send(&self, stream: &str, service: &str, version: &str, lines: &[&str]) {
        let lines: Vec<String> = lines.iter().map(|line| now(line)).collect();
        let headers = [
            ("raceguard-stream", stream),
            ("raceguard-service", service),
            ("raceguard-version", version),
            ("raceguard-instance", "one"),
        ];
        let (status, answer) = self.server.post(&self.write, &headers, lines.join("\n")).await;
        assert_eq!((status, &answer["rejected"]), (200, &json!([])), "{answer}");
    }

    async fn get(&self, path: &str) -> Value {
        let (status, answer) = self.server.send(&self.admin, "GET", path, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Asks until the answer is as it should be: diagnosing runs beside the requests.
    async fn until(&self, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..1_200 {
            let answer = self.get(path).await;
            if expected(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{path} never becomes what it should: {}", self.get(path).await);
    }

    async fn set_state(&self, id: &Value, change: Value) -> (u16, Value) {
        self.server.send(&self.admin, "POST", &format!("/v1/causes/{id}/state"), Some(change)).await
    }
}

/// The record, with the time of now.
fn now(line: &str) -> String {
    let mut record: Value = serde_json::from_str(line).expect("it is a record");
    record["time_unix_ns"] = json!(now_ms() * 1_000_000);
    record.to_string()
}

fn causes(count: usize) -> impl Fn(&Value) -> bool {
    move |answer| answer["causes"].as_array().is_some_and(|causes| causes.len() == count)
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

async fn findings_of_one_reason_are_one_cause_whenever_they_come(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    let gateway = lines(GATEWAY);
    fleet.send("run-1", "gateway", "1.0.0", &gateway[..1]).await;
    let first = fleet.until("/v1/causes", causes(1)).await["causes"][0].clone();
    assert_eq!(
        (&first["findings"], &first["occurrences"], &first["state"]),
        (&json!(1), &json!(1), &json!("open"))
    );
    assert_eq!(first["services"], json!(["gateway"]));

    // The second race has the same write; another service shows both.
    fleet.send("run-2", "checkout", "7", &gateway).await;
    let both = fleet.until("/v1/causes", |answer| answer["causes"][0]["findings"] == 2).await;
    let cause = &both["causes"][0];
    assert_eq!((both["causes"].as_array().map(Vec::len), &cause["id"]), (Some(1), &first["id"]));
    assert_eq!((&cause["occurrences"], &cause["services"]), (&json!(3), &json!(["checkout", "gateway"])));
    assert_eq!((&cause["class"], &cause["severity"]), (&json!("shared-map"), &json!("error")));
    assert!(cause["title"].as_str().is_some_and(|title| title.contains("Reload")), "{cause}");

    // What has nothing to do with it is a cause of its own.
    fleet.send("run-3", "quota", "2.1.0", &lines(QUOTA)).await;
    let all = fleet
        .until("/v1/causes", |answer| {
            causes(2)(answer)
                && answer["causes"].as_array().is_some_and(|causes| causes.iter().any(|c| c["findings"] == 3))
        })
        .await;
    let quota =
        all["causes"].as_array().and_then(|causes| causes.iter().find(|c| c["services"] == json!(["quota"])));
    assert_eq!(quota.expect("it is there")["occurrences"], 3);
    fleet.server.stop().await;
}

async fn a_cause_tells_all_that_is_known_of_it(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    fleet.send("run-1", "gateway", "1.0.0", &lines(GATEWAY)).await;
    let list = fleet.until("/v1/causes?service=gateway", |answer| answer["causes"][0]["findings"] == 2).await;
    let cause = fleet.get(&format!("/v1/causes/{}", list["causes"][0]["id"])).await;
    assert_eq!(cause["cause"], list["causes"][0]);
    assert_eq!(cause["diagnosis"]["id"], cause["cause"]["name"]);
    assert_eq!(cause["diagnosis"]["members"].as_array().map(Vec::len), Some(2));
    assert!(cause["diagnosis"]["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty()));
    assert!(cause["diagnosis"]["advice"].as_array().is_some_and(|advice| !advice.is_empty()));
    let finding = &cause["findings"][0];
    let stacks = finding["stacks"].as_array().expect("a race has two");
    assert_eq!(stacks.len(), 2);
    assert_eq!(stacks[0]["frames"][0]["function"], "example.com/payment-gateway.(*RouteTable).Reload");
    assert_eq!(stacks[0]["action"], "map insert");
    assert!(stacks[0]["started_at"].as_array().is_some_and(|stack| !stack.is_empty()), "{finding}");
    assert_eq!(cause["hours"].as_array().map(Vec::len), Some(1));
    assert_eq!(cause["hours"][0]["occurrences"], 2);
    assert_eq!(
        (&cause["versions"][0]["version"], &cause["versions"][0]["occurrences"]),
        (&json!("1.0.0"), &json!(2))
    );
    assert_eq!(cause["instances"][0]["instance"], "one");
    let graph = &cause["goroutines"];
    let edges = graph["edges"].as_array().expect("it is a list");
    let of = |kind: &str| edges.iter().filter(|edge| edge["kind"] == kind).count();
    assert_eq!((of("races"), of("starts")), (2, 4), "{graph}");

    assert_eq!(fleet.server.send(&fleet.admin, "GET", "/v1/causes/99", None).await.0, 404);
    let services = fleet.get("/v1/services").await;
    let row = &services["services"][0];
    assert_eq!(
        (&row["service"], &row["open_causes"], &row["occurrences"]),
        (&json!("gateway"), &json!(1), &json!(2))
    );
    assert_eq!((&row["recent"], &row["slts"], &row["versions"]), (&json!(2), &json!(null), &json!(1)));
    fleet.server.stop().await;
}

async fn what_was_fixed_and_comes_back_is_regressed(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    let gateway = lines(GATEWAY);
    fleet.send("run-1", "gateway", "1.4.0", &gateway[..1]).await;
    let id = fleet.until("/v1/causes", causes(1)).await["causes"][0]["id"].clone();

    let (status, cause) = fleet.set_state(&id, json!({"state": "acknowledged", "note": "mine"})).await;
    assert_eq!(
        (status, &cause["state"], &cause["note"]),
        (200, &json!("acknowledged"), &json!("mine")),
        "{cause}"
    );
    assert_eq!(cause["changed_by"], "admin");
    let (status, cause) = fleet.set_state(&id, json!({"state": "fixed", "version": "1.5.0"})).await;
    assert_eq!((status, &cause["state"], &cause["fixed_in"]), (200, &json!("fixed"), &json!("1.5.0")));
    tokio::time::sleep(Duration::from_millis(5)).await;

    // An instance of an older version still shows it: that is no news.
    fleet.send("run-2", "gateway", "1.4.9", &gateway[..1]).await;
    fleet.until("/v1/causes", |answer| answer["causes"][0]["occurrences"] == 2).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fleet.get("/v1/causes?state=fixed").await["causes"][0]["id"], id);

    // The second race of the cause was never seen before, and comes with a later version.
    fleet.send("run-3", "gateway", "v1.10.0", &gateway[1..]).await;
    let back = fleet.until("/v1/causes?state=regressed", causes(1)).await;
    assert_eq!((&back["causes"][0]["id"], &back["causes"][0]["fixed_in"]), (&id, &json!("1.5.0")));
    let cause = fleet.get(&format!("/v1/causes/{id}")).await;
    let history: Vec<&str> = cause["history"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter_map(|event| event["state"].as_str())
        .collect();
    assert_eq!(history, ["regressed", "fixed", "acknowledged"]);
    assert_eq!(
        (&cause["history"][0]["version"], &cause["history"][0]["by"]),
        (&json!("v1.10.0"), &json!(""))
    );
    fleet.server.stop().await;
}

async fn the_same_sighting_again_regresses_without_a_new_finding(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    let race = lines(GATEWAY)[0];
    // Commits have no order of their own: the first one seen is the earlier one.
    fleet.send("run-1", "gateway", "4f0c1d2", &[race]).await;
    let id = fleet.until("/v1/causes", causes(1)).await["causes"][0]["id"].clone();
    fleet.set_state(&id, json!({"state": "fixed", "version": "9e0b7aa"})).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    fleet.send("run-2", "gateway", "4f0c1d2", &[race]).await;
    fleet.until("/v1/causes", |answer| answer["causes"][0]["occurrences"] == 2).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(fleet.get(&format!("/v1/causes/{id}")).await["cause"]["state"], "fixed");
    fleet.send("run-3", "gateway", "9e0b7aa", &[race]).await;
    fleet.until("/v1/causes?state=regressed", causes(1)).await;
    fleet.server.stop().await;
}

async fn the_worst_of_a_window_goes_first_and_pages_follow_each_other(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    fleet.send("run-1", "gateway", "1", &lines(GATEWAY)[..1]).await;
    for run in 0..3 {
        fleet.send(&format!("quota-{run}"), "quota", "1", &lines(QUOTA)).await;
    }
    fleet.send("lost", "ledger", "1", &lines(LOST_UPDATE)).await;
    let settled = |answer: &Value| {
        let causes = answer["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
        causes.iter().filter_map(|cause| cause["findings"].as_u64()).sum::<u64>() == 6
    };
    let all = fleet.until("/v1/causes?limit=1000", settled).await;
    let count = all["causes"].as_array().map_or(0, Vec::len);
    for window in ["5m", "1h", "24h", "7d"] {
        let top = fleet.get(&format!("/v1/causes?window={window}")).await;
        let causes = top["causes"].as_array().expect("it is a list");
        assert_eq!(causes.len(), count, "{window}");
        let ranks: Vec<u64> = causes.iter().filter_map(|cause| cause["rank"].as_u64()).collect();
        assert!(ranks.windows(2).all(|pair| pair[0] >= pair[1]), "{window}: {ranks:?}");
        assert_eq!(
            (&causes[0]["services"], &causes[0]["in_window"]),
            (&json!(["quota"]), &json!(9)),
            "{window}"
        );
        assert_eq!(causes[0]["rank"], 54);
    }
    let (mut path, mut seen) = ("/v1/causes?window=1h&limit=1".to_owned(), Vec::new());
    loop {
        let page = fleet.get(&path).await;
        seen.push(page["causes"][0]["id"].as_i64().expect("a page has a cause"));
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/causes?window=1h&limit=1&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), count);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), count);
    fleet.server.stop().await;
}

async fn causes_outlive_a_restart_and_live_state_comes_back(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    fleet.send("run-1", "gateway", "1.0.0", &lines(GATEWAY)).await;
    let before = fleet.until("/v1/causes", |answer| answer["causes"][0]["findings"] == 2).await;
    let Fleet { server, write, admin } = fleet;
    server.stop().await;
    let server = Running::start(scratch.place(), Limits::default()).await;
    let fleet = Fleet { server, write, admin };
    assert_eq!(fleet.get("/v1/causes").await, before);
    let maps = fleet.get("/v1/live/maps").await;
    let of = |name: &str| {
        let mut maps = maps["maps"].as_array().expect("it is a list").iter();
        maps.find(|map| map["name"] == name).expect("it is there").clone()
    };
    assert_eq!((&of("findings")["entries"], &of("causes")["entries"]), (&json!(2), &json!(1)));
    assert_eq!((&of("code")["entries"], &of("services")["entries"]), (&json!(1), &json!(1)));
    fleet.send("run-2", "gateway", "1.0.0", &lines(GATEWAY)).await;
    let maps = fleet.get("/v1/live/maps").await;
    let findings =
        maps["maps"].as_array().expect("it is a list").iter().find(|map| map["name"] == "findings");
    let calls = findings.expect("it is there")["calls"].as_array().expect("it is a list").clone();
    let gets = calls.iter().find(|calls| calls["kind"] == "get").expect("it was asked");
    assert!(gets["hits"].as_u64() >= Some(2), "{gets}");
    fleet.server.stop().await;
}

/// A race of a function with itself, on a line of its own.
fn race(number: usize) -> String {
    let access = |op: &str| {
        json!({"op": op, "goroutine": 1, "stack": [
            {"function": format!("example.com/many.F{number}"), "file": "/m/many.go", "line": number + 1}]})
    };
    json!({"schema": 1, "kind": "race", "id": format!("1-{number}"), "pid": 1,
           "accesses": [access("write"), access("read")]})
    .to_string()
}

async fn many_findings_of_a_package_are_diagnosed_in_parts(backend: Backend) {
    let scratch = Scratch::new(backend);
    let fleet = Fleet::start(scratch.place()).await;
    let races: Vec<String> = (0..500).map(race).collect();
    fleet.send("run-1", "many", "1", &races.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let all = fleet.until("/v1/causes?limit=1000", causes(500)).await;
    let mut ids: Vec<i64> = all["causes"]
        .as_array()
        .expect("it is a list")
        .iter()
        .filter(|cause| cause["findings"] == 1)
        .filter_map(|cause| cause["id"].as_i64())
        .collect();
    // One more finding of the first function is of the first cause, however many came between.
    let mut late: Value = serde_json::from_str(&race(0)).expect("it is a record");
    late["accesses"][1]["op"] = json!("write");
    fleet.send("run-2", "many", "1", &[&late.to_string()]).await;
    let again = fleet.until("/v1/causes?limit=1", |answer| answer["causes"][0]["findings"] == 2).await;
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 500);
    let first = all["causes"].as_array().and_then(|causes| {
        causes.iter().find(|cause| cause["title"].as_str().is_some_and(|title| title.ends_with("many.F0")))
    });
    assert_eq!(again["causes"][0]["id"], first.expect("it is there")["id"]);
    assert!(again["next"].is_string());
    fleet.server.stop().await;
}

async fn what_makes_no_sense_is_refused(backend: Backend) {
    let scratch = Scratch::new(backend);
    let read = token(scratch.place(), Role::Read);
    let fleet = Fleet::start(scratch.place()).await;
    fleet.send("run-1", "gateway", "1", &lines(GATEWAY)[..1]).await;
    let id = fleet.until("/v1/causes", causes(1)).await["causes"][0]["id"].clone();
    for (change, part) in [
        (json!({"state": "fixed"}), "needs the version"),
        (json!({"state": "regressed"}), "seen again"),
        (json!({"state": "open", "version": "1"}), "fixed only"),
        (json!({"state": "closed"}), "closed"),
        (json!({"state": "open", "reason": "x"}), "reason"),
    ] {
        let (status, answer) = fleet.set_state(&id, change).await;
        assert!(
            status == 422 && answer["error"].as_str().is_some_and(|e| e.contains(part)),
            "{status} {answer}"
        );
    }
    let change = Some(json!({"state": "open"}));
    let path = format!("/v1/causes/{id}/state");
    assert_eq!(fleet.server.send(&read, "POST", &path, change.clone()).await.0, 403);
    assert_eq!(fleet.server.send(&fleet.admin, "POST", "/v1/causes/77/state", change).await.0, 404);
    for query in ["state=closed", "window=2h", "cursor=x", "limit=all"] {
        let (status, answer) = fleet.server.send(&read, "GET", &format!("/v1/causes?{query}"), None).await;
        assert!(status == 400 && answer["error"].is_string(), "{query}: {status} {answer}");
    }
    assert_eq!(fleet.server.send(&fleet.write, "GET", "/v1/causes", None).await.0, 403);
    fleet.server.stop().await;
}

on_both! {
    findings_of_one_reason_are_one_cause_whenever_they_come,
    a_cause_tells_all_that_is_known_of_it,
    what_was_fixed_and_comes_back_is_regressed,
    the_same_sighting_again_regresses_without_a_new_finding,
    the_worst_of_a_window_goes_first_and_pages_follow_each_other,
    causes_outlive_a_restart_and_live_state_comes_back,
    many_findings_of_a_package_are_diagnosed_in_parts,
    what_makes_no_sense_is_refused,
}
