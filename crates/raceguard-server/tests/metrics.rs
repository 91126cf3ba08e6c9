//! What Prometheus reads, and what is shipped for it: alert rules and a dashboard.
//!
//! Needs promtool on PATH; without it the test of the rules fails.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::metrics::definitions::METRICS;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};
use support::{Backend, Running, Scratch, token};

const GATEWAY: &str = include_str!("../../raceguard-diagnosis/tests/examples/payment-gateway.jsonl");

fn deploy(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy").join(path)
}

/// The samples of a page, by name and labels.
fn samples(page: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    page.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

async fn page(server: &Running, token: &Token) -> String {
    let (status, page) = server.send(token, "GET", "/metrics", None).await;
    assert_eq!(status, 200, "{page}");
    page.as_str().expect("it is a text").to_owned()
}

async fn until(server: &Running, token: &Token, sample: &str, value: f64) -> BTreeMap<String, f64> {
    for _ in 0..1_200 {
        let samples = samples(&page(server, token).await);
        if samples.get(sample).is_some_and(|found| (found - value).abs() < 1e-9) {
            return samples;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{sample} never becomes {value}:\n{}", page(server, token).await);
}

async fn numbers_follow_the_evidence(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let admin = token(scratch.place(), Role::Admin);
    let server = Running::start(scratch.place(), Limits::default()).await;
    let headers = [
        ("raceguard-stream", "run-1"),
        ("raceguard-service", "gateway"),
        ("raceguard-version", "1.4"),
        ("raceguard-instance", "a"),
    ];
    let run = json!({"schema": 1, "kind": "run", "id": "r", "mode": "test", "module": "example.com/payment-gateway"});
    let crash = json!({"schema": 1, "kind": "crash", "message": "fatal error: concurrent map writes",
        "goroutines": [{"id": 1, "state": "running", "stack": [
            {"function": "example.com/payment-gateway.(*RouteTable).Reload", "file": "/m/routes.go", "line": 3}]}]});
    let span = json!({"schema": 1, "kind": "span", "service": "gateway", "span_kind": "server", "name": "GET /",
        "start_unix_ns": (now_ms() - 300_000) * 1_000_000});
    let body = format!("{run}\n{}\n{crash}\n{span}", GATEWAY.trim());
    let (status, answer) = server.post(&write, &headers, body.clone()).await;
    assert_eq!((status, &answer["accepted"]), (200, &json!(5)), "{answer}");
    server.post(&write, &headers, body).await;

    let findings = "raceguard_findings{service=\"gateway\",class=\"shared-map\",severity=\"error\"}";
    let samples = until(&server, &read, findings, 3.0).await;
    for (sample, value) in [
        ("raceguard_causes{service=\"gateway\",state=\"open\",severity=\"error\"}", 1.0),
        ("raceguard_sightings_total{service=\"gateway\",kind=\"race\"}", 2.0),
        ("raceguard_crashes_total{service=\"gateway\",cause=\"concurrent_map_writes\"}", 1.0),
        ("raceguard_detector_enabled{service=\"gateway\",version=\"1.4\"}", 1.0),
        ("raceguard_records_total", 5.0),
        ("raceguard_duplicates_total", 5.0),
        ("raceguard_service_records_total{service=\"gateway\"}", 5.0),
        ("raceguard_intake_requests_total{transport=\"evidence\"}", 2.0),
        ("raceguard_intake_dropped_total{what=\"lines\"}", 0.0),
        ("raceguard_undiagnosed_findings", 0.0),
        ("raceguard_slts_ratio{service=\"gateway\"}", 1.0),
        ("raceguard_slo_compliance_ratio{service=\"(fleet)\"}", 1.0),
        ("raceguard_slo_budget_remaining_ratio{service=\"gateway\"}", 1.0),
        ("raceguard_slo_burn_rate{service=\"gateway\",window=\"5m\"}", 0.0),
        ("raceguard_alerts{severity=\"P1\"}", 0.0),
        ("raceguard_map_entries{map=\"findings\"}", 3.0),
        ("raceguard_policy_revision", 0.0),
        ("raceguard_policy_triggers", 0.0),
        ("raceguard_policy_deliveries_waiting", 0.0),
        ("raceguard_alert_messages_waiting", 0.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    assert!(samples.contains_key("raceguard_ingest_lag_seconds{service=\"gateway\"}"));
    assert!(samples.contains_key("raceguard_map_lock_wait_seconds_total{map=\"services\"}"));
    what_triggers_do_is_counted(&server, &admin, &write).await;

    assert_eq!(server.send(&write, "GET", "/metrics", None).await.0, 403);
    let checked = check_page(&page(&server, &read).await);
    server.stop().await;
    assert_eq!(checked, Ok(()));
}

/// A map trap fires once; what does not match is looked at too.
async fn what_triggers_do_is_counted(server: &Running, admin: &Token, write: &Token) {
    let text = "schema: 1\ntriggers:\n  - id: traps\n    version: 1\n    description: a map trap\n    \
                when: sighting.map_trap && sighting.class == 'concurrent-map-writes'\n    window: 5m\n    \
                responses: [alert]\n";
    let saved = server.send(admin, "PUT", "/v1/policies/traps", Some(json!({ "text": text }))).await;
    assert_eq!(saved.0, 200, "{}", saved.1);
    let crash = |message: &str| json!({"schema": 1, "kind": "crash", "message": message, "goroutines": []});
    let body = format!("{}\n{}", crash("fatal error: concurrent map writes"), crash("panic: no idea"));
    let headers = [("raceguard-stream", "crashes"), ("raceguard-service", "web")];
    assert_eq!(server.post(write, &headers, body).await.0, 200);
    let fired = "raceguard_policy_firings_total{trigger=\"traps\"}";
    let samples = until(server, admin, fired, 1.0).await;
    for (sample, value) in [
        ("raceguard_policy_revision", 1.0),
        ("raceguard_policy_generation", 1.0),
        ("raceguard_policy_triggers", 1.0),
        ("raceguard_policy_matches_total{trigger=\"traps\"}", 1.0),
        ("raceguard_policy_queue_overflows_total", 0.0),
        ("raceguard_map_entries{map=\"policies_in_force\"}", 1.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}");
    }
    assert!(samples["raceguard_policy_sightings_total"] >= 2.0, "{samples:?}");
    assert!(!samples.contains_key("raceguard_policy_canary_revision"), "there is none");
}

/// What promtool says of a page.
fn check_page(page: &str) -> Result<(), String> {
    // It reads the older text format, in which counters have their suffix in the type too and there is no end.
    let page: String = page
        .lines()
        .filter(|line| *line != "# EOF")
        .map(|line| match line.strip_suffix(" counter").and_then(|line| line.strip_prefix("# TYPE ")) {
            Some(name) => format!("# TYPE {name}_total counter\n"),
            None => match line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
                Some((name, help)) if METRICS.iter().any(|metric| metric.name == format!("{name}_total")) => {
                    format!("# HELP {name}_total {help}\n")
                }
                _ => format!("{line}\n"),
            },
        })
        .collect();
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("promtool is on PATH; Debian: apt-get install prometheus");
    std::io::Write::write_all(&mut tool.stdin.take().expect("it is a pipe"), page.as_bytes())
        .expect("it reads");
    let output = tool.wait_with_output().expect("it ends");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.trim().is_empty() { Ok(()) } else { Err(said) }
}

async fn services_beyond_the_fiftieth_are_one(backend: Backend) {
    let scratch = Scratch::new(backend);
    let (write, read) = (token(scratch.place(), Role::Write), token(scratch.place(), Role::Read));
    let server = Running::start(scratch.place(), Limits::default()).await;
    for service in 0..60 {
        let (stream, service) = (format!("s{service}"), format!("service-{service:02}"));
        let headers = [("raceguard-stream", stream.as_str()), ("raceguard-service", service.as_str())];
        server.post(&write, &headers, GATEWAY).await;
    }
    let samples = until(&server, &read, "raceguard_undiagnosed_findings", 0.0).await;
    let sightings: BTreeMap<&String, &f64> =
        samples.iter().filter(|(name, _)| name.starts_with("raceguard_sightings_total")).collect();
    assert_eq!(sightings.len(), 51);
    let other = samples["raceguard_sightings_total{service=\"(other)\",kind=\"race\"}"];
    assert!((other - 20.0).abs() < 1e-9, "{other}");
    server.stop().await;
}

#[test]
fn the_alert_rules_are_right_and_fire_when_they_should() {
    for arguments in [["check", "rules", "raceguard.rules.yml"], ["test", "rules", "raceguard.test.yml"]] {
        let output = Command::new("promtool")
            .args(arguments)
            .current_dir(deploy("prometheus"))
            .output()
            .expect("promtool is on PATH; Debian: apt-get install prometheus");
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("SUCCESS"), "{arguments:?}: {said}");
    }
}

/// Names of our metrics in a text.
fn named(text: &str) -> BTreeSet<&str> {
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
    text.split(word).filter(|name| name.starts_with("raceguard_")).collect()
}

#[test]
fn rules_and_dashboard_name_metrics_that_exist() {
    let read = |path: &str| std::fs::read_to_string(deploy(path)).expect("it is there");
    let known: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    let rules = read("prometheus/raceguard.rules.yml");
    let tests = read("prometheus/raceguard.test.yml");
    let dashboard: Value = serde_json::from_str(&read("grafana/raceguard.json")).expect("it is JSON");
    let mut expressions = String::new();
    for panel in dashboard["panels"].as_array().expect("it has panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            expressions.push_str(target["expr"].as_str().expect("a target has an expression"));
            expressions.push('\n');
        }
    }
    for text in [&rules, &tests, &expressions] {
        let names = named(text);
        assert!(names.len() > 4);
        let unknown: Vec<_> = names.difference(&known).collect();
        assert_eq!(unknown, Vec::<&&str>::new());
    }
    // Each rule is tested.
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(tests.contains(&format!("alertname: {alert}")), "{alert} has no test");
    }
}

/// Each expression of the dashboard is one that Prometheus can read.
#[test]
fn the_dashboard_asks_what_prometheus_understands() {
    let text = std::fs::read_to_string(deploy("grafana/raceguard.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&text).expect("it is JSON");
    let mut rules = String::from("groups:\n- name: dashboard\n  rules:\n");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    for (number, target) in targets.enumerate() {
        let expression = target["expr"].as_str().expect("a target has an expression");
        let expression = json!(expression);
        let _ = writeln!(rules, "  - record: dashboard:panel_{number}\n    expr: {expression}");
    }
    let folder = tempfile::tempdir().expect("there is room");
    std::fs::write(folder.path().join("dashboard.yml"), rules).expect("it can be written");
    let output = Command::new("promtool")
        .args(["check", "rules", "dashboard.yml"])
        .current_dir(folder.path())
        .output()
        .expect("promtool is on PATH; Debian: apt-get install prometheus");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

on_both! {
    numbers_follow_the_evidence,
    services_beyond_the_fiftieth_are_one,
}
