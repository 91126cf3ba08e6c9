//! Questions to the store. Each is answered from what was counted when records came, never from the records.

use std::path::PathBuf;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde::Serialize;

use super::StoreError;
use super::schema::open_for_reading;
use crate::token::Role;

/// Connections that are kept for the next question.
const KEPT: usize = 8;

/// Asks the store. Any number of questions at once, none of which holds up the writer.
#[derive(Debug)]
pub struct Reader {
    database: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// What was received in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Records that are kept.
    pub records: u64,
    /// Records that were sent again.
    pub duplicates: u64,
    /// Findings.
    pub findings: u64,
}

/// A finding, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingRow {
    /// What makes it this one.
    pub fingerprint: String,
    /// `race`, `crash`, `static_finding`.
    pub kind: String,
    /// One line for people.
    pub title: String,
    /// Milliseconds since the Unix epoch.
    pub first_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub last_ms: i64,
    /// How often it was seen.
    pub occurrences: u64,
}

impl Reader {
    pub(super) fn new(database: PathBuf) -> Self {
        Self { database, idle: Mutex::new(Vec::new()) }
    }

    /// What was received in all.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.ask(|connection| {
            connection.query_row(
                "SELECT records, duplicates, (SELECT count(*) FROM finding) FROM total",
                [],
                |row| {
                    Ok(Totals {
                        records: count(row, 0)?,
                        duplicates: count(row, 1)?,
                        findings: count(row, 2)?,
                    })
                },
            )
        })
    }

    /// What the holder of the token with this hash may do; nothing when there is none or it was revoked.
    pub fn role(&self, hash: &[u8; 32]) -> Result<Option<Role>, StoreError> {
        let role: Option<String> = self.ask(|connection| {
            connection
                .prepare_cached("SELECT role FROM token WHERE hash = ? AND revoked_ms IS NULL")?
                .query_row(params![hash], |row| row.get(0))
                .optional()
        })?;
        Ok(role.and_then(|role| Role::named(&role).ok()))
    }

    /// The findings that were seen last, at most `limit` of them.
    pub fn findings(&self, limit: usize) -> Result<Vec<FindingRow>, StoreError> {
        self.ask(|connection| {
            connection
                .prepare_cached(
                    "SELECT fingerprint, kind, title, first_ms, last_ms, occurrences FROM finding
                     ORDER BY last_ms DESC, id LIMIT ?",
                )?
                .query_map(params![i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                    Ok(FindingRow {
                        fingerprint: row.get(0)?,
                        kind: row.get(1)?,
                        title: row.get(2)?,
                        first_ms: row.get(3)?,
                        last_ms: row.get(4)?,
                        occurrences: count(row, 5)?,
                    })
                })?
                .collect()
        })
    }

    fn ask<T>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_for_reading(&self.database)?,
        };
        let answer = question(&connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(answer)
    }
}

/// A column that counts something.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::unsigned_abs)
}
