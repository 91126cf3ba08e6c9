//! Root-cause bundles: made when an error budget is exhausted, linked from the alert, kept until retention removes them.

mod support;

use std::time::Duration;

use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::retention::Retention;
use raceguard_server::slts::WINDOW_MS;
use raceguard_server::store::{Place, Store};
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};
use tokio_util::sync::CancellationToken;

const GATEWAY: &str = include_str!("../../raceguard-diagnosis/tests/examples/payment-gateway.jsonl");

const RACY: &str = "example.com/payment-gateway.(*RouteTable).HealthCheck";

on_both!(an_exhausted_budget_leaves_a_bundle_that_tells_why);

async fn wait(server: &Running, token: &Token, path: &str, expected: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..400 {
        let (_, answer) = server.send(token, "GET", path, None).await;
        if expected(&answer) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{path}: {}", server.send(token, "GET", path, None).await.1);
}

/// A request to a function, named so that it has to be escaped.
fn request(number: u64) -> String {
    json!({"schema": 1, "kind": "span", "service": "gateway", "trace_id": format!("{number:032x}"), "span_id": "1",
        "name": "POST /pay?a=<b>", "span_kind": "server", "start_unix_ns": (now_ms() - WINDOW_MS) * 1_000_000,
        "attributes": {"code.function.name": RACY}})
    .to_string()
}

fn profile() -> String {
    json!({"schema": 1, "kind": "profile", "profile": "block", "time_unix_ns": now_ms() * 1_000_000,
        "duration_ns": 10_000_000_000_u64, "symbolised": true,
        "sample_types": [{"type": "contentions", "unit": "count"}, {"type": "delay", "unit": "nanoseconds"}],
        "frames": [{"function": "sync.(*Mutex).Lock", "file": "/go/src/sync/mutex.go", "line": 45},
                   {"function": "example.com/m.(*Store).Put", "file": "/m/store.go", "line": 20}],
        "samples": [{"stack": [0, 1], "values": [3, 90_000_000]}]})
    .to_string()
}

/// The bundle of an alert for the service, as soon as there is one.
async fn linked(server: &Running, read: &Token) -> String {
    let of = |alerts: &Value| {
        let all = alerts.as_array().cloned().unwrap_or_default();
        let budget = all
            .into_iter()
            .find(|alert| alert["labels"]["alert"] == "budget" && alert["labels"]["service"] == "gateway");
        budget.and_then(|alert| alert["link"].as_str().map(str::to_owned))
    };
    let alerts = wait(server, read, "/v1/alerts", |alerts| of(alerts).is_some()).await;
    of(&alerts).expect("it is there")
}

async fn an_exhausted_budget_leaves_a_bundle_that_tells_why(backend: Backend) {
    let scratch = Scratch::new(backend);
    let place = scratch.place();
    let (write, read, admin) =
        (token(place, Role::Write), token(place, Role::Read), token(place, Role::Admin));
    let server = Running::start(place, Limits::default()).await;
    let headers = |stream| {
        [("raceguard-stream", stream), ("raceguard-service", "gateway"), ("raceguard-instance", "a")]
    };
    server.post(&write, &headers("race"), GATEWAY).await;
    wait(&server, &read, "/v1/live/maps", |maps| {
        let maps = maps["maps"].as_array().cloned().unwrap_or_default();
        maps.iter().any(|map| map["name"] == "code" && map["entries"] == 1)
    })
    .await;
    let evidence: Vec<String> = (1..5).map(request).chain([profile()]).collect();
    let (status, answer) = server.post(&write, &headers("spans"), evidence.join("\n")).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(5)), "{answer}");

    let link = linked(&server, &read).await;
    let path = format!("/v1{link}");
    let (status, page) = server.send(&read, "GET", &path, None).await;
    assert_eq!(status, 200);
    let page = page.as_str().expect("it is a page").to_owned();
    it_tells_why(&page);
    assert_eq!(server.send(&write, "GET", &path, None).await.0, 403);
    assert_eq!(server.send(&read, "GET", "/v1/bundles/999", None).await.0, 404);
    assert_eq!(server.send(&read, "POST", "/v1/bundles", Some(json!({}))).await.0, 403);
    // The budget of the whole fleet is exhausted with that of its only service.
    let count = |all: &Value, service: &str| {
        all.as_array().map_or(0, |all| all.iter().filter(|row| row["service"] == service).count())
    };
    let before = wait(&server, &read, "/v1/bundles", |all| count(all, "(fleet)") > 0).await;
    assert_eq!((count(&before, "gateway"), count(&before, "(fleet)")), (1, 1), "{before}");
    server.stop().await;

    // What was told before a restart is not told again.
    let server = Running::start(place, Limits::default()).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let (_, after) = server.send(&read, "GET", "/v1/bundles", None).await;
    assert_eq!(after, before);
    let (status, made) =
        server.send(&admin, "POST", "/v1/bundles", Some(json!({"service": "gateway"}))).await;
    assert_eq!(status, 201, "{made}");
    let (_, again) = server.send(&read, "GET", &format!("/v1/bundles/{}", made["bundle"]), None).await;
    assert!(again.as_str().is_some_and(|page| page.contains("Root causes of gateway")));
    let unknown = server.send(&admin, "POST", "/v1/bundles", Some(json!({"service": "nobody"}))).await;
    assert_eq!(unknown.0, 404);
    server.stop().await;
    they_go_with_the_days_that_are_kept(place.clone()).await;
}

async fn they_go_with_the_days_that_are_kept(place: Place) {
    let store = tokio::task::spawn_blocking(move || Store::open(place, Vec::new())).await;
    let store = store.expect("it runs").expect("it opens");
    let stop = CancellationToken::new();
    let in_days = |days: i64| now_ms() + days * 86_400_000;
    let kept = async || {
        let reader = store.reader.clone();
        tokio::task::spawn_blocking(move || reader.bundles(10))
            .await
            .expect("it runs")
            .expect("it answers")
            .len()
    };
    Retention { days: 30 }.remove(&store.writer, in_days(29), &stop).await.expect("it is written");
    assert!(kept().await >= 2);
    Retention { days: 30 }.remove(&store.writer, in_days(31), &stop).await.expect("it is written");
    assert_eq!(kept().await, 0);
}

fn it_tells_why(page: &str) {
    assert!(page.contains("aria-label=\"graph of goroutines\"") && page.contains("class=\"races\""));
    assert!(page.contains("aria-label=\"flame graph: waits suffered (block profile)\""));
    assert!(page.contains("RouteTable") && page.contains(RACY.split('.').next_back().expect("it has one")));
    assert!(!page.contains("?a=<b>"), "a name of a stranger is a tag");
    for elsewhere in ["src=", "href=", "@import", "url("] {
        assert!(!page.contains(elsewhere), "it needs another file: {elsewhere}");
    }
    let (_, data) = page.split_once("<script type=\"application/json\" id=\"bundle\">").expect("it is there");
    let (data, _) = data.split_once("</script>").expect("it ends");
    let bundle: Value = serde_json::from_str(data).expect("it is JSON");
    assert_eq!((&bundle["service"], &bundle["slo"]["budget"]["bad"]), (&json!("gateway"), &json!(1)));
    assert_eq!(bundle["causes"][0]["cause"]["class"], "shared-map");
    assert_eq!(bundle["flames"][0]["wait_ns"], 90_000_000);
    assert_eq!(bundle["spans"].as_array().map(Vec::len), Some(4), "{}", bundle["spans"]);
    assert_eq!(bundle["spans"][0]["record"]["name"], "POST /pay?a=<b>");
    assert_eq!(bundle["complete"], true);
}
