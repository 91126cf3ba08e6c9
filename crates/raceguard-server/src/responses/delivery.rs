//! Sends what firings lead to: alerts to [`Alerts`], documents to webhooks, again until they arrive or a day is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Open;
use crate::alerts::{Alerts, Firing, Severity};
use crate::clock::now_ms;
use crate::store::sql::values;
use crate::store::{Reader, StoreError, Writer};

/// How long a webhook may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Time to look again although nothing says so: for what is to be tried again, and for alerts that are over.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Tries of a webhook; the distance between them doubles from a second to ten minutes, which makes about a day.
const TRIES: i64 = 150;
const LONGEST_MS: i64 = 600_000;

/// Alerts that are found to be over at once.
const AT_ONCE: u64 = 16;

/// How long what was taken to be sent is left alone by other replicas: longer than sending it may take.
const LEASE_MS: i64 = 30_000;

/// Notes that something is to be sent.
pub(super) fn add(
    connection: Open<'_>,
    firing: i64,
    kind: &str,
    target: &str,
    body: &Value,
    now_ms: i64,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO policy_delivery (firing, kind, target, body, attempts, next_ms, error)
         VALUES ($1, $2, $3, $4, 0, $5, '')",
        values![firing, kind, target, &body.to_string(), now_ms],
    )?;
    Ok(())
}

/// What an alert is made of.
#[derive(Debug, Deserialize)]
struct AlertBody {
    title: String,
    text: String,
    labels: BTreeMap<String, String>,
    trigger: String,
    group: String,
}

/// Something that is to be sent.
#[derive(Debug)]
struct Due {
    id: i64,
    kind: String,
    target: String,
    body: String,
    attempts: i64,
    fired_ms: i64,
}

/// Sends.
#[derive(Debug)]
pub struct Deliveries {
    writer: Writer,
    reader: Reader,
    alerts: Alerts,
    wake: Arc<Notify>,
    agent: ureq::Agent,
}

/// What makes firings of one trigger and group the same alert.
fn alert_key(trigger: &str, group: &str) -> String {
    format!("trigger/{trigger}/{group}")
}

impl Deliveries {
    /// Sends what is noted in a store, and looks again when woken.
    pub fn new(writer: Writer, reader: Reader, alerts: Alerts, wake: Arc<Notify>) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(TIMEOUT))
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("raceguard/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { writer, reader, alerts, wake, agent: agent.into() }
    }

    /// Sends until it is told to stop.
    pub async fn run(self, stop: CancellationToken) -> Result<(), StoreError> {
        while !stop.is_cancelled() {
            match self.round().await {
                // More may be due at once.
                Ok(true) => continue,
                Err(StoreError::Stopping) => return Ok(()),
                // Nothing is lost: the disk may be full, or the database away.
                Ok(false) | Err(_) => {}
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
        }
        Ok(())
    }

    /// Sends what is due, one; tells of alerts that are over. Whether there was something to send.
    async fn round(&self) -> Result<bool, StoreError> {
        let reader = self.reader.clone();
        let (is_due, over) = tokio::task::spawn_blocking(move || {
            let now = now_ms();
            Ok::<_, StoreError>((reader.is_delivery_due(now)?, reader.alerts_over(now)?))
        })
        .await
        .map_err(|_| StoreError::Stopping)??;
        let due = if is_due {
            self.writer.change(|connection| take_due(connection, now_ms())).await?
        } else {
            None
        };
        let had_some = due.is_some();
        if let Some(due) = due {
            let sent = self.send(&due).await?;
            self.settle(&due, sent).await?;
        }
        for (id, trigger, group) in over {
            let now = now_ms();
            self.alerts.resolve(&alert_key(&trigger, &group), now).await?;
            self.writer
                .change(move |connection| {
                    let sql = "UPDATE policy_firing SET over_ms = $2 WHERE id = $1";
                    connection.execute(sql, values![id, now])
                })
                .await?;
        }
        Ok(had_some)
    }

    /// Sends one; gives why it did not arrive.
    async fn send(&self, due: &Due) -> Result<Result<(), String>, StoreError> {
        if due.kind == "alert" {
            let Ok(body) = serde_json::from_str::<AlertBody>(&due.body) else {
                return Ok(Err("what the alert says can't be read".to_owned()));
            };
            let mut labels = body.labels;
            labels.insert("trigger".to_owned(), body.trigger.clone());
            let severity = match due.target.as_str() {
                "P1" => Severity::P1,
                "P3" => Severity::P3,
                _ => Severity::P2,
            };
            let key = alert_key(&body.trigger, &body.group);
            let (title, text, at_ms) = (body.title, body.text, due.fired_ms);
            let link = "/policies".to_owned();
            self.alerts.fire(Firing { key, severity, title, text, labels, link, at_ms }).await?;
            return Ok(Ok(()));
        }
        let (agent, url, body) = (self.agent.clone(), due.target.clone(), due.body.clone());
        let posted = tokio::task::spawn_blocking(move || post(&agent, &url, &body)).await;
        Ok(posted.unwrap_or_else(|_| Err("the server is stopping".to_owned())))
    }

    async fn settle(&self, due: &Due, sent: Result<(), String>) -> Result<(), StoreError> {
        let (id, attempts, now) = (due.id, due.attempts, now_ms());
        let distance = (1_000_i64 << attempts.min(20)).min(LONGEST_MS);
        self.writer
            .change(move |connection| {
                let (done, error) = match &sent {
                    Ok(()) => (Some(now), String::new()),
                    Err(why) if attempts >= TRIES => (Some(now), format!("given up: {why}")),
                    Err(why) => (None, why.clone()),
                };
                connection.execute(
                    "UPDATE policy_delivery SET next_ms = $2, done_ms = $3, error = $4 WHERE id = $1",
                    values![id, now + distance, done, &error],
                )
            })
            .await?;
        Ok(())
    }
}

/// Posts a document once. What it says does not hold the address: whoever knows it can post there.
fn post(agent: &ureq::Agent, url: &str, body: &str) -> Result<(), String> {
    let answer = agent.post(url).header("content-type", "application/json").send(body);
    match answer {
        Ok(answer) if answer.status().is_success() => Ok(()),
        Ok(answer) => Err(format!("HTTP {}", answer.status().as_u16())),
        Err(ureq::Error::Timeout(_)) => Err(format!("no answer within {} seconds", TIMEOUT.as_secs())),
        Err(ureq::Error::Io(error)) => Err(format!("the connection failed: {}", error.kind())),
        Err(ureq::Error::HostNotFound) => Err("the host of the webhook is not known".to_owned()),
        Err(ureq::Error::BadUri(_)) => Err("the webhook's address can't be used".to_owned()),
        Err(_) => Err("the request failed".to_owned()),
    }
}

/// Takes the oldest that is due, and counts the try. Other replicas leave it alone for a while; should this one die
/// meanwhile, it is due again then.
fn take_due(connection: Open<'_>, now_ms: i64) -> Result<Option<Due>, StoreError> {
    let row = connection.row(
        "UPDATE policy_delivery SET next_ms = $1 + $2, attempts = attempts + 1
         WHERE id = (SELECT id FROM policy_delivery WHERE done_ms IS NULL AND next_ms <= $1 ORDER BY id LIMIT 1)
           AND done_ms IS NULL AND next_ms <= $1
         RETURNING id, kind, target, body, attempts, firing",
        values![now_ms, LEASE_MS],
    )?;
    let Some(row) = row else { return Ok(None) };
    let firing: i64 = row.get(5)?;
    let fired = connection.row("SELECT fired_ms FROM policy_firing WHERE id = $1", values![firing])?;
    Ok(Some(Due {
        id: row.get(0)?,
        kind: row.get(1)?,
        target: row.get(2)?,
        body: row.get(3)?,
        attempts: row.get(4)?,
        fired_ms: fired.ok_or(StoreError::Incomplete("policy_firing"))?.get(0)?,
    }))
}

impl Reader {
    fn is_delivery_due(&self, now_ms: i64) -> Result<bool, StoreError> {
        self.ask(|connection| {
            let sql = "SELECT id FROM policy_delivery WHERE done_ms IS NULL AND next_ms <= $1 LIMIT 1";
            Ok(connection.row(sql, values![now_ms])?.is_some())
        })
    }

    /// Firings whose cool-down is over, and after which the group did not fire again: number, trigger and group.
    fn alerts_over(&self, now_ms: i64) -> Result<Vec<(i64, String, String)>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT firing.id, firing.trigger_id, firing.labels FROM policy_firing firing
                 WHERE firing.over_ms IS NULL AND firing.until_ms <= $1
                   AND EXISTS (SELECT 1 FROM policy_delivery
                               WHERE policy_delivery.firing = firing.id AND kind = 'alert' AND done_ms IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM policy_firing later WHERE later.trigger_id = firing.trigger_id
                                   AND later.labels = firing.labels AND later.id > firing.id AND later.until_ms > $1)
                 ORDER BY firing.id LIMIT $2",
                values![now_ms, AT_ONCE],
            )?;
            rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
        })
    }
}
