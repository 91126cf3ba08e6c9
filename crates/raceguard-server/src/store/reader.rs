//! Questions to the store. Each is answered from what was counted when records came, never from the records.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::StoreError;
use super::sql::{Connection, Database, values};
use crate::clock::now_ms;
use crate::token::{Holder, table};

/// Connections that are kept for the next question.
const KEPT: usize = 8;

/// Asks the store. Any number of questions at once, none of which holds up the writer. Cheap to clone.
#[derive(Clone)]
pub struct Reader {
    /// Before the database: it outlives its connections.
    idle: Arc<Mutex<Vec<Box<dyn Connection>>>>,
    database: Arc<dyn Database>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("database", &self.database).finish_non_exhaustive()
    }
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
    pub(super) fn new(database: Arc<dyn Database>) -> Self {
        Self { idle: Arc::default(), database }
    }

    /// What was received in all.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        self.ask(|connection| {
            let row = connection
                .row("SELECT records, duplicates, (SELECT count(*) FROM finding) FROM total", &[])?
                .ok_or(StoreError::Incomplete("total"))?;
            Ok(Totals { records: row.get(0)?, duplicates: row.get(1)?, findings: row.get(2)? })
        })
    }

    /// Who holds the token with this hash; nothing when there is none or it was revoked.
    pub fn holder(&self, hash: &[u8; 32]) -> Result<Option<Holder>, StoreError> {
        self.ask(|connection| table::holder(connection, hash, now_ms()))
    }

    /// The findings that were seen last, at most `limit` of them.
    pub fn findings(&self, limit: usize) -> Result<Vec<FindingRow>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                "SELECT fingerprint, kind, title, first_ms, last_ms, occurrences FROM finding
                 ORDER BY last_ms DESC, id LIMIT $1",
                values![limit as u64],
            )
        })?;
        let findings = rows.iter().map(|row| {
            Ok(FindingRow {
                fingerprint: row.get(0)?,
                kind: row.get(1)?,
                title: row.get(2)?,
                first_ms: row.get(3)?,
                last_ms: row.get(4)?,
                occurrences: row.get(5)?,
            })
        });
        findings.collect()
    }

    /// Asks the database. A connection on which a question failed is not used again.
    pub fn ask<T>(
        &self,
        question: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.database.reading()?,
        };
        let answer = question(&mut *connection)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(connection);
        }
        Ok(answer)
    }
}
