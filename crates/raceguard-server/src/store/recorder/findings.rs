//! Findings of a transaction, and what streams call their races.
//!
//! What is not remembered is read for all batches at once, before anything is counted. A repeat may come before its race,
//! in an earlier transaction or in this one: it waits as an orphan until the race is named.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::super::StoreError;
use super::super::sql::row_of;
use super::{FreshBatch, HOUR_MS, Recorder, when_ms};
use crate::batch::Sighting;
use crate::causes::counting::CauseCounting;

/// What streams call races, as far as this transaction is the first to say so, and repeats that found no such name.
#[derive(Debug, Default)]
pub(super) struct Naming {
    /// By stream and name: the batch that says it, and the finding.
    named: BTreeMap<(i64, String), (usize, i64)>,
    /// By stream, name, hour and origin.
    orphans: BTreeMap<(i64, String, i64, i64), Orphans>,
}

/// Repeats that wait for their race.
#[derive(Debug, Default, Clone, Copy)]
struct Orphans {
    occurrences: u64,
    last_ms: i64,
}

/// The first record of a finding that is not remembered.
struct Unknown<'b> {
    fingerprint: &'b str,
    kind: &'b str,
    title: &'b str,
    ms: i64,
    line: Cow<'b, str>,
    /// The batch that shows it, and its stream.
    number: usize,
    stream: i64,
}

impl Recorder<'_> {
    /// Learns the findings and the names of races that the batches mention, and makes the findings that are not there.
    pub(super) fn find(&mut self, batches: &[FreshBatch<'_>]) -> Result<(), StoreError> {
        let unknown = self.unknown(batches);
        let missing = self.learn(unknown)?;
        let elsewhere = self.make(missing)?;
        if let Some(gone) = self.learn(elsewhere)?.first() {
            return Err(StoreError::Conflict(format!("the finding {} came and went", gone.fingerprint)));
        }
        self.learn_races(batches)
    }

    /// Findings that are not remembered, in the order in which the batches show them.
    fn unknown<'b>(&self, batches: &'b [FreshBatch<'_>]) -> Vec<Unknown<'b>> {
        let (mut unknown, mut met) = (Vec::new(), HashSet::new());
        for (number, batch) in batches.iter().enumerate() {
            for record in &batch.records {
                let Some(Sighting::Full { fingerprint, kind, title, .. }) = &record.sighting else {
                    continue;
                };
                let fingerprint = fingerprint.as_str();
                if !self.remembered.findings.contains_key(fingerprint) && met.insert(fingerprint) {
                    let line = String::from_utf8_lossy(batch.packed.batch.line(record));
                    let (stream, ms) = (batch.stream, when_ms(record, batch.packed.received_ms));
                    unknown.push(Unknown { fingerprint, kind, title, ms, line, number, stream });
                }
            }
        }
        unknown
    }

    /// Remembers those that the database has; gives the others.
    fn learn<'b>(&mut self, unknown: Vec<Unknown<'b>>) -> Result<Vec<Unknown<'b>>, StoreError> {
        let rows: Vec<_> = unknown.iter().map(|it| row_of![it.fingerprint]).collect();
        let answers = self.connection.query_all("SELECT id FROM finding WHERE fingerprint = $1", &rows)?;
        let mut missing = Vec::new();
        for (it, rows) in unknown.into_iter().zip(answers) {
            match rows.first() {
                Some(row) => drop(self.remembered.findings.insert(it.fingerprint.to_owned(), row.get(0)?)),
                None => missing.push(it),
            }
        }
        Ok(missing)
    }

    /// Makes findings, whose numbers ascend in the order of the batches; gives those that another replica made meanwhile.
    fn make<'b>(&mut self, missing: Vec<Unknown<'b>>) -> Result<Vec<Unknown<'b>>, StoreError> {
        let rows: Vec<_> =
            missing.iter().map(|it| row_of![it.fingerprint, it.kind, it.title, it.ms, &*it.line]).collect();
        let answers = self.connection.query_all(
            "INSERT INTO finding (fingerprint, kind, title, first_ms, last_ms, occurrences, exemplar)
             VALUES ($1, $2, $3, $4, $4, 0, $5) ON CONFLICT (fingerprint) DO NOTHING RETURNING id",
            &rows,
        )?;
        let (mut made, mut elsewhere) = (Vec::new(), Vec::new());
        for (it, rows) in missing.into_iter().zip(answers) {
            let Some(row) = rows.first() else {
                elsewhere.push(it);
                continue;
            };
            let finding = row.get(0)?;
            self.remembered.findings.insert(it.fingerprint.to_owned(), finding);
            self.made.insert(finding, it.number);
            made.push((finding, it.stream));
        }
        CauseCounting::made(self.connection, &made)?;
        Ok(elsewhere)
    }

    /// Learns which races the streams have named before, of those that the batches mention.
    fn learn_races(&mut self, batches: &[FreshBatch<'_>]) -> Result<(), StoreError> {
        let mut unknown = BTreeSet::new();
        for batch in batches {
            for record in &batch.records {
                let Some(Sighting::Full { race_id: Some(race), .. } | Sighting::Repeat { race_id: race }) =
                    &record.sighting
                else {
                    continue;
                };
                if self.remembered.races.get(batch.stream, race).is_none() {
                    unknown.insert((batch.stream, race.as_str()));
                }
            }
        }
        let rows: Vec<_> = unknown.iter().map(|(stream, race)| row_of![stream, *race]).collect();
        let answers = self
            .connection
            .query_all("SELECT finding FROM race_name WHERE stream = $1 AND race = $2", &rows)?;
        for ((stream, race), rows) in unknown.into_iter().zip(answers) {
            if let Some(row) = rows.first() {
                self.remembered.races.insert(stream, race, row.get(0)?);
            }
        }
        Ok(())
    }

    /// Counts what a record says of a finding.
    pub(super) fn see(
        &mut self,
        number: usize,
        batch: &FreshBatch<'_>,
        sighting: &Sighting,
        ms: i64,
    ) -> Result<(), StoreError> {
        let (stream, origin) = (batch.stream, batch.origin_id);
        match sighting {
            Sighting::Full { fingerprint, race_id, .. } => {
                let finding = self.remembered.findings.get(fingerprint.as_str()).copied();
                let finding = finding.ok_or(StoreError::Incomplete("finding"))?;
                self.count(number, finding, origin, ms, 1);
                if let Some(race) = race_id.as_ref().filter(|race| self.race(stream, race).is_none()) {
                    self.remembered.races.insert(stream, race, finding);
                    self.naming.named.insert((stream, race.clone()), (number, finding));
                }
            }
            Sighting::Repeat { race_id } => match self.race(stream, race_id) {
                Some(finding) => self.count(number, finding, origin, ms, 1),
                None => self.naming.wait(stream, race_id, origin, ms),
            },
        }
        Ok(())
    }

    fn race(&self, stream: i64, race: &str) -> Option<i64> {
        self.remembered.races.get(stream, race)
    }

    /// Writes what streams call their races, and counts the repeats that came before that.
    pub(super) fn settle_names(&mut self) -> Result<(), StoreError> {
        let Naming { named, orphans } = std::mem::take(&mut self.naming);
        let rows: Vec<_> =
            named.iter().map(|((stream, race), (_, finding))| row_of![stream, race, finding]).collect();
        self.connection.execute_all(
            "INSERT INTO race_name (stream, race, finding) VALUES ($1, $2, $3) ON CONFLICT (stream, race) DO NOTHING",
            &rows,
        )?;
        let rows: Vec<_> = named.keys().map(|(stream, race)| row_of![stream, race]).collect();
        let waited = self.connection.query_all(
            "DELETE FROM orphan WHERE stream = $1 AND race = $2 RETURNING origin, occurrences, last_ms",
            &rows,
        )?;
        for ((number, finding), rows) in named.values().zip(waited) {
            for row in rows {
                self.count(*number, *finding, row.get(0)?, row.get(2)?, row.get(1)?);
            }
        }
        let mut left = Vec::new();
        for ((stream, race, hour, origin), it) in &orphans {
            match named.get(&(*stream, race.clone())) {
                Some((number, finding)) => self.count(*number, *finding, *origin, it.last_ms, it.occurrences),
                None => left.push(row_of![stream, race, hour, origin, it.occurrences, it.last_ms]),
            }
        }
        self.connection.execute_all(
            "INSERT INTO orphan (stream, race, hour, origin, occurrences, last_ms) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (stream, race, hour, origin) DO UPDATE SET occurrences = orphan.occurrences + $5,
                 last_ms = CASE WHEN $6 > orphan.last_ms THEN $6 ELSE orphan.last_ms END",
            &left,
        )
    }
}

impl Naming {
    fn wait(&mut self, stream: i64, race: &str, origin: i64, ms: i64) {
        let orphans = self.orphans.entry((stream, race.to_owned(), ms / HOUR_MS, origin)).or_default();
        orphans.occurrences += 1;
        orphans.last_ms = orphans.last_ms.max(ms);
    }
}
