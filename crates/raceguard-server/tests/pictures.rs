//! The pictures of the dashboard in the README: evidence of the examples, as if a fleet had sent it over two days, and
//! requests that are made up. `cargo xtask picture` writes them into the folder that RACEGUARD_PICTURES names.
//! The name of the second language needs a font, such as that of Debian's fonts-wqy-microhei.

#[path = "support/browser.rs"]
mod browser;
#[path = "support/fleet.rs"]
mod fleet;
mod support;

use std::path::Path;

use browser::Browser;
use fleet::{Fleet, From, look};
use raceguard_server::clock::now_ms;
use serde_json::{Value, json};

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Lines of source around a statement.
const CONTEXT: usize = 4;

/// An example, the service that shows it, how often it was seen, and since how many hours.
const SEEN: [(&str, &str, i64, i64); 6] = [
    ("payment-gateway", "payment-gateway", 19, 46),
    ("margin-quota", "margin", 11, 30),
    ("lost-update", "statistics", 7, 40),
    ("map-iterate-write", "chat", 9, 22),
    ("map-concurrent-write", "sessions", 4, 9),
    ("once-misuse", "payment-gateway", 3, 5),
];

/// The recorded evidence of an example, with the source that belongs to its statements.
fn evidence(example: &str) -> Vec<Value> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in a folder");
    let recorded = crates.join(format!("raceguard-diagnosis/tests/examples/{example}.jsonl"));
    let text = std::fs::read_to_string(recorded).expect("it was recorded");
    let sources = crates.parent().expect("it lies in a workspace").join("examples").join(example);
    let mut records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    for access in records.iter_mut().filter_map(|record| record.get_mut("accesses")?.as_array_mut()).flatten()
    {
        for frame in access["stack"].as_array_mut().into_iter().flatten() {
            add_source(frame, &sources);
        }
    }
    records
}

fn add_source(frame: &mut Value, sources: &Path) {
    let file = frame["file"].as_str().and_then(|file| file.strip_prefix("/module/"));
    let line = frame["line"].as_u64().and_then(|line| usize::try_from(line).ok());
    let (Some(file), Some(line)) = (file, line) else { return };
    let Ok(text) = std::fs::read_to_string(sources.join(file)) else { return };
    let first = line.saturating_sub(CONTEXT).max(1);
    let lines: Vec<&str> = text.lines().skip(first - 1).take(line - first + CONTEXT + 1).collect();
    frame["source"] = json!({"first": first, "lines": lines});
}

/// Requests of the last hour; some of the gateway's ran through its race.
async fn send_requests(fleet: &Fleet, now: i64) {
    for (service, function) in [
        ("payment-gateway", "payment-gateway.(*RouteTable).Route"),
        ("margin", "margin.(*Ledger).Get"),
        ("statistics", "statistics.Read"),
        ("chat", "chat.(*Room).Members"),
        ("sessions", "sessions.(*Store).Get"),
    ] {
        let mut spans = Vec::new();
        for request in 0..1_200_i64 {
            let start = now - 59 * MINUTE_MS + request * 59 * MINUTE_MS / 1_200;
            let minutes = (now - start) / MINUTE_MS;
            let is_affected = service == "payment-gateway" && (22..34).contains(&minutes) && request % 9 == 0;
            let function = if is_affected { function } else { "net/http.(*conn).serve" };
            let operation = match request % 3 {
                0 => "POST /v1/charge",
                1 => "GET /v1/routes",
                _ => "GET /v1/status",
            };
            spans.push(json!({
                "schema": 1, "kind": "span", "service": service, "trace_id": format!("{service}{request:x}"),
                "span_id": format!("{request:x}"), "span_kind": "server",
                "name": operation,
                "start_unix_ns": start * 1_000_000, "end_unix_ns": (start + 12) * 1_000_000,
                "attributes": {"code.function.name": function},
            }));
        }
        let from = From { service, version: "1.4.2", instance: "pod-1", environment: "production" };
        fleet.push_at(&from, &spans, now).await;
    }
}

async fn fill(fleet: &Fleet, now: i64) {
    for (example, service, times, since) in SEEN {
        let records = evidence(example);
        for number in 0..times {
            // Not evenly: load has its hours.
            let spread = (number * number * 7 + number * 3) % times;
            let at = now - spread * since * HOUR_MS / times - 2 * MINUTE_MS;
            let version = if number % 3 == 0 { "1.4.1" } else { "1.4.2" };
            let instance = format!("pod-{}", 1 + number % 4);
            let environment = if number % 5 == 4 { "canary" } else { "production" };
            let from = From { service, version, instance: &instance, environment };
            let mut records = records.clone();
            for record in &mut records {
                record["id"] = json!(format!("{}-{number}", record["id"].as_str().unwrap_or_default()));
            }
            fleet.push_at(&from, &records, at).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_are_taken() {
    let folder = tempfile::tempdir().expect("there is room");
    let fleet = Fleet::empty(folder.path()).await;
    let now = now_ms();
    fill(&fleet, now).await;
    let causes = fleet.causes(5).await;
    send_requests(&fleet, now).await;
    let gateway = causes
        .iter()
        .find(|cause| cause["title"].as_str().is_some_and(|title| title.contains("Reload")))
        .expect("the gateway's race is among them");
    let cause = format!("/causes/{}", gateway["id"]);
    let target = std::env::var_os("RACEGUARD_PICTURES");
    look(|| {
        let profile = tempfile::tempdir().expect("there is room");
        let browser = Browser::start(profile.path(), 1440, 960);
        fleet.log_in(&browser, &fleet.admin);
        let pictures = [
            ("server-overview", "/?theme=light&lang=en", false),
            ("server-cause", cause.as_str(), true),
            ("server-services", "/services/payment-gateway", false),
            ("server-overview-dark", "/?theme=dark", false),
        ];
        for (name, path, is_long) in pictures {
            let height = if is_long { 1500 } else { 960 };
            let size = json!({"width": 1440, "height": height, "deviceScaleFactor": 1, "mobile": false});
            browser.call("Emulation.setDeviceMetricsOverride", size);
            browser.open(&fleet.url(path));
            browser.wait("document.querySelector('[data-live]').dataset.state === 'on'");
            let picture = browser.picture();
            assert!(picture.starts_with(b"\x89PNG") && picture.len() > 20_000, "{name}");
            assert_eq!(browser.problems(), Vec::<String>::new(), "{name}");
            if let Some(folder) = &target {
                let file = Path::new(folder).join(format!("{name}.png"));
                std::fs::write(&file, picture).expect("the folder can be written");
            }
        }
    });
    fleet.server.stop().await;
}
