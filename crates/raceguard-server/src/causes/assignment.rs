//! Writes which finding has which cause, and what people or sightings make of a cause's state.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use raceguard_diagnosis::cluster::Cluster;

use super::neighbourhood::NewFinding;
use super::questions::current;
use super::state::{CauseState, StateChange};
use super::version::compare;
use crate::audit;
use crate::store::StoreError;
use crate::store::sql::{Connection, Dialect, Row, values};

/// Findings that a diagnosis says have one cause.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Their rows.
    pub findings: Vec<i64>,
    /// What the diagnosis says of them.
    pub cluster: Cluster,
}

/// What was assigned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assigned {
    /// How often causes have been assigned now.
    pub number: u64,
    /// Causes that are new or changed.
    pub causes: BTreeSet<i64>,
    /// Of those, the ones that are new.
    pub new: BTreeSet<i64>,
    /// Findings and their causes, as far as they changed.
    pub findings: Vec<(i64, i64)>,
}

/// Gives findings their causes. Nothing when causes were assigned since `assigned` was read: then the diagnosis rests on
/// what is no longer so, and has to be made again.
pub fn assign(
    connection: &mut (dyn Connection + 'static),
    assigned: u64,
    new: &[NewFinding],
    proposals: &[Proposal],
    now_ms: i64,
) -> Result<Option<Assigned>, StoreError> {
    let free = connection
        .execute("UPDATE assignment SET number = number + 1 WHERE number = $1", values![assigned])?;
    if free == 0 {
        return Ok(None);
    }
    let mut made = Assigned { number: assigned + 1, ..Assigned::default() };
    for finding in new {
        remember(connection, finding)?;
    }
    for proposal in proposals {
        assign_one(connection, proposal, now_ms, &mut made)?;
    }
    for cause in &made.causes {
        recount(connection, *cause)?;
        look_for_regression(connection, *cause, now_ms)?;
    }
    // A state that changed counts too.
    let row = connection.row("SELECT number FROM assignment", &[])?;
    made.number = row.ok_or(StoreError::Incomplete("assignment"))?.get(0)?;
    Ok(Some(made))
}

/// What the finding can share with later ones.
fn remember(connection: &mut dyn Connection, finding: &NewFinding) -> Result<(), StoreError> {
    for key in &finding.keys {
        connection.execute(
            "INSERT INTO finding_key (key, finding) VALUES ($1, $2) ON CONFLICT (key, finding) DO NOTHING",
            values![key, finding.id],
        )?;
    }
    for (place, line) in &finding.code {
        connection.execute(
            "INSERT INTO finding_code (finding, place, line) VALUES ($1, $2, $3)
             ON CONFLICT (finding, place, line) DO NOTHING",
            values![finding.id, place, i64::from(*line)],
        )?;
    }
    connection.execute("DELETE FROM undiagnosed WHERE finding = $1", values![finding.id])?;
    Ok(())
}

fn assign_one(
    connection: &mut (dyn Connection + 'static),
    proposal: &Proposal,
    now_ms: i64,
    made: &mut Assigned,
) -> Result<(), StoreError> {
    let mut causes = BTreeSet::new();
    let mut unassigned = Vec::new();
    for finding in &proposal.findings {
        if connection.dialect() == Dialect::Postgres {
            // Held until the end: what counts this finding elsewhere comes before all of this or after.
            connection
                .execute("UPDATE finding SET occurrences = occurrences WHERE id = $1", values![finding])?;
        }
        let row = connection.row("SELECT cause FROM finding_cause WHERE finding = $1", values![finding])?;
        match row {
            Some(row) => drop(causes.insert(row.get::<i64>(0)?)),
            None => unassigned.push(*finding),
        }
    }
    let cause = if let Some(oldest) = causes.pop_first() {
        oldest
    } else {
        let cause = insert(connection, &proposal.cluster, now_ms)?;
        made.new.insert(cause);
        cause
    };
    describe(connection, cause, &proposal.cluster, now_ms)?;
    for younger in causes {
        merge(connection, younger, cause, made)?;
    }
    for finding in unassigned {
        connection
            .execute("INSERT INTO finding_cause (finding, cause) VALUES ($1, $2)", values![finding, cause])?;
        made.findings.push((finding, cause));
    }
    made.causes.insert(cause);
    Ok(())
}

fn insert(connection: &mut dyn Connection, cluster: &Cluster, now_ms: i64) -> Result<i64, StoreError> {
    let row = connection.row(
        "INSERT INTO cause (name, title, class, severity, confidence, score, variable, state, fixed_in, note,
             changed_by, changed_ms, first_ms, last_ms, occurrences)
         VALUES ($1, '', '', '', 0.0, 0.0, '', 'open', '', '', '', $2, $2, $2, 0) RETURNING id",
        values![&cluster.id, now_ms],
    )?;
    row.ok_or(StoreError::Incomplete("cause"))?.get(0)
}

fn describe(
    connection: &mut dyn Connection,
    cause: i64,
    cluster: &Cluster,
    now_ms: i64,
) -> Result<(), StoreError> {
    let word = |value: serde_json::Value| value.as_str().map(str::to_owned);
    let class = serde_json::to_value(cluster.cause).ok().and_then(word).unwrap_or_default();
    let trap = cluster.trap.and_then(|trap| serde_json::to_value(trap).ok()).and_then(word);
    let text = serde_json::to_string(cluster).unwrap_or_else(|_| "null".to_owned());
    connection.execute(
        "UPDATE cause SET title = $2, class = $3, trap = $4, severity = $5, confidence = $6, score = $7, variable = $8
         WHERE id = $1",
        values![
            cause,
            &cluster.title,
            &class,
            trap.as_deref(),
            cluster.severity.as_str(),
            cluster.confidence,
            cluster.score.total,
            &cluster.variable
        ],
    )?;
    connection.execute(
        "INSERT INTO cause_diagnosis (cause, diagnosed_ms, cluster) VALUES ($1, $2, $3)
         ON CONFLICT (cause) DO UPDATE SET diagnosed_ms = $2, cluster = $3",
        values![cause, now_ms, &text],
    )?;
    Ok(())
}

/// Two causes are one: the older takes over the findings, and what was said of it counts.
fn merge(
    connection: &mut dyn Connection,
    younger: i64,
    older: i64,
    made: &mut Assigned,
) -> Result<(), StoreError> {
    let moved = connection.query(
        "UPDATE finding_cause SET cause = $2 WHERE cause = $1 RETURNING finding",
        values![younger, older],
    )?;
    for row in &moved {
        made.findings.push((row.get(0)?, older));
    }
    connection.execute(
        "UPDATE cause SET merged_into = $2, occurrences = 0 WHERE id = $1",
        values![younger, older],
    )?;
    connection.execute("DELETE FROM cause_service WHERE cause = $1", values![younger])?;
    made.causes.remove(&younger);
    made.new.remove(&younger);
    Ok(())
}

/// Counts a cause's findings anew, after they changed.
fn recount(connection: &mut dyn Connection, cause: i64) -> Result<(), StoreError> {
    let row = connection.row(
        "SELECT min(f.first_ms), max(f.last_ms),
             CAST(sum(CASE WHEN f.kind = 'static_finding' THEN 0 ELSE f.occurrences END) AS BIGINT)
         FROM finding_cause m JOIN finding f ON f.id = m.finding WHERE m.cause = $1",
        values![cause],
    )?;
    let row = row.ok_or(StoreError::Incomplete("finding_cause"))?;
    let (first, last, occurrences): (Option<i64>, Option<i64>, Option<u64>) =
        (row.get(0)?, row.get(1)?, row.get(2)?);
    connection.execute(
        "UPDATE cause SET first_ms = $2, last_ms = $3, occurrences = $4 WHERE id = $1",
        values![cause, first.unwrap_or(0), last.unwrap_or(0), occurrences.unwrap_or(0)],
    )?;
    connection.execute("DELETE FROM cause_service WHERE cause = $1", values![cause])?;
    connection.execute(
        "INSERT INTO cause_service (cause, service, first_ms, last_ms, occurrences)
         SELECT m.cause, o.service, min(a.first_ms), max(a.last_ms),
             CAST(sum(CASE WHEN f.kind = 'static_finding' THEN 0 ELSE a.occurrences END) AS BIGINT)
         FROM finding_cause m JOIN finding f ON f.id = m.finding JOIN appearance a ON a.finding = m.finding
         JOIN origin o ON o.id = a.origin WHERE m.cause = $1 GROUP BY m.cause, o.service",
        values![cause],
    )?;
    Ok(())
}

/// Sets what somebody says; gives the id of the cause that it was said of, nothing when there is none.
pub fn set_state(
    connection: &mut (dyn Connection + 'static),
    cause: i64,
    change: &StateChange,
    by: &str,
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let Some(cause) = current(connection, cause)? else { return Ok(None) };
    write_state(connection, cause, change.state, &change.version, &change.note, by, now_ms)?;
    let said = match change.state {
        CauseState::Fixed => format!("fixed in {}", change.version),
        state => state.as_str().to_owned(),
    };
    audit::record(connection, &format!("token:{by}"), "cause.state", &format!("cause {cause}"), &said)?;
    Ok(Some(cause))
}

fn write_state(
    connection: &mut dyn Connection,
    cause: i64,
    state: CauseState,
    version: &str,
    note: &str,
    by: &str,
    now_ms: i64,
) -> Result<(), StoreError> {
    // A cause that came back still says which version was to mend it; its history, which one showed it.
    connection.execute(
        "UPDATE cause SET state = $2, fixed_in = CASE WHEN $2 = 'regressed' THEN fixed_in ELSE $3 END,
             note = CASE WHEN $2 = 'regressed' THEN note ELSE $4 END, changed_by = $5, changed_ms = $6 WHERE id = $1",
        values![cause, state.as_str(), version, note, by, now_ms],
    )?;
    connection.execute(
        "INSERT INTO cause_change (cause, at_ms, state, fixed_in, note, changed_by) VALUES ($1, $2, $3, $4, $5, $6)",
        values![cause, now_ms, state.as_str(), version, note, by],
    )?;
    connection.execute("UPDATE assignment SET number = number + 1", &[])?;
    Ok(())
}

/// Whether a cause that was said to be fixed was seen since in a version that should not have it; it is regressed then.
pub fn look_for_regression(
    connection: &mut dyn Connection,
    cause: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let row = connection.row(
        "SELECT fixed_in, changed_ms FROM cause WHERE id = $1 AND state = 'fixed' AND merged_into IS NULL",
        values![cause],
    )?;
    let Some(row) = row else { return Ok(false) };
    let (fixed_in, fixed_ms): (String, i64) = (row.get(0)?, row.get(1)?);
    let rows = connection.query(
        "SELECT o.service, o.version, min(a.first_ms) FROM finding_cause m
         JOIN finding f ON f.id = m.finding AND f.kind <> 'static_finding'
         JOIN appearance a ON a.finding = m.finding JOIN origin o ON o.id = a.origin
         WHERE m.cause = $1 AND a.last_ms > $2 GROUP BY o.service, o.version ORDER BY o.service, o.version",
        values![cause, fixed_ms],
    )?;
    for row in &rows {
        let sighting = Sighting::of(row)?;
        if sighting.is_too_late(connection, &fixed_in, fixed_ms)? {
            let note = format!(
                "seen again in {}",
                if sighting.service.is_empty() { "a service" } else { &sighting.service }
            );
            write_state(connection, cause, CauseState::Regressed, &sighting.version, &note, "", now_ms)?;
            return Ok(true);
        }
    }
    Ok(false)
}

/// A version of a service that showed a cause after it was said to be fixed.
struct Sighting {
    service: String,
    version: String,
    first_ms: i64,
}

impl Sighting {
    fn of(row: &Row) -> Result<Self, StoreError> {
        Ok(Self { service: row.get(0)?, version: row.get(1)?, first_ms: row.get(2)? })
    }

    /// Whether the version should not have it: it is the one that was to mend it, a later one, or one of which nothing is
    /// known.
    fn is_too_late(
        &self,
        connection: &mut dyn Connection,
        fixed_in: &str,
        fixed_ms: i64,
    ) -> Result<bool, StoreError> {
        if self.version.is_empty() {
            return Ok(true);
        }
        if let Some(order) = compare(&self.version, fixed_in) {
            return Ok(order != Ordering::Less);
        }
        let mut seen = |version: &str| -> Result<Option<i64>, StoreError> {
            let row = connection.row(
                "SELECT min(id) FROM origin WHERE service = $1 AND version = $2",
                values![&self.service, version],
            )?;
            Ok(row.map(|row| row.get::<Option<i64>>(0)).transpose()?.flatten())
        };
        Ok(match (seen(&self.version)?, seen(fixed_in)?) {
            (Some(this), Some(fixed)) => this > fixed,
            // Of the version that mends it nothing came yet: one that showed it before is an old one.
            _ => self.first_ms > fixed_ms,
        })
    }
}
