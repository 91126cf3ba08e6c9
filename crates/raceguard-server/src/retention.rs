//! What is kept, and for how long.
//!
//! Evidence older than the limit is removed in steps of a few milliseconds, each a change of its own, so that batches that
//! wait are written in between. Root-cause bundles go with it, counters of findings stay. The room goes back to the disk in steps too.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::slts::bundle::table::forget as forget_bundles;
use crate::store::sql::{Connection, Dialect, values};
use crate::store::{StoreError, Writer, partitions};

/// How often it is looked for what is too old.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// How long the first look waits, so that a start is not held up.
const FIRST_LOOK: Duration = Duration::from_secs(30);
/// How long a step should take; the next one is made smaller or larger for that.
const STEP_TIME: Duration = Duration::from_millis(10);
/// Blocks of a step, to begin with and at most. Pages that a step gives back.
const FIRST_BLOCKS: u64 = 16;
const MOST_BLOCKS: u64 = 1_000;
const PAGES: u64 = 512;
/// How long batches have the writer to themselves between two steps.
const BETWEEN: Duration = Duration::from_millis(20);
const DAY_MS: i64 = 24 * 3_600_000;

/// How long evidence is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// In days.
    pub days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { days: 30 }
    }
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Batches of evidence.
    pub blocks: u64,
    /// Pages of the file that went back to the disk.
    pub pages: u64,
    /// The longest step.
    pub longest: Duration,
}

impl Retention {
    /// Removes what is too old, again and again until `stop`.
    pub async fn run(self, writer: Writer, stop: CancellationToken) -> Result<(), StoreError> {
        let mut pause = FIRST_LOOK;
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = LOOK_EVERY;
            // A database that fails now is tried again: that it fails shows in every batch.
            let _ = self.remove(&writer, now_ms(), &stop).await;
        }
    }

    /// Removes what is too old at this time.
    pub async fn remove(
        self,
        writer: &Writer,
        now_ms: i64,
        stop: &CancellationToken,
    ) -> Result<Removed, StoreError> {
        let oldest = now_ms - i64::from(self.days) * DAY_MS;
        let (mut removed, mut size) = (Removed::default(), FIRST_BLOCKS);
        writer.change(move |connection| forget_bundles(connection, oldest)).await?;
        // Whole days first, where they are tables: that costs nothing, however much they hold.
        let (blocks, longest) =
            writer.change(move |connection| timed(|| partitions::drop_days(connection, oldest))).await?;
        (removed.blocks, removed.longest) = (blocks, longest);
        while !stop.is_cancelled() {
            let (blocks, time) =
                writer.change(move |connection| timed(|| remove_blocks(connection, oldest, size))).await?;
            removed.blocks += blocks;
            removed.longest = removed.longest.max(time);
            if blocks < size {
                break;
            }
            size = if time > STEP_TIME { (size / 2).max(1) } else { (size * 2).min(MOST_BLOCKS) };
            tokio::time::sleep(BETWEEN).await;
        }
        while removed.blocks > 0 && !stop.is_cancelled() {
            let (pages, time) = writer.change(|connection| timed(|| give_back(connection))).await?;
            removed.pages += pages;
            removed.longest = removed.longest.max(time);
            if pages == 0 {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
        }
        Ok(removed)
    }
}

fn timed(change: impl FnOnce() -> Result<u64, StoreError>) -> Result<(u64, Duration), StoreError> {
    let start = Instant::now();
    change().map(|count| (count, start.elapsed()))
}

/// Removes old blocks, but never the newest: SQLite would give its number to the next one, and who notes up to which block
/// they looked would pass that by.
fn remove_blocks(connection: &mut dyn Connection, oldest: i64, most: u64) -> Result<u64, StoreError> {
    let removed = connection.execute(
        "DELETE FROM block WHERE id IN
             (SELECT id FROM block WHERE received_ms < $1 AND id < (SELECT max(id) FROM block)
              ORDER BY received_ms LIMIT $2)",
        values![oldest, most],
    )?;
    if removed > 0 {
        connection.execute("UPDATE total SET blocks = blocks - $1", values![removed])?;
    }
    Ok(removed)
}

/// Gives pages that hold nothing back to the disk; a database that can't do so uses them for what comes.
fn give_back(connection: &mut dyn Connection) -> Result<u64, StoreError> {
    if connection.dialect() != Dialect::Sqlite {
        return Ok(0);
    }
    let mut free = || -> Result<u64, StoreError> {
        let row = connection.row("PRAGMA freelist_count", &[])?;
        row.map_or(Ok(0), |row| row.get(0))
    };
    let before = free()?;
    if before == 0 {
        return Ok(0);
    }
    // It answers with a row for each page, and goes on only as long as rows are asked for.
    connection.query(&format!("PRAGMA incremental_vacuum({PAGES})"), &[])?;
    let row = connection.row("PRAGMA freelist_count", &[])?;
    Ok(before - row.map_or(Ok(0), |row| row.get::<u64>(0))?.min(before))
}
