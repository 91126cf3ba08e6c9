//! Records the batches of one transaction: which records are new, what they show, and the totals.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::StoreError;
use super::intervals::Intervals;
use super::writer::{Packed, Receipt, compress};
use crate::batch::{BatchRecord, Sighting};
use crate::origin::Origin;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Streams and origins that are remembered between transactions; beyond that all are forgotten and read again.
const REMEMBERED: usize = 10_000;

/// What later transactions need of earlier ones, to spare reading it.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    origins: HashMap<Origin, i64>,
    streams: HashMap<String, Stream>,
    findings: HashMap<String, i64>,
    races: HashMap<(i64, String), i64>,
}

#[derive(Debug)]
struct Stream {
    id: i64,
    received: Intervals,
}

/// Occurrences of one finding in one hour at one origin, not yet in the database.
#[derive(Debug, Default)]
struct Seen {
    occurrences: i64,
    first_ms: i64,
    last_ms: i64,
}

/// One transaction under way.
pub(super) struct Recorder<'a> {
    transaction: &'a Transaction<'a>,
    remembered: &'a mut Remembered,
    seen: HashMap<(i64, i64, i64), Seen>,
    totals: Receipt,
    blocks: i64,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, remembered: &'a mut Remembered) -> Self {
        remembered.forget_if_large();
        let totals = Receipt { accepted: 0, duplicates: 0 };
        Self { transaction, remembered, seen: HashMap::new(), totals, blocks: 0 }
    }

    /// Records what is new of a batch.
    pub(super) fn record(&mut self, packed: &Packed) -> Result<Receipt, StoreError> {
        let (batch, now) = (&packed.batch, packed.received_ms);
        let origin = self.origin(&batch.origin)?;
        let (stream, fresh) = self.receive(packed)?;
        let receipt =
            Receipt { accepted: fresh.len() as u64, duplicates: (batch.records.len() - fresh.len()) as u64 };
        if !fresh.is_empty() {
            let all = fresh.len() == batch.records.len();
            let repacked = (!all).then(|| compress(fresh.iter().map(|record| batch.line(record))));
            self.transaction
                .prepare_cached(
                    "INSERT INTO block (stream, origin, received_ms, records, lines) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    stream,
                    origin,
                    now,
                    signed(receipt.accepted),
                    repacked.as_ref().unwrap_or(&packed.lines)
                ])?;
            self.blocks += 1;
        }
        for record in fresh {
            if let Some(sighting) = &record.sighting {
                let text = || String::from_utf8_lossy(batch.line(record)).into_owned();
                self.see(stream, origin, sighting, when_ms(record, now), text)?;
            }
        }
        self.totals.accepted += receipt.accepted;
        self.totals.duplicates += receipt.duplicates;
        Ok(receipt)
    }

    /// Writes what was counted.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let mut sighting = self.transaction.prepare_cached(
            "INSERT INTO sighting (finding, hour, origin, occurrences) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET occurrences = occurrences + ?4",
        )?;
        let mut finding = self.transaction.prepare_cached(
            "UPDATE finding SET occurrences = occurrences + ?2, first_ms = min(first_ms, ?3), last_ms = max(last_ms, ?4)
             WHERE id = ?1",
        )?;
        for ((id, hour, origin), seen) in &self.seen {
            sighting.execute(params![id, hour, origin, seen.occurrences])?;
            finding.execute(params![id, seen.occurrences, seen.first_ms, seen.last_ms])?;
        }
        self.transaction
            .prepare_cached(
                "UPDATE total SET records = records + ?, duplicates = duplicates + ?, blocks = blocks + ?",
            )?
            .execute(params![signed(self.totals.accepted), signed(self.totals.duplicates), self.blocks])?;
        Ok(())
    }

    fn origin(&mut self, origin: &Origin) -> Result<i64, StoreError> {
        if let Some(id) = self.remembered.origins.get(origin) {
            return Ok(*id);
        }
        let names = params![origin.service, origin.version, origin.instance, origin.environment];
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO origin (service, version, instance, environment) VALUES (?, ?, ?, ?)",
            )?
            .execute(names)?;
        let id = self
            .transaction
            .prepare_cached(
                "SELECT id FROM origin WHERE (service, version, instance, environment) = (?, ?, ?, ?)",
            )?
            .query_row(names, |row| row.get(0))?;
        self.remembered.origins.insert(origin.clone(), id);
        Ok(id)
    }

    /// The stream's id, and the records that were not received before, which are so now.
    fn receive<'b>(&mut self, packed: &'b Packed) -> Result<(i64, Vec<&'b BatchRecord>), StoreError> {
        let (name, now) = (packed.batch.stream.as_str(), packed.received_ms);
        if !self.remembered.streams.contains_key(name) {
            let stream = self.load_stream(name, now)?;
            self.remembered.streams.insert(name.to_owned(), stream);
        }
        let Some(stream) = self.remembered.streams.get_mut(name) else {
            unreachable!("it was just put there")
        };
        let fresh: Vec<_> =
            packed.batch.records.iter().filter(|record| stream.received.insert(record.sequence)).collect();
        let id = stream.id;
        if !fresh.is_empty() {
            let pairs: Vec<_> = stream.received.pairs().collect();
            self.store_intervals(id, &pairs, &fresh)?;
            self.transaction
                .prepare_cached("UPDATE stream SET last_ms = max(last_ms, ?2) WHERE id = ?1")?
                .execute(params![id, now])?;
        }
        Ok((id, fresh))
    }

    fn load_stream(&self, name: &str, now: i64) -> Result<Stream, StoreError> {
        let select = "SELECT id FROM stream WHERE name = ?";
        let known =
            self.transaction.prepare_cached(select)?.query_row([name], |row| row.get(0)).optional()?;
        if let Some(id) = known {
            let mut statement =
                self.transaction.prepare_cached("SELECT first, last FROM received WHERE stream = ?")?;
            let pairs = statement
                .query_map([id], |row| {
                    Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, i64>(1)?.unsigned_abs()))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            return Ok(Stream { id, received: Intervals::from_pairs(pairs) });
        }
        self.transaction
            .prepare_cached("INSERT INTO stream (name, first_ms, last_ms) VALUES (?1, ?2, ?2)")?
            .execute(params![name, now])?;
        Ok(Stream { id: self.transaction.last_insert_rowid(), received: Intervals::default() })
    }

    /// Rewrites the intervals that the fresh records lie in; those lie between the first and the last of them.
    fn store_intervals(
        &self,
        stream: i64,
        pairs: &[(u64, u64)],
        fresh: &[&BatchRecord],
    ) -> Result<(), StoreError> {
        let (Some(low), Some(high)) = (fresh.first(), fresh.last()) else { return Ok(()) };
        let touched = pairs.iter().filter(|(first, last)| *last >= low.sequence && *first <= high.sequence);
        let mut delete = self
            .transaction
            .prepare_cached("DELETE FROM received WHERE stream = ? AND first BETWEEN ? AND ?")?;
        let mut insert =
            self.transaction.prepare_cached("INSERT INTO received (stream, first, last) VALUES (?, ?, ?)")?;
        for (first, last) in touched {
            delete.execute(params![stream, signed(*first), signed(*last)])?;
            insert.execute(params![stream, signed(*first), signed(*last)])?;
        }
        Ok(())
    }

    fn see(
        &mut self,
        stream: i64,
        origin: i64,
        sighting: &Sighting,
        ms: i64,
        text: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        match sighting {
            Sighting::Full { fingerprint, kind, race_id, title } => {
                let id = self.finding(fingerprint.as_str(), kind, title, ms, text)?;
                self.count(id, origin, ms, 1);
                if let Some(race) = race_id {
                    self.name_race(stream, race, id)?;
                }
            }
            Sighting::Repeat { race_id } => match self.race(stream, race_id)? {
                Some(id) => self.count(id, origin, ms, 1),
                None => self.keep_orphan(stream, race_id, origin, ms)?,
            },
        }
        Ok(())
    }

    fn count(&mut self, finding: i64, origin: i64, ms: i64, occurrences: i64) {
        let seen = self.seen.entry((finding, ms / HOUR_MS, origin)).or_default();
        seen.first_ms = if seen.occurrences == 0 { ms } else { seen.first_ms.min(ms) };
        seen.last_ms = seen.last_ms.max(ms);
        seen.occurrences += occurrences;
    }

    fn finding(
        &mut self,
        fingerprint: &str,
        kind: &str,
        title: &str,
        ms: i64,
        text: impl Fn() -> String,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.remembered.findings.get(fingerprint) {
            return Ok(*id);
        }
        let known = self
            .transaction
            .prepare_cached("SELECT id FROM finding WHERE fingerprint = ?")?
            .query_row([fingerprint], |row| row.get(0))
            .optional()?;
        let id = if let Some(id) = known {
            id
        } else {
            self.transaction
                .prepare_cached(
                    "INSERT INTO finding (fingerprint, kind, title, first_ms, last_ms, occurrences, exemplar)
                     VALUES (?1, ?2, ?3, ?4, ?4, 0, ?5)",
                )?
                .execute(params![fingerprint, kind, title, ms, text()])?;
            self.transaction.last_insert_rowid()
        };
        self.remembered.findings.insert(fingerprint.to_owned(), id);
        Ok(id)
    }

    fn race(&mut self, stream: i64, race: &str) -> Result<Option<i64>, StoreError> {
        let key = (stream, race.to_owned());
        if let Some(id) = self.remembered.races.get(&key) {
            return Ok(Some(*id));
        }
        let known = self
            .transaction
            .prepare_cached("SELECT finding FROM race_name WHERE stream = ? AND race = ?")?
            .query_row(params![stream, race], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            self.remembered.races.insert(key, id);
        }
        Ok(known)
    }

    /// Remembers how the stream calls the race, and counts the repeats that came before it.
    fn name_race(&mut self, stream: i64, race: &str, finding: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached("INSERT OR IGNORE INTO race_name (stream, race, finding) VALUES (?, ?, ?)")?
            .execute(params![stream, race, finding])?;
        let mut take = self.transaction.prepare_cached(
            "DELETE FROM orphan WHERE stream = ? AND race = ? RETURNING origin, occurrences, last_ms",
        )?;
        let orphans = take
            .query_map(params![stream, race], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<Vec<(i64, i64, i64)>, _>>()?;
        for (origin, occurrences, ms) in orphans {
            self.count(finding, origin, ms, occurrences);
        }
        Ok(())
    }

    fn keep_orphan(&self, stream: i64, race: &str, origin: i64, ms: i64) -> Result<(), StoreError> {
        self.transaction
            .prepare_cached(
                "INSERT INTO orphan (stream, race, hour, origin, occurrences, last_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5)
                 ON CONFLICT DO UPDATE SET occurrences = occurrences + 1, last_ms = max(last_ms, ?5)",
            )?
            .execute(params![stream, race, ms / HOUR_MS, origin, ms])?;
        Ok(())
    }
}

impl Remembered {
    fn forget_if_large(&mut self) {
        let most = self.origins.len().max(self.streams.len()).max(self.findings.len()).max(self.races.len());
        if most > REMEMBERED {
            *self = Self::default();
        }
    }
}

/// When a record happened. A time that it does not say, or that lies in the future, is when it came.
fn when_ms(record: &BatchRecord, now: i64) -> i64 {
    match i64::try_from(record.time_unix_ns / 1_000_000) {
        Ok(ms) if ms > 0 && ms <= now => ms,
        _ => now,
    }
}

/// SQLite's integers are signed; sequence numbers are checked to fit when they are read.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
