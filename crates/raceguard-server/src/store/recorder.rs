//! Records the batches of one transaction: which records are new, what they show, and the totals.
//!
//! A transaction takes the same few steps however many batches it holds, and each step is one exchange with the database:
//! streams ([`streams`]), findings and the names of races ([`findings`]), blocks, then the counts. Everybody locks rows in
//! this order of tables, and in the order of keys in each of them.

mod findings;
mod remembered;
mod streams;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::StoreError;
use super::committed::{Committed, Seen};
use super::counting::{Counting, Fresh};
use super::sql::{Connection, row_of, values};
use super::writer::{Packed, compress};
use crate::batch::BatchRecord;
use crate::origin::Origin;
use findings::Naming;
pub(super) use remembered::Remembered;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Occurrences of one finding in one hour at one origin, not yet in the database.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    occurrences: u64,
    first_ms: i64,
    last_ms: i64,
}

/// A batch, and which of its records were not received before.
struct FreshBatch<'b> {
    packed: &'b Packed,
    stream: i64,
    origin: Arc<Origin>,
    origin_id: i64,
    records: Vec<&'b BatchRecord>,
}

/// One transaction under way.
pub(super) struct Recorder<'a> {
    connection: &'a mut (dyn Connection + 'static),
    remembered: &'a mut Remembered,
    /// By finding, hour and origin.
    counted: BTreeMap<(i64, i64, i64), Counted>,
    /// What each batch shows, by finding.
    seen: Vec<BTreeMap<i64, Seen>>,
    /// The findings that this transaction makes, and the batch that shows each of them first.
    made: HashMap<i64, usize>,
    naming: Naming,
    counting: Counting,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        connection: &'a mut (dyn Connection + 'static),
        remembered: &'a mut Remembered,
    ) -> Self {
        remembered.begin(connection.dialect());
        Self {
            connection,
            remembered,
            counted: BTreeMap::new(),
            seen: Vec::new(),
            made: HashMap::new(),
            naming: Naming::default(),
            counting: Counting::default(),
        }
    }

    /// Records what is new of the batches; gives what each of them changed.
    pub(super) fn record(mut self, packed: &[&Packed]) -> Result<Vec<Committed>, StoreError> {
        let batches = self.receive(packed)?;
        self.seen = batches.iter().map(|_| BTreeMap::new()).collect();
        self.find(&batches)?;
        let blocks = self.keep(&batches)?;
        for (number, batch) in batches.iter().enumerate() {
            for record in &batch.records {
                self.count_record(number, batch, record)?;
            }
        }
        self.settle_names()?;
        let committed = self.committed(&batches, blocks);
        self.finish(&committed)?;
        Ok(committed)
    }

    /// Writes the blocks; gives their numbers, which ascend in the order of the batches.
    fn keep(&mut self, batches: &[FreshBatch<'_>]) -> Result<Vec<Option<i64>>, StoreError> {
        let fresh: Vec<_> = batches.iter().filter(|batch| !batch.records.is_empty()).collect();
        let repacked: Vec<_> = fresh.iter().map(|batch| batch.repacked()).collect();
        let rows: Vec<_> = fresh
            .iter()
            .zip(&repacked)
            .map(|(batch, repacked)| {
                let lines = repacked.as_ref().unwrap_or(&batch.packed.lines);
                let (now, records) = (batch.packed.received_ms, batch.records.len() as u64);
                row_of![batch.stream, batch.origin_id, now, records, lines]
            })
            .collect();
        let answers = self.connection.query_all(
            "INSERT INTO block (stream, origin, received_ms, records, lines) VALUES ($1, $2, $3, $4, $5)
             RETURNING id",
            &rows,
        )?;
        let mut answers = answers.into_iter();
        let block = |batch: &FreshBatch<'_>| {
            if batch.records.is_empty() {
                return Ok(None);
            }
            let row = answers.next().and_then(|rows| rows.into_iter().next());
            row.ok_or(StoreError::Incomplete("block"))?.get(0).map(Some)
        };
        batches.iter().map(block).collect()
    }

    fn count_record(
        &mut self,
        number: usize,
        batch: &FreshBatch<'_>,
        record: &BatchRecord,
    ) -> Result<(), StoreError> {
        let now = batch.packed.received_ms;
        if let Some(sighting) = &record.sighting {
            self.see(number, batch, sighting, when_ms(record, now))?;
        }
        if let Some(digest) = &record.digest {
            let line = batch.packed.batch.line(record);
            let fresh = Fresh { origin: &batch.origin, stream: batch.stream, now_ms: now, line };
            self.counting.take(self.connection, &mut self.remembered.names, &fresh, digest)?;
        }
        Ok(())
    }

    fn count(&mut self, number: usize, finding: i64, origin: i64, ms: i64, occurrences: u64) {
        self.counting.causes.saw(finding, origin, ms, occurrences);
        let counted = self.counted.entry((finding, ms / HOUR_MS, origin)).or_default();
        counted.add(Counted { occurrences, first_ms: ms, last_ms: ms });
        let is_new = self.made.get(&finding) == Some(&number);
        let Some(seen) = self.seen.get_mut(number) else { return };
        let seen = seen.entry(finding).or_insert(Seen { finding, is_new, occurrences: 0, last_ms: ms });
        seen.occurrences += occurrences;
        seen.last_ms = seen.last_ms.max(ms);
    }

    fn committed(&mut self, batches: &[FreshBatch<'_>], blocks: Vec<Option<i64>>) -> Vec<Committed> {
        let seen = std::mem::take(&mut self.seen);
        let parts = batches.iter().zip(blocks).zip(seen);
        let committed = parts.map(|((batch, block), seen)| {
            let accepted = batch.records.len() as u64;
            Committed {
                origin: Arc::clone(&batch.origin),
                block,
                received_ms: batch.packed.received_ms,
                accepted,
                duplicates: batch.packed.batch.records.len() as u64 - accepted,
                seen: seen.into_values().collect(),
            }
        });
        committed.collect()
    }

    /// Writes what was counted.
    fn finish(self, committed: &[Committed]) -> Result<(), StoreError> {
        let rows: Vec<_> = self
            .counted
            .iter()
            .map(|((finding, hour, origin), it)| row_of![finding, hour, origin, it.occurrences])
            .collect();
        self.connection.execute_all(
            "INSERT INTO sighting (finding, hour, origin, occurrences) VALUES ($1, $2, $3, $4)
             ON CONFLICT (finding, hour, origin) DO UPDATE SET occurrences = sighting.occurrences + $4",
            &rows,
        )?;
        let mut findings: BTreeMap<i64, Counted> = BTreeMap::new();
        for ((finding, ..), counted) in &self.counted {
            findings.entry(*finding).or_default().add(*counted);
        }
        let rows: Vec<_> = findings
            .iter()
            .map(|(finding, it)| row_of![finding, it.occurrences, it.first_ms, it.last_ms])
            .collect();
        self.connection.execute_all(
            "UPDATE finding SET occurrences = occurrences + $2,
                 first_ms = CASE WHEN $3 < first_ms THEN $3 ELSE first_ms END,
                 last_ms = CASE WHEN $4 > last_ms THEN $4 ELSE last_ms END
             WHERE id = $1",
            &rows,
        )?;
        self.counting.finish(self.connection)?;
        let sum = |count: fn(&Committed) -> u64| committed.iter().map(count).sum::<u64>();
        let blocks = sum(|batch| u64::from(batch.block.is_some()));
        self.connection.execute(
            "UPDATE total SET records = records + $1, duplicates = duplicates + $2, blocks = blocks + $3",
            values![sum(|batch| batch.accepted), sum(|batch| batch.duplicates), blocks],
        )?;
        Ok(())
    }
}

impl Counted {
    fn add(&mut self, other: Self) {
        self.first_ms =
            if self.occurrences == 0 { other.first_ms } else { self.first_ms.min(other.first_ms) };
        self.last_ms = self.last_ms.max(other.last_ms);
        self.occurrences += other.occurrences;
    }
}

impl FreshBatch<'_> {
    /// Its new lines compressed, when some of the batch's are not new.
    fn repacked(&self) -> Option<Vec<u8>> {
        let batch = &self.packed.batch;
        let is_whole = self.records.len() == batch.records.len();
        (!is_whole).then(|| compress(self.records.iter().map(|record| batch.line(record))))
    }
}

/// When a record happened. A time that it does not say, or that lies in the future, is when it came.
fn when_ms(record: &BatchRecord, now: i64) -> i64 {
    match i64::try_from(record.time_unix_ns / 1_000_000) {
        Ok(ms) if ms > 0 && ms <= now => ms,
        _ => now,
    }
}
