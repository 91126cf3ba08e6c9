//! What pages ask the store about findings: always tables of counts, and the one record that a page shows.

use std::collections::BTreeMap;

use crate::store::sql::{Row, values};
use crate::store::{FindingRow, Reader, StoreError};

/// Programs of which a page tells where a finding was seen.
const ORIGINS: u64 = 500;

/// Where a finding was seen.
#[derive(Debug, Clone)]
pub(super) struct SeenAt {
    pub(super) service: String,
    pub(super) version: String,
    pub(super) instance: String,
    pub(super) environment: String,
    pub(super) occurrences: u64,
    /// Milliseconds since the Unix epoch, to the hour.
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

const HOUR_MS: i64 = 3_600_000;

/// A sequence of records of one sender, and which program its newest records are from.
#[derive(Debug)]
pub(super) struct StreamLine {
    pub(super) name: String,
    pub(super) service: String,
    pub(super) version: String,
    pub(super) instance: String,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
}

impl Reader {
    /// The streams that came last.
    pub(super) fn last_streams(&self, limit: u64) -> Result<Vec<StreamLine>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                "SELECT s.name, s.first_ms, s.last_ms, o.service, o.version, o.instance
                 FROM (SELECT id, name, first_ms, last_ms FROM stream ORDER BY last_ms DESC, id LIMIT $1) s
                 LEFT JOIN block b ON b.id = (SELECT max(n.id) FROM block n WHERE n.stream = s.id)
                 LEFT JOIN origin o ON o.id = b.origin ORDER BY s.last_ms DESC, s.id",
                values![limit],
            )
        })?;
        let name =
            |row: &Row, column| Ok::<_, StoreError>(row.get::<Option<String>>(column)?.unwrap_or_default());
        let line = |row: &Row| {
            Ok(StreamLine {
                name: row.get(0)?,
                first_ms: row.get(1)?,
                last_ms: row.get(2)?,
                service: name(row, 3)?,
                version: name(row, 4)?,
                instance: name(row, 5)?,
            })
        };
        rows.iter().map(line).collect()
    }

    /// The findings with these ids, those that are there.
    pub(super) fn finding_lines_of(&self, ids: &[i64]) -> Result<Vec<FindingRow>, StoreError> {
        self.ask(|connection| {
            let mut lines = Vec::with_capacity(ids.len());
            for id in ids {
                let sql = format!("SELECT {} FROM finding WHERE id = $1", FindingRow::COLUMNS);
                lines.extend(connection.row(&sql, values![id])?.as_ref().map(FindingRow::of).transpose()?);
            }
            Ok(lines)
        })
    }

    /// The finding with this fingerprint, and its first record.
    pub(super) fn finding(&self, fingerprint: &str) -> Result<Option<(FindingRow, String)>, StoreError> {
        let row = self.ask(|connection| {
            let sql = format!("SELECT {}, exemplar FROM finding WHERE fingerprint = $1", FindingRow::COLUMNS);
            connection.row(&sql, values![fingerprint])
        })?;
        row.as_ref().map(|row| Ok((FindingRow::of(row)?, row.get(7)?))).transpose()
    }

    /// How often the finding was seen in each hour from the first to the last, both included.
    pub(super) fn hours_of(&self, finding: i64, first: i64, last: i64) -> Result<Vec<u64>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                "SELECT hour, CAST(sum(occurrences) AS BIGINT) FROM sighting
                 WHERE finding = $1 AND hour >= $2 AND hour <= $3 GROUP BY hour",
                values![finding, first, last],
            )
        })?;
        let counts = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?)));
        let counts: BTreeMap<i64, u64> = counts.collect::<Result<_, StoreError>>()?;
        Ok((first..=last).map(|hour| counts.get(&hour).copied().unwrap_or(0)).collect())
    }

    /// Where the finding was seen, most often first.
    pub(super) fn seen_at(&self, finding: i64) -> Result<Vec<SeenAt>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                "SELECT origin.service, origin.version, origin.instance, origin.environment,
                        CAST(sum(sighting.occurrences) AS BIGINT) AS often, min(sighting.hour), max(sighting.hour)
                 FROM sighting JOIN origin ON origin.id = sighting.origin WHERE sighting.finding = $1
                 GROUP BY origin.id, origin.service, origin.version, origin.instance, origin.environment
                 ORDER BY often DESC, origin.id LIMIT $2",
                values![finding, ORIGINS],
            )
        })?;
        let place = |row: &Row| {
            Ok(SeenAt {
                service: row.get(0)?,
                version: row.get(1)?,
                instance: row.get(2)?,
                environment: row.get(3)?,
                occurrences: row.get(4)?,
                first_ms: row.get::<i64>(5)? * HOUR_MS,
                last_ms: row.get::<i64>(6)? * HOUR_MS,
            })
        };
        rows.iter().map(place).collect()
    }

    /// The causes that were seen first last: id, name, title, class, trap, occurrences, first and last time.
    pub(super) fn newest_causes(&self, after: i64, limit: u64) -> Result<Vec<i64>, StoreError> {
        let rows = self.ask(|connection| {
            connection.query(
                "SELECT id FROM cause WHERE merged_into IS NULL AND first_ms >= $1 ORDER BY first_ms DESC, id LIMIT $2",
                values![after, limit],
            )
        })?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// How many causes are in each state.
    pub(super) fn cause_states(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let rows = self.ask(|connection| {
            connection
                .query("SELECT state, count(*) FROM cause WHERE merged_into IS NULL GROUP BY state", &[])
        })?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// The causes of these findings.
    pub(super) fn causes_of(&self, findings: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.ask(|connection| {
            let mut causes = Vec::new();
            for finding in findings {
                let row =
                    connection.row("SELECT cause FROM finding_cause WHERE finding = $1", values![finding])?;
                causes.extend(row.map(|row| row.get::<i64>(0)).transpose()?);
            }
            causes.sort_unstable();
            causes.dedup();
            Ok(causes)
        })
    }

    /// The newest number of a cause; 0 when there is none.
    pub(super) fn last_cause(&self) -> Result<i64, StoreError> {
        let row =
            self.ask(|connection| connection.row("SELECT id FROM cause ORDER BY id DESC LIMIT 1", &[]))?;
        row.map_or(Ok(0), |row| row.get(0))
    }
}
