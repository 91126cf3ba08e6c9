//! The order in which batches were committed, which all who evaluate share.
//!
//! Blocks get their numbers before they are committed, so with several replicas a smaller one can appear after a greater
//! one. The count of all records only grows under a lock that is held until the commit: what it was at the end of a
//! batch is the batch's place ([`Committed::number`]). A batch follows another directly when the difference of their places
//! is its number of records, so whoever misses one knows it.

use serde_json::json;

use crate::store::sql::{Connection, values};
use crate::store::{Committed, Reader, StoreError};

/// How long the order is kept at least, in milliseconds: a bit longer than the hour that policies are tried on.
const KEPT_MS: i64 = 65 * 60_000;

/// Transactions that are forgotten at once. A long window that is no longer in force leaves millions of them, and
/// batches wait while they go.
const FORGOTTEN: u64 = 5_000;

/// A place in the order, and when the last record up to there came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Records up to there.
    pub number: i64,
    /// When the last of them came, in milliseconds since the Unix epoch.
    pub at_ms: i64,
}

/// A batch, as it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Noted {
    /// Its place.
    pub(super) number: i64,
    /// Its new records.
    pub(super) records: i64,
    /// Its row in the table `block`.
    pub(super) block: i64,
    /// Findings that it was the first to show.
    pub(super) new: Vec<i64>,
}

/// Gives the batches of a transaction their places and notes them, in that transaction. `records` is the count of all
/// records, these included.
pub(crate) fn note(
    connection: &mut dyn Connection,
    committed: &mut [Committed],
    records: i64,
) -> Result<(), StoreError> {
    let (mut number, mut blocks) = (records, Vec::new());
    for batch in committed.iter_mut().rev() {
        batch.number = number;
        let Some(block) = batch.block else { continue };
        number -= signed(batch.accepted);
        let new = batch.seen.iter().filter(|seen| seen.is_new).map(|seen| seen.finding);
        blocks.push(json!([block, batch.accepted, new.collect::<Vec<_>>()]));
    }
    if blocks.is_empty() {
        return Ok(());
    }
    blocks.reverse();
    let at_ms = committed.iter().map(|batch| batch.received_ms).max().unwrap_or(0);
    connection.execute(
        "INSERT INTO policy_commit (number, at_ms, blocks) VALUES ($1, $2, $3)",
        values![records, at_ms, &json!(blocks).to_string()],
    )?;
    Ok(())
}

/// The batches behind a place, of at most `limit` transactions, in their order.
pub(super) fn after(
    connection: &mut (dyn Connection + 'static),
    number: i64,
    limit: usize,
) -> Result<Vec<Noted>, StoreError> {
    let rows = connection.query(
        "SELECT number, blocks FROM policy_commit WHERE number > $1 ORDER BY number LIMIT $2",
        values![number, limit as u64],
    )?;
    let mut all = Vec::new();
    for row in &rows {
        let (last, blocks): (i64, String) = (row.get(0)?, row.get(1)?);
        let blocks: Vec<(i64, i64, Vec<i64>)> = serde_json::from_str(&blocks).unwrap_or_default();
        let mut number = last - blocks.iter().map(|(_, records, _)| records).sum::<i64>();
        for (block, records, new) in blocks {
            number += records;
            all.push(Noted { number, records, block, new });
        }
    }
    Ok(all)
}

/// Forgets what was evaluated by everybody and lies before all windows, of which the longest is given in milliseconds.
/// A trigger that comes into force later counts only what comes after it.
pub(crate) fn forget(connection: &mut dyn Connection, upto: Place, window_ms: i64) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM policy_commit WHERE at_ms < $1 AND number < $2
           AND number < COALESCE((SELECT min(number) FROM policy_trigger), $2)
           AND number IN (SELECT number FROM policy_commit ORDER BY number LIMIT $3)",
        values![upto.at_ms.saturating_sub(window_ms).saturating_sub(KEPT_MS), upto.number, FORGOTTEN],
    )?;
    Ok(())
}

/// The end of the order.
pub(super) fn newest(connection: &mut (dyn Connection + 'static)) -> Result<Place, StoreError> {
    let row = connection.row("SELECT number, at_ms FROM policy_commit ORDER BY number DESC LIMIT 1", &[])?;
    row.map_or(Ok(Place::default()), |row| Ok(Place { number: row.get(0)?, at_ms: row.get(1)? }))
}

impl Reader {
    /// The end of the order.
    pub(super) fn newest_commit(&self) -> Result<Place, StoreError> {
        self.ask(newest)
    }

    /// The last place that was reached before a time; the first one when there is none.
    pub(super) fn commit_before(&self, at_ms: i64) -> Result<Place, StoreError> {
        self.ask(|connection| {
            let row = connection.row(
                "SELECT number, at_ms FROM policy_commit WHERE at_ms < $1 ORDER BY at_ms DESC, number DESC LIMIT 1",
                values![at_ms],
            )?;
            row.map_or(Ok(Place::default()), |row| Ok(Place { number: row.get(0)?, at_ms: row.get(1)? }))
        })
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
