//! What people, or sightings, make of a cause's state.

use std::cmp::Ordering;

use super::questions::current;
use super::state::{CauseState, StateChange};
use super::version::compare;
use crate::audit;
use crate::store::StoreError;
use crate::store::sql::{Connection, Row, values};

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
