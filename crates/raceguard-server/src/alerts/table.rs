//! Alerts and deliveries in the database.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Firing, Severity};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Alerts in one answer, at most.
const LISTED: usize = 1_000;

/// An alert as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Its number.
    pub id: i64,
    /// What makes it the same alert when it fires again.
    pub key: String,
    /// How bad it is.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// A few lines.
    pub text: String,
    /// What routes, groups and silences it.
    pub labels: BTreeMap<String, String>,
    /// A path on this server.
    pub link: String,
    /// When it fired first, in milliseconds since the Unix epoch.
    pub fired_ms: i64,
    /// When it fired last.
    pub last_ms: i64,
    /// How often it fired.
    pub firings: u64,
    /// When it was over.
    pub resolved_ms: Option<i64>,
    /// When somebody began to look at it.
    pub acknowledged_ms: Option<i64>,
    /// Who.
    pub acknowledged_by: Option<String>,
}

const COLUMNS: &str =
    "id, name, severity, title, body, labels, link, fired_ms, last_ms, firings, resolved_ms,
                       acknowledged_ms, acknowledged_by";

impl Alert {
    fn of_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            key: row.get(1)?,
            severity: Severity::from_number(row.get(2)?),
            title: row.get(3)?,
            text: row.get(4)?,
            labels: labels_of(&row.get::<String>(5)?),
            link: row.get(6)?,
            fired_ms: row.get(7)?,
            last_ms: row.get(8)?,
            firings: row.get(9)?,
            resolved_ms: row.get(10)?,
            acknowledged_ms: row.get(11)?,
            acknowledged_by: row.get(12)?,
        })
    }
}

/// Labels as they are kept: a JSON object, its names in order.
pub(super) fn labels_text(labels: &BTreeMap<String, String>) -> String {
    serde_json::to_string(labels).unwrap_or_else(|error| unreachable!("texts are JSON: {error}"))
}

pub(super) fn labels_of(text: &str) -> BTreeMap<String, String> {
    serde_json::from_str(text).unwrap_or_default()
}

type Session = dyn Connection + 'static;

pub(super) fn fire(connection: &mut Session, firing: &Firing) -> Result<i64, StoreError> {
    let row = connection.row(
        "INSERT INTO alert (name, severity, title, body, labels, link, fired_ms, last_ms, firings)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1)
         ON CONFLICT (name) WHERE resolved_ms IS NULL DO UPDATE SET
             severity = $2, title = $3, body = $4, labels = $5, link = $6, firings = alert.firings + 1,
             last_ms = CASE WHEN $7 > alert.last_ms THEN $7 ELSE alert.last_ms END
         RETURNING id",
        values![
            &firing.key,
            firing.severity.number(),
            &firing.title,
            &firing.text,
            &labels_text(&firing.labels),
            &firing.link,
            firing.at_ms
        ],
    )?;
    row.ok_or(StoreError::Incomplete("alert"))?.get(0)
}

pub(super) fn resolve(connection: &mut Session, key: &str, at_ms: i64) -> Result<bool, StoreError> {
    let changed = connection.execute(
        "UPDATE alert SET resolved_ms = $2 WHERE name = $1 AND resolved_ms IS NULL",
        values![key, at_ms],
    )?;
    Ok(changed > 0)
}

pub(super) fn close(connection: &mut Session, id: i64, at_ms: i64) -> Result<bool, StoreError> {
    let sql = "UPDATE alert SET resolved_ms = $2 WHERE id = $1 AND resolved_ms IS NULL";
    Ok(connection.execute(sql, values![id, at_ms])? > 0)
}

pub(super) fn acknowledge(
    connection: &mut Session,
    id: i64,
    by: &str,
    at_ms: i64,
) -> Result<bool, StoreError> {
    let changed = connection.execute(
        "UPDATE alert SET acknowledged_ms = $2, acknowledged_by = $3 WHERE id = $1 AND resolved_ms IS NULL",
        values![id, at_ms, by],
    )?;
    Ok(changed > 0)
}

/// Alerts that are open, and those that a receiver was told of but not yet that they are over.
pub(super) fn to_plan(connection: &mut Session) -> Result<Vec<Alert>, StoreError> {
    let rows = connection.query(
        &format!(
            "SELECT {COLUMNS} FROM alert WHERE resolved_ms IS NULL
             OR id IN (SELECT alert FROM alert_told) ORDER BY id"
        ),
        &[],
    )?;
    rows.iter().map(Alert::of_row).collect()
}

/// A message to a receiver, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its number, which the receiver is told, so that it can tell a repeated message.
    pub id: i64,
    /// To whom.
    pub receiver: String,
    /// JSON: what is told.
    #[serde(skip)]
    pub(super) notice: String,
    /// When it was planned.
    pub created_ms: i64,
    /// How often it was tried.
    pub attempts: u64,
    /// When it is tried next, while it neither arrived nor was given up.
    pub due_ms: i64,
    /// When it arrived.
    pub sent_ms: Option<i64>,
    /// When it was given up.
    pub given_up_ms: Option<i64>,
    /// Why the last try failed.
    pub last_error: Option<String>,
}

const DELIVERY_COLUMNS: &str =
    "id, receiver, notice, created_ms, attempts, due_ms, sent_ms, given_up_ms, last_error";

impl Delivery {
    pub(super) fn of_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get(0)?,
            receiver: row.get(1)?,
            notice: row.get(2)?,
            created_ms: row.get(3)?,
            attempts: row.get(4)?,
            due_ms: row.get(5)?,
            sent_ms: row.get(6)?,
            given_up_ms: row.get(7)?,
            last_error: row.get(8)?,
        })
    }
}

/// Takes the messages that are due, and moves them on so that no other replica takes them within `lease_ms`.
pub(super) fn take_due(
    connection: &mut Session,
    now_ms: i64,
    lease_ms: i64,
    limit: usize,
) -> Result<Vec<Delivery>, StoreError> {
    let rows = connection.query(
        &format!(
            "UPDATE delivery SET due_ms = $1 + $2, attempts = attempts + 1 WHERE id IN (
                 SELECT id FROM delivery WHERE sent_ms IS NULL AND given_up_ms IS NULL AND due_ms <= $1
                 ORDER BY due_ms, id LIMIT $3)
             AND due_ms <= $1 RETURNING {DELIVERY_COLUMNS}"
        ),
        values![now_ms, lease_ms, limit as u64],
    )?;
    rows.iter().map(Delivery::of_row).collect()
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    Sent,
    Again { at_ms: i64, why: String },
    GivenUp { why: String },
}

pub(super) fn settle(
    connection: &mut Session,
    id: i64,
    outcome: &Outcome,
    now_ms: i64,
) -> Result<(), StoreError> {
    let (sent, given_up, due, why) = match outcome {
        Outcome::Sent => (Some(now_ms), None, now_ms, None),
        Outcome::Again { at_ms, why } => (None, None, *at_ms, Some(why)),
        Outcome::GivenUp { why } => (None, Some(now_ms), now_ms, Some(why)),
    };
    connection.execute(
        "UPDATE delivery SET sent_ms = $2, given_up_ms = $3, due_ms = $4, last_error = $5 WHERE id = $1",
        values![id, sent, given_up, due, why],
    )?;
    Ok(())
}

/// When the next message is due.
pub(super) fn next_due(connection: &mut Session) -> Result<Option<i64>, StoreError> {
    let row = connection
        .row("SELECT min(due_ms) FROM delivery WHERE sent_ms IS NULL AND given_up_ms IS NULL", &[])?;
    row.map_or(Ok(None), |row| row.get(0))
}

impl Reader {
    /// Alerts, the last one first: open ones, and others too when `with_resolved`.
    pub fn alerts(&self, with_resolved: bool, limit: usize) -> Result<Vec<Alert>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                &format!(
                    "SELECT {COLUMNS} FROM alert WHERE resolved_ms IS NULL OR CAST($1 AS BIGINT) = 1
                     ORDER BY last_ms DESC, id DESC LIMIT $2"
                ),
                values![with_resolved, limit.min(LISTED) as u64],
            )
        })?;
        rows.iter().map(Alert::of_row).collect()
    }

    /// The alert of this number.
    pub fn alert(&self, id: i64) -> Result<Option<Alert>, StoreError> {
        let row = self.ask(|connection| {
            connection.row(&format!("SELECT {COLUMNS} FROM alert WHERE id = $1"), values![id])
        })?;
        row.as_ref().map(Alert::of_row).transpose()
    }

    /// The open alert of this key.
    pub fn open_alert(&self, key: &str) -> Result<Option<Alert>, StoreError> {
        let row = self.ask(|connection| {
            let sql = format!("SELECT {COLUMNS} FROM alert WHERE name = $1 AND resolved_ms IS NULL");
            connection.row(&sql, values![key])
        })?;
        row.as_ref().map(Alert::of_row).transpose()
    }

    /// Messages to receivers, the last one first.
    pub fn deliveries(&self, limit: usize) -> Result<Vec<Delivery>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                &format!("SELECT {DELIVERY_COLUMNS} FROM delivery ORDER BY id DESC LIMIT $1"),
                values![limit.min(LISTED) as u64],
            )
        })?;
        rows.iter().map(Delivery::of_row).collect()
    }
}
