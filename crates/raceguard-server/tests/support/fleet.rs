//! A server with evidence of the examples in it, and people who look at it.
#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::path::Path;
use std::time::Duration;

use raceguard_server::clock::now_ms;
use raceguard_server::limits::Limits;
use raceguard_server::token::{Role, Token};
use serde_json::{Value, json};

use super::browser::Browser;
use super::support::{Running, token};

pub const GATEWAY: &str = include_str!("../../../raceguard-diagnosis/tests/examples/payment-gateway.jsonl");
pub const QUOTA: &str = include_str!("../../../raceguard-diagnosis/tests/examples/margin-quota.jsonl");
pub const LOST_UPDATE: &str = include_str!("../../../raceguard-diagnosis/tests/examples/lost-update.jsonl");

/// A server and its tokens.
pub struct Fleet {
    pub server: Running,
    pub write: Token,
    pub read: Token,
    pub admin: Token,
}

/// Which program evidence is from.
pub struct From<'a> {
    pub service: &'a str,
    pub version: &'a str,
    pub instance: &'a str,
    pub environment: &'a str,
}

impl Fleet {
    /// A server that has nothing yet.
    pub async fn empty(folder: &Path) -> Self {
        let (write, read, admin) =
            (token(folder, Role::Write), token(folder, Role::Read), token(folder, Role::Admin));
        Self { server: Running::start(folder, Limits::default()).await, write, read, admin }
    }

    /// A server with two root causes.
    pub async fn start(folder: &Path) -> Self {
        let fleet = Self::empty(folder).await;
        fleet.push("gateway", GATEWAY).await;
        fleet.push("quota", QUOTA).await;
        fleet.causes(2).await;
        fleet
    }

    /// Evidence as if it had been recorded now.
    pub async fn push(&self, service: &str, evidence: &str) {
        let from = From { service, version: "1.4.2", instance: "pod-a", environment: "canary" };
        let lines: Vec<Value> =
            evidence.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
        self.push_at(&from, &lines, now_ms()).await;
    }

    /// Evidence as if it had been recorded at a time.
    pub async fn push_at(&self, from: &From<'_>, records: &[Value], at_ms: i64) {
        let lines: Vec<String> = records
            .iter()
            .map(|record| {
                let mut record = record.clone();
                if record.get("time_unix_ns").is_some() {
                    record["time_unix_ns"] = json!(at_ms * 1_000_000);
                }
                record.to_string()
            })
            .collect();
        let headers = [
            ("raceguard-service", from.service),
            ("raceguard-version", from.version),
            ("raceguard-instance", from.instance),
            ("raceguard-environment", from.environment),
        ];
        let (status, answer) = self.server.post(&self.write, &headers, lines.join("\n")).await;
        assert_eq!((status, &answer["rejected"]), (200, &json!([])), "{answer}");
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    /// Waits for as many causes; diagnosing runs beside the requests.
    pub async fn causes(&self, count: usize) -> Vec<Value> {
        for _ in 0..400 {
            let (_, answer) = self.server.get(&self.read, "/v1/causes").await;
            let causes = answer["causes"].as_array().cloned().unwrap_or_default();
            if causes.len() >= count {
                return causes;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("there are never {count} causes");
    }

    /// Logs a browser in, as people do.
    pub fn log_in(&self, browser: &Browser, token: &Token) {
        browser.open(&self.url("/causes?state=open"));
        assert_eq!(browser.eval("location.pathname"), json!("/login"));
        let type_token = format!("document.getElementById('token').value = '{}'", token.reveal());
        browser.eval(&type_token);
        browser.eval("document.querySelector('form').requestSubmit()");
        browser.wait("location.pathname + location.search === '/causes?state=open' && document.readyState === 'complete'");
    }
}

/// Runs what waits for a browser where the server goes on meanwhile.
pub fn look<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
