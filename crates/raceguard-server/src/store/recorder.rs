//! Records the batches of one transaction: which records are new, what they show, and the totals.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::StoreError;
use super::committed::{Committed, Seen};
use super::counting::{Counting, Fresh};
use super::intervals::Intervals;
use super::sql::{Connection, Dialect, Row, values};
use super::writer::{Packed, compress};
use crate::batch::{BatchRecord, Sighting};
use crate::causes::counting::CauseCounting;
use crate::origin::Origin;
use crate::policies::commits;
use crate::slts::counting::KnownNames;

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Streams and origins that are remembered between transactions; beyond that all are forgotten and read again.
const REMEMBERED: usize = 10_000;

/// What later transactions need of earlier ones, to spare reading it.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    origins: HashMap<Arc<Origin>, i64>,
    streams: HashMap<String, Stream>,
    findings: HashMap<String, i64>,
    races: HashMap<(i64, String), i64>,
    names: KnownNames,
}

#[derive(Debug)]
struct Stream {
    id: i64,
    received: Intervals,
}

/// Occurrences of one finding in one hour at one origin, not yet in the database.
#[derive(Debug, Default)]
struct Counted {
    occurrences: u64,
    first_ms: i64,
    last_ms: i64,
}

/// One transaction under way.
pub(super) struct Recorder<'a> {
    connection: &'a mut (dyn Connection + 'static),
    remembered: &'a mut Remembered,
    /// By finding, hour and origin: in this order everybody locks rows.
    counted: BTreeMap<(i64, i64, i64), Counted>,
    /// What the batch under way shows, by finding.
    seen: BTreeMap<i64, Seen>,
    committed: Vec<Committed>,
    counting: Counting,
    blocks: u64,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        connection: &'a mut (dyn Connection + 'static),
        remembered: &'a mut Remembered,
    ) -> Self {
        remembered.forget_if_large();
        if connection.dialect() == Dialect::Postgres {
            // Another replica may have received more of them since.
            remembered.streams.clear();
        }
        let (counted, seen) = (BTreeMap::new(), BTreeMap::new());
        let counting = Counting::default();
        Self { connection, remembered, counted, seen, committed: Vec::new(), counting, blocks: 0 }
    }

    /// Records what is new of a batch.
    pub(super) fn record(&mut self, packed: &Packed) -> Result<(), StoreError> {
        let (batch, now) = (&packed.batch, packed.received_ms);
        let (origin, origin_id) = self.origin(&batch.origin)?;
        let (stream, fresh) = self.receive(packed)?;
        let (accepted, duplicates) = (fresh.len() as u64, (batch.records.len() - fresh.len()) as u64);
        let mut block = None;
        if !fresh.is_empty() {
            let all = fresh.len() == batch.records.len();
            let repacked = (!all).then(|| compress(fresh.iter().map(|record| batch.line(record))));
            let lines = repacked.as_ref().unwrap_or(&packed.lines);
            let row = self.connection.row(
                "INSERT INTO block (stream, origin, received_ms, records, lines) VALUES ($1, $2, $3, $4, $5)
                 RETURNING id",
                values![stream, origin_id, now, accepted, lines],
            )?;
            block = Some(row.ok_or(StoreError::Incomplete("block"))?.get(0)?);
            self.blocks += 1;
        }
        for record in fresh {
            if let Some(sighting) = &record.sighting {
                let text = || String::from_utf8_lossy(batch.line(record)).into_owned();
                self.see(stream, origin_id, sighting, when_ms(record, now), text)?;
            }
            if let Some(digest) = &record.digest {
                let fresh = Fresh { origin: &origin, stream, now_ms: now, line: batch.line(record) };
                self.counting.take(self.connection, &mut self.remembered.names, &fresh, digest)?;
            }
        }
        let seen = std::mem::take(&mut self.seen).into_values().collect();
        let (received_ms, number) = (now, 0);
        self.committed.push(Committed { origin, block, received_ms, accepted, duplicates, number, seen });
        Ok(())
    }

    /// Writes what was counted; gives what each batch changed, in their order.
    pub(super) fn finish(mut self) -> Result<Vec<Committed>, StoreError> {
        for ((finding, hour, origin), counted) in &self.counted {
            self.connection.execute(
                "INSERT INTO sighting (finding, hour, origin, occurrences) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (finding, hour, origin) DO UPDATE SET occurrences = sighting.occurrences + $4",
                values![finding, hour, origin, counted.occurrences],
            )?;
            self.connection.execute(
                "UPDATE finding SET occurrences = occurrences + $2,
                     first_ms = CASE WHEN $3 < first_ms THEN $3 ELSE first_ms END,
                     last_ms = CASE WHEN $4 > last_ms THEN $4 ELSE last_ms END
                 WHERE id = $1",
                values![finding, counted.occurrences, counted.first_ms, counted.last_ms],
            )?;
        }
        self.counting.finish(self.connection)?;
        let sum = |count: fn(&Committed) -> u64| self.committed.iter().map(count).sum::<u64>();
        let total = self.connection.row(
            "UPDATE total SET records = records + $1, duplicates = duplicates + $2, blocks = blocks + $3
             RETURNING records",
            values![sum(|batch| batch.accepted), sum(|batch| batch.duplicates), self.blocks],
        )?;
        let records = total.ok_or(StoreError::Incomplete("total"))?.get(0)?;
        commits::note(self.connection, &mut self.committed, records)?;
        Ok(self.committed)
    }

    fn origin(&mut self, origin: &Origin) -> Result<(Arc<Origin>, i64), StoreError> {
        if let Some((known, id)) = self.remembered.origins.get_key_value(origin) {
            return Ok((Arc::clone(known), *id));
        }
        let names = values![&origin.service, &origin.version, &origin.instance, &origin.environment];
        self.connection.execute(
            "INSERT INTO origin (service, version, instance, environment) VALUES ($1, $2, $3, $4)
             ON CONFLICT (service, version, instance, environment) DO NOTHING",
            names,
        )?;
        let row = self.connection.row(
            "SELECT id FROM origin WHERE (service, version, instance, environment) = ($1, $2, $3, $4)",
            names,
        )?;
        let id = row.ok_or(StoreError::Incomplete("origin"))?.get(0)?;
        let origin = Arc::new(origin.clone());
        self.remembered.origins.insert(Arc::clone(&origin), id);
        Ok((origin, id))
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
            self.connection
                .execute("UPDATE stream SET last_ms = $2 WHERE id = $1 AND last_ms < $2", values![id, now])?;
        }
        Ok((id, fresh))
    }

    fn load_stream(&mut self, name: &str, now: i64) -> Result<Stream, StoreError> {
        self.connection.execute(
            "INSERT INTO stream (name, first_ms, last_ms) VALUES ($1, $2, $2) ON CONFLICT (name) DO NOTHING",
            values![name, now],
        )?;
        let select = match self.connection.dialect() {
            Dialect::Sqlite => "SELECT id FROM stream WHERE name = $1",
            // Held until the end of the transaction, so that no two replicas receive of one stream at once.
            Dialect::Postgres => "SELECT id FROM stream WHERE name = $1 FOR UPDATE",
        };
        let row = self.connection.row(select, values![name])?;
        let id: i64 = row.ok_or(StoreError::Incomplete("stream"))?.get(0)?;
        let rows =
            self.connection.query("SELECT first, last FROM received WHERE stream = $1", values![id])?;
        let pair = |row: &Row| Ok((row.get(0)?, row.get(1)?));
        let pairs = rows.iter().map(pair).collect::<Result<Vec<_>, StoreError>>()?;
        Ok(Stream { id, received: Intervals::from_pairs(pairs) })
    }

    /// Rewrites the intervals that the fresh records lie in; those lie between the first and the last of them.
    fn store_intervals(
        &mut self,
        stream: i64,
        pairs: &[(u64, u64)],
        fresh: &[&BatchRecord],
    ) -> Result<(), StoreError> {
        let (Some(low), Some(high)) = (fresh.first(), fresh.last()) else { return Ok(()) };
        let touched = pairs.iter().filter(|(first, last)| *last >= low.sequence && *first <= high.sequence);
        for (first, last) in touched {
            let interval = values![stream, *first, *last];
            self.connection
                .execute("DELETE FROM received WHERE stream = $1 AND first BETWEEN $2 AND $3", interval)?;
            self.connection
                .execute("INSERT INTO received (stream, first, last) VALUES ($1, $2, $3)", interval)?;
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
                let id = self.finding(stream, fingerprint.as_str(), kind, title, ms, text)?;
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

    fn count(&mut self, finding: i64, origin: i64, ms: i64, occurrences: u64) {
        self.counting.causes.saw(finding, origin, ms, occurrences);
        let counted = self.counted.entry((finding, ms / HOUR_MS, origin)).or_default();
        counted.first_ms = if counted.occurrences == 0 { ms } else { counted.first_ms.min(ms) };
        counted.last_ms = counted.last_ms.max(ms);
        counted.occurrences += occurrences;
        let seen =
            self.seen.entry(finding).or_insert(Seen { finding, is_new: false, occurrences: 0, last_ms: ms });
        seen.occurrences += occurrences;
        seen.last_ms = seen.last_ms.max(ms);
    }

    fn finding(
        &mut self,
        stream: i64,
        fingerprint: &str,
        kind: &str,
        title: &str,
        ms: i64,
        text: impl Fn() -> String,
    ) -> Result<i64, StoreError> {
        if let Some(id) = self.remembered.findings.get(fingerprint) {
            return Ok(*id);
        }
        let select = "SELECT id FROM finding WHERE fingerprint = $1";
        let known = self.connection.row(select, values![fingerprint])?;
        let id = if let Some(row) = known {
            row.get(0)?
        } else {
            let added = self.connection.row(
                "INSERT INTO finding (fingerprint, kind, title, first_ms, last_ms, occurrences, exemplar)
                 VALUES ($1, $2, $3, $4, $4, 0, $5) ON CONFLICT (fingerprint) DO NOTHING RETURNING id",
                values![fingerprint, kind, title, ms, &text()],
            )?;
            if let Some(row) = added {
                let finding = row.get(0)?;
                CauseCounting::made(self.connection, finding, stream)?;
                self.seen.insert(finding, Seen { finding, is_new: true, occurrences: 0, last_ms: ms });
                finding
            } else {
                // Another replica was quicker.
                let row = self.connection.row(select, values![fingerprint])?;
                row.ok_or(StoreError::Incomplete("finding"))?.get(0)?
            }
        };
        self.remembered.findings.insert(fingerprint.to_owned(), id);
        Ok(id)
    }

    fn race(&mut self, stream: i64, race: &str) -> Result<Option<i64>, StoreError> {
        let key = (stream, race.to_owned());
        if let Some(id) = self.remembered.races.get(&key) {
            return Ok(Some(*id));
        }
        let row = self
            .connection
            .row("SELECT finding FROM race_name WHERE stream = $1 AND race = $2", values![stream, race])?;
        let known = row.map(|row| row.get(0)).transpose()?;
        if let Some(id) = known {
            self.remembered.races.insert(key, id);
        }
        Ok(known)
    }

    /// Remembers how the stream calls the race, and counts the repeats that came before it.
    fn name_race(&mut self, stream: i64, race: &str, finding: i64) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO race_name (stream, race, finding) VALUES ($1, $2, $3) ON CONFLICT (stream, race) DO NOTHING",
            values![stream, race, finding],
        )?;
        let orphans = self.connection.query(
            "DELETE FROM orphan WHERE stream = $1 AND race = $2 RETURNING origin, occurrences, last_ms",
            values![stream, race],
        )?;
        for orphan in orphans {
            self.count(finding, orphan.get(0)?, orphan.get(2)?, orphan.get(1)?);
        }
        Ok(())
    }

    fn keep_orphan(&mut self, stream: i64, race: &str, origin: i64, ms: i64) -> Result<(), StoreError> {
        self.connection.execute(
            "INSERT INTO orphan (stream, race, hour, origin, occurrences, last_ms) VALUES ($1, $2, $3, $4, 1, $5)
             ON CONFLICT (stream, race, hour, origin) DO UPDATE SET occurrences = orphan.occurrences + 1,
                 last_ms = CASE WHEN $5 > orphan.last_ms THEN $5 ELSE orphan.last_ms END",
            values![stream, race, ms / HOUR_MS, origin, ms],
        )?;
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
