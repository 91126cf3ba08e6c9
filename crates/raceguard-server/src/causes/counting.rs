//! Counts sightings for causes, in the transaction of the records that show them: by origin, by minute, by cause.

use std::collections::BTreeMap;

use crate::store::StoreError;
use crate::store::sql::{Connection, values};

const MINUTE_MS: i64 = 60_000;

/// Milliseconds since the Unix epoch of the first and last sighting, and how many there were.
#[derive(Debug, Clone, Copy)]
struct Sightings {
    first_ms: i64,
    last_ms: i64,
    occurrences: u64,
}

/// What one transaction adds.
#[derive(Debug, Default)]
pub(crate) struct CauseCounting {
    /// By finding and origin.
    seen: BTreeMap<(i64, i64), Sightings>,
    /// By minute and finding.
    minutes: BTreeMap<(i64, i64), u64>,
}

impl CauseCounting {
    /// A finding was seen.
    pub(crate) fn saw(&mut self, finding: i64, origin: i64, ms: i64, occurrences: u64) {
        let none = Sightings { first_ms: ms, last_ms: ms, occurrences: 0 };
        let seen = self.seen.entry((finding, origin)).or_insert(none);
        seen.first_ms = seen.first_ms.min(ms);
        seen.last_ms = seen.last_ms.max(ms);
        seen.occurrences += occurrences;
        *self.minutes.entry((ms / MINUTE_MS, finding)).or_default() += occurrences;
    }

    /// A finding was made: it waits for its diagnosis, with the stream that showed it first.
    pub(crate) fn made(connection: &mut dyn Connection, finding: i64, stream: i64) -> Result<(), StoreError> {
        connection.execute(
            "INSERT INTO finding_stream (finding, stream) VALUES ($1, $2)",
            values![finding, stream],
        )?;
        connection.execute("INSERT INTO undiagnosed (finding) VALUES ($1)", values![finding])?;
        Ok(())
    }

    /// Writes what was added. The rows of the findings are locked by then, so a cause that a finding is being given
    /// elsewhere either counts it already or is seen here.
    pub(crate) fn finish(self, connection: &mut dyn Connection) -> Result<(), StoreError> {
        for ((minute, finding), occurrences) in &self.minutes {
            connection.execute(
                "INSERT INTO recent (minute, finding, occurrences) VALUES ($1, $2, $3)
                 ON CONFLICT (minute, finding) DO UPDATE SET occurrences = recent.occurrences + $3",
                values![minute, finding, *occurrences],
            )?;
        }
        for ((finding, origin), seen) in &self.seen {
            let Sightings { first_ms, last_ms, occurrences } = *seen;
            connection.execute(
                "INSERT INTO appearance (finding, origin, first_ms, last_ms, occurrences)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT (finding, origin) DO UPDATE SET
                     first_ms = CASE WHEN $3 < appearance.first_ms THEN $3 ELSE appearance.first_ms END,
                     last_ms = CASE WHEN $4 > appearance.last_ms THEN $4 ELSE appearance.last_ms END,
                     occurrences = appearance.occurrences + $5",
                values![finding, origin, first_ms, last_ms, occurrences],
            )?;
            count_for_cause(connection, *finding, *origin, *seen)?;
        }
        Ok(())
    }
}

fn count_for_cause(
    connection: &mut dyn Connection,
    finding: i64,
    origin: i64,
    seen: Sightings,
) -> Result<(), StoreError> {
    let row = connection.row(
        "SELECT m.cause, f.kind, o.service FROM finding_cause m JOIN finding f ON f.id = m.finding
         JOIN origin o ON o.id = $2 WHERE m.finding = $1",
        values![finding, origin],
    )?;
    let Some(row) = row else { return Ok(()) };
    let (cause, kind, service): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    // What static analysis sees does not happen.
    let happened = if kind == "static_finding" { 0 } else { seen.occurrences };
    connection.execute(
        "UPDATE cause SET occurrences = occurrences + $2,
             first_ms = CASE WHEN $3 < first_ms THEN $3 ELSE first_ms END,
             last_ms = CASE WHEN $4 > last_ms THEN $4 ELSE last_ms END
         WHERE id = $1",
        values![cause, happened, seen.first_ms, seen.last_ms],
    )?;
    connection.execute(
        "INSERT INTO cause_service (cause, service, first_ms, last_ms, occurrences) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (cause, service) DO UPDATE SET
             first_ms = CASE WHEN $3 < cause_service.first_ms THEN $3 ELSE cause_service.first_ms END,
             last_ms = CASE WHEN $4 > cause_service.last_ms THEN $4 ELSE cause_service.last_ms END,
             occurrences = cause_service.occurrences + $5",
        values![cause, &service, seen.first_ms, seen.last_ms, happened],
    )?;
    Ok(())
}
