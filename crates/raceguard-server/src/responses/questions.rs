//! What triggers (and people) marked: blocked builds, quarantines, sampling rates, tickets, firings.

use serde::Serialize;
use serde_json::Value;

use super::Open;
use crate::store::sql::{Row, values};
use crate::store::{Reader, StoreError};

/// A build that gates hold up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// Name of the service.
    pub service: String,
    /// Version of the build.
    pub version: String,
    /// Why.
    pub reason: String,
    /// Who or what blocked it.
    pub blocked_by: String,
    /// When, in milliseconds since the Unix epoch.
    pub blocked_ms: i64,
}

/// A test or an instance that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quarantine {
    /// `test` or `instance`.
    pub kind: String,
    /// The service that it is of.
    pub service: String,
    /// Name of the test, `example.com/m/pkg.TestX`, or of the instance.
    pub name: String,
    /// Why.
    pub reason: String,
    /// Who or what set it aside.
    pub set_by: String,
    /// When, in milliseconds since the Unix epoch.
    pub set_ms: i64,
    /// Until when.
    pub until_ms: i64,
}

/// A sampling rate that was raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sampling {
    /// Name of the service.
    pub service: String,
    /// Where it runs; empty for everywhere.
    pub environment: String,
    /// Share of operations to look at.
    pub rate: f64,
    /// Share of the time that it may cost.
    pub max_overhead: f64,
    /// Who or what raised it.
    pub set_by: String,
    /// When, in milliseconds since the Unix epoch.
    pub set_ms: i64,
    /// Until when.
    pub until_ms: i64,
}

/// A draft of a ticket.
#[derive(Debug, Serialize)]
pub struct TicketRow {
    /// Its number.
    pub id: i64,
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// A list of words.
    pub labels: Value,
    /// Who is to look at it; may be empty.
    pub assignee: String,
    /// When it was drafted, in milliseconds since the Unix epoch.
    pub created_ms: i64,
    /// The trigger that drafted it.
    pub trigger: String,
}

/// A trigger that fired.
#[derive(Debug, Serialize)]
pub struct FiringRow {
    /// Its number.
    pub id: i64,
    /// The revision of the trigger.
    pub revision: i64,
    /// The trigger.
    pub trigger: String,
    /// A value for each label of the group.
    pub group: Value,
    /// The count that reached the threshold.
    pub count: u64,
    /// What was seen.
    pub title: String,
    /// Where it was seen last.
    pub service: String,
    /// When, in milliseconds since the Unix epoch.
    pub fired_ms: i64,
    /// End of the cool-down.
    pub until_ms: i64,
}

/// Marks a build.
pub(crate) fn block_build(connection: Open<'_>, blocked: &Blocked) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO policy_blocked_build (service, version, reason, blocked_by, blocked_ms)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (service, version) DO UPDATE SET reason = $3, blocked_by = $4, blocked_ms = $5",
        values![&blocked.service, &blocked.version, &blocked.reason, &blocked.blocked_by, blocked.blocked_ms],
    )?;
    Ok(())
}

/// Takes the mark off again. False when there was none.
pub(crate) fn unblock_build(connection: Open<'_>, service: &str, version: &str) -> Result<bool, StoreError> {
    let gone = connection.execute(
        "DELETE FROM policy_blocked_build WHERE service = $1 AND version = $2",
        values![service, version],
    )?;
    Ok(gone > 0)
}

/// Sets aside, or longer than before.
pub(crate) fn quarantine(connection: Open<'_>, it: &Quarantine) -> Result<(), StoreError> {
    connection.execute("DELETE FROM policy_quarantine WHERE until_ms <= $1", values![it.set_ms])?;
    connection.execute(
        "INSERT INTO policy_quarantine (kind, service, name, reason, set_by, set_ms, until_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (kind, service, name) DO UPDATE SET reason = $4, set_by = $5, set_ms = $6,
             until_ms = CASE WHEN $7 > policy_quarantine.until_ms THEN $7 ELSE policy_quarantine.until_ms END",
        values![&it.kind, &it.service, &it.name, &it.reason, &it.set_by, it.set_ms, it.until_ms],
    )?;
    Ok(())
}

/// Ends a quarantine before its time. False when there was none.
pub(crate) fn end_quarantine(
    connection: Open<'_>,
    kind: &str,
    service: &str,
    name: &str,
) -> Result<bool, StoreError> {
    let gone = connection.execute(
        "DELETE FROM policy_quarantine WHERE kind = $1 AND service = $2 AND name = $3",
        values![kind, service, name],
    )?;
    Ok(gone > 0)
}

/// Raises the rate of a service.
pub(crate) fn raise_sampling(connection: Open<'_>, it: &Sampling) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO policy_sampling (service, environment, rate, max_overhead, set_by, set_ms, until_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (service, environment) DO UPDATE
             SET rate = $3, max_overhead = $4, set_by = $5, set_ms = $6, until_ms = $7",
        values![&it.service, &it.environment, it.rate, it.max_overhead, &it.set_by, it.set_ms, it.until_ms],
    )?;
    Ok(())
}

/// The rate below which a raised rate is taken back wholly instead of being halved.
const LEAST_RATE: f64 = 0.000_1;

/// Halves the raised rates of a service whose limit the overhead is above. Gives those rates, as they are now.
pub(crate) fn lower_sampling(
    connection: Open<'_>,
    service: &str,
    environment: &str,
    overhead: f64,
    now_ms: i64,
) -> Result<Vec<Sampling>, StoreError> {
    let rows = connection.query(
        "SELECT service, environment, rate, max_overhead, set_by, set_ms, until_ms FROM policy_sampling
         WHERE service = $1 AND (environment = $2 OR environment = '') AND until_ms > $3 AND max_overhead < $4
         ORDER BY environment",
        values![service, environment, now_ms, overhead],
    )?;
    let mut lowered = Vec::new();
    for row in &rows {
        let mut it = sampling(row)?;
        it.rate /= 2.0;
        if it.rate < LEAST_RATE {
            it.rate = 0.0;
            connection.execute(
                "DELETE FROM policy_sampling WHERE service = $1 AND environment = $2",
                values![&it.service, &it.environment],
            )?;
        } else {
            connection.execute(
                "UPDATE policy_sampling SET rate = $3 WHERE service = $1 AND environment = $2",
                values![&it.service, &it.environment, it.rate],
            )?;
        }
        lowered.push(it);
    }
    Ok(lowered)
}

fn sampling(row: &Row) -> Result<Sampling, StoreError> {
    Ok(Sampling {
        service: row.get(0)?,
        environment: row.get(1)?,
        rate: row.get(2)?,
        max_overhead: row.get(3)?,
        set_by: row.get(4)?,
        set_ms: row.get(5)?,
        until_ms: row.get(6)?,
    })
}

fn blocked(row: &Row) -> Result<Blocked, StoreError> {
    Ok(Blocked {
        service: row.get(0)?,
        version: row.get(1)?,
        reason: row.get(2)?,
        blocked_by: row.get(3)?,
        blocked_ms: row.get(4)?,
    })
}

/// JSON that this module wrote.
fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

impl Reader {
    /// Why a build is blocked; nothing when it is not.
    pub fn blocked_build(&self, service: &str, version: &str) -> Result<Option<Blocked>, StoreError> {
        self.ask(|connection| {
            let row = connection.row(
                "SELECT service, version, reason, blocked_by, blocked_ms FROM policy_blocked_build
                 WHERE service = $1 AND version = $2",
                values![service, version],
            )?;
            row.as_ref().map(blocked).transpose()
        })
    }

    /// The builds that were blocked last.
    pub fn blocked_builds(&self, limit: usize) -> Result<Vec<Blocked>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT service, version, reason, blocked_by, blocked_ms FROM policy_blocked_build
                 ORDER BY blocked_ms DESC, service, version LIMIT $1",
                values![limit as u64],
            )?;
            rows.iter().map(blocked).collect()
        })
    }

    /// What is set aside now, of one service or of all.
    pub fn quarantine(&self, service: Option<&str>, now_ms: i64) -> Result<Vec<Quarantine>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT kind, service, name, reason, set_by, set_ms, until_ms FROM policy_quarantine
                 WHERE until_ms > $1 AND ($2 = '' OR service = $2) ORDER BY kind, service, name",
                values![now_ms, service.unwrap_or_default()],
            )?;
            let quarantine = |row: &Row| {
                Ok(Quarantine {
                    kind: row.get(0)?,
                    service: row.get(1)?,
                    name: row.get(2)?,
                    reason: row.get(3)?,
                    set_by: row.get(4)?,
                    set_ms: row.get(5)?,
                    until_ms: row.get(6)?,
                })
            };
            rows.iter().map(quarantine).collect()
        })
    }

    /// The raised sampling rates, of one service or of all.
    pub fn sampling(&self, service: Option<&str>, now_ms: i64) -> Result<Vec<Sampling>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT service, environment, rate, max_overhead, set_by, set_ms, until_ms FROM policy_sampling
                 WHERE until_ms > $1 AND ($2 = '' OR service = $2) ORDER BY service, environment",
                values![now_ms, service.unwrap_or_default()],
            )?;
            rows.iter().map(sampling).collect()
        })
    }

    /// The drafts of tickets, the newest first.
    pub fn policy_tickets(&self, limit: usize) -> Result<Vec<TicketRow>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT ticket.id, ticket.title, ticket.body, ticket.labels, ticket.assignee, ticket.created_ms,
                        firing.trigger_id
                 FROM policy_ticket ticket JOIN policy_firing firing ON firing.id = ticket.firing
                 ORDER BY ticket.id DESC LIMIT $1",
                values![limit as u64],
            )?;
            let ticket = |row: &Row| {
                Ok(TicketRow {
                    id: row.get(0)?,
                    title: row.get(1)?,
                    body: row.get(2)?,
                    labels: json(&row.get::<String>(3)?),
                    assignee: row.get(4)?,
                    created_ms: row.get(5)?,
                    trigger: row.get(6)?,
                })
            };
            rows.iter().map(ticket).collect()
        })
    }

    /// The triggers that fired last.
    pub fn policy_firings(&self, limit: usize) -> Result<Vec<FiringRow>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT id, revision, trigger_id, labels, count, title, service, fired_ms, until_ms
                 FROM policy_firing ORDER BY id DESC LIMIT $1",
                values![limit as u64],
            )?;
            let firing = |row: &Row| {
                Ok(FiringRow {
                    id: row.get(0)?,
                    revision: row.get(1)?,
                    trigger: row.get(2)?,
                    group: json(&row.get::<String>(3)?),
                    count: row.get(4)?,
                    title: row.get(5)?,
                    service: row.get(6)?,
                    fired_ms: row.get(7)?,
                    until_ms: row.get(8)?,
                })
            };
            rows.iter().map(firing).collect()
        })
    }
}
