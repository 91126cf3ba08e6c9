//! What is counted beside findings while a transaction is under way, each by its own module.

use super::StoreError;
use super::sql::{Connection, values};
use crate::causes::counting::CauseCounting;
use crate::digest::Digest;
use crate::locks::counting::LockCounting;
use crate::origin::Origin;
use crate::slts::counting::{KnownNames, RequestCounting};

/// Modes of a run in which the detector is at work.
const DETECTING: [&str; 3] = ["test", "run", "build"];

/// What one transaction adds.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) causes: CauseCounting,
    requests: RequestCounting,
    locks: LockCounting,
}

/// A record that is new, and where it is from.
pub(super) struct Fresh<'a> {
    pub(super) origin: &'a Origin,
    pub(super) stream: i64,
    pub(super) now_ms: i64,
    pub(super) line: &'a [u8],
}

impl Counting {
    /// Takes what a record says beside findings.
    pub(super) fn take(
        &mut self,
        connection: &mut dyn Connection,
        known: &mut KnownNames,
        fresh: &Fresh<'_>,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        match digest {
            Digest::Span(span) => self.requests.add(connection, known, fresh.origin, span, fresh.now_ms),
            Digest::Locks(waits) => self.locks.add(connection, fresh.origin, waits, fresh.now_ms),
            Digest::Run { mode } => run(connection, fresh, mode),
        }
    }

    /// Writes what was counted.
    pub(super) fn finish(self, connection: &mut (dyn Connection + 'static)) -> Result<(), StoreError> {
        self.causes.finish(connection)?;
        self.requests.finish(connection)?;
        self.locks.finish(connection)
    }
}

fn run(connection: &mut dyn Connection, fresh: &Fresh<'_>, mode: &str) -> Result<(), StoreError> {
    let line = String::from_utf8_lossy(fresh.line);
    connection.execute(
        "INSERT INTO run_fact (stream, record) VALUES ($1, $2) ON CONFLICT (stream) DO NOTHING",
        values![fresh.stream, &*line],
    )?;
    if DETECTING.contains(&mode) {
        connection.execute(
            "INSERT INTO detector (service, version, mode, last_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (service, version, mode) DO UPDATE SET last_ms = $4",
            values![&fresh.origin.service, &fresh.origin.version, mode, fresh.now_ms],
        )?;
    }
    Ok(())
}
