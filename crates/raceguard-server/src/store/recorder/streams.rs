//! Streams and origins of a transaction, and which numbers of each stream are new.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::StoreError;
use super::super::intervals::Intervals;
use super::super::sql::{Dialect, Row, row_of, values};
use super::remembered::Stream;
use super::{FreshBatch, Packed, Recorder};
use crate::origin::Origin;

/// The numbers of a stream between which this transaction adds some, and when the last of them came.
#[derive(Debug, Clone, Copy)]
struct Touched {
    low: u64,
    high: u64,
    last_ms: i64,
}

impl Recorder<'_> {
    /// The batches with those of their records that were not received before, which are so now.
    pub(super) fn receive<'b>(&mut self, packed: &[&'b Packed]) -> Result<Vec<FreshBatch<'b>>, StoreError> {
        self.open_streams(packed)?;
        let mut touched: BTreeMap<&str, Touched> = BTreeMap::new();
        let mut batches = Vec::with_capacity(packed.len());
        for packed in packed {
            let (origin, origin_id) = self.origin(&packed.batch.origin)?;
            let (name, last_ms) = (packed.batch.stream.as_str(), packed.received_ms);
            let stream = self.remembered.streams.get_mut(name).ok_or(StoreError::Incomplete("stream"))?;
            let records = packed.batch.records.iter();
            let records: Vec<_> = records.filter(|record| stream.received.insert(record.sequence)).collect();
            if let (Some(first), Some(last)) = (records.first(), records.last()) {
                let (low, high) = (first.sequence, last.sequence);
                let all = touched.entry(name).or_insert(Touched { low, high, last_ms });
                all.low = all.low.min(low);
                all.high = all.high.max(high);
                all.last_ms = all.last_ms.max(last_ms);
            }
            batches.push(FreshBatch { packed, stream: stream.id, origin, origin_id, records });
        }
        self.store_intervals(&touched)?;
        Ok(batches)
    }

    /// Reads the streams that are not remembered, and makes those that are not there.
    fn open_streams(&mut self, packed: &[&Packed]) -> Result<(), StoreError> {
        let mut unknown = BTreeMap::new();
        for packed in packed {
            let name = packed.batch.stream.as_str();
            if !self.remembered.streams.contains_key(name) {
                unknown.entry(name).or_insert(packed.received_ms);
            }
        }
        let mut ids = self.find_streams(unknown.keys().copied())?;
        let missing: Vec<_> = unknown
            .iter()
            .filter(|(name, _)| !ids.contains_key(**name))
            .map(|(name, now)| row_of![*name, *now])
            .collect();
        if !missing.is_empty() {
            self.connection.execute_all(
                "INSERT INTO stream (name, first_ms, last_ms) VALUES ($1, $2, $2) ON CONFLICT (name) DO NOTHING",
                &missing,
            )?;
            let names: Vec<_> = unknown.keys().copied().filter(|name| !ids.contains_key(*name)).collect();
            ids.extend(self.find_streams(names.into_iter())?);
        }
        let rows: Vec<_> = ids.values().map(|id| row_of![id]).collect();
        let received =
            self.connection.query_all("SELECT first, last FROM received WHERE stream = $1", &rows)?;
        let pair = |row: &Row| Ok((row.get(0)?, row.get(1)?));
        for ((name, id), rows) in ids.into_iter().zip(received) {
            let pairs = rows.iter().map(pair).collect::<Result<Vec<_>, StoreError>>()?;
            let stream = Stream { id, received: Intervals::from_pairs(pairs) };
            self.remembered.streams.insert(name.to_owned(), stream);
        }
        Ok(())
    }

    /// The ids of those of the streams that are there.
    fn find_streams<'n>(
        &mut self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<BTreeMap<&'n str, i64>, StoreError> {
        let select = match self.connection.dialect() {
            Dialect::Sqlite => "SELECT id FROM stream WHERE name = $1",
            // Held until the end of the transaction, so that no two replicas receive of one stream at once.
            Dialect::Postgres => "SELECT id FROM stream WHERE name = $1 FOR UPDATE",
        };
        let names: Vec<_> = names.collect();
        let rows: Vec<_> = names.iter().map(|name| row_of![*name]).collect();
        let answers = self.connection.query_all(select, &rows)?;
        let found = names.into_iter().zip(answers);
        found.filter_map(|(name, rows)| Some(rows.first()?.get(0).map(|id| (name, id)))).collect()
    }

    /// Rewrites the intervals that new numbers lie in; those lie between the first and the last of them.
    fn store_intervals(&mut self, touched: &BTreeMap<&str, Touched>) -> Result<(), StoreError> {
        let (mut intervals, mut ends) = (Vec::new(), Vec::new());
        for (name, touched) in touched {
            let Some(stream) = self.remembered.streams.get(*name) else { continue };
            let pairs = stream.received.pairs();
            let within = pairs.filter(|(first, last)| *last >= touched.low && *first <= touched.high);
            intervals.extend(within.map(|(first, last)| row_of![stream.id, first, last]));
            ends.push(row_of![stream.id, touched.last_ms]);
        }
        self.connection
            .execute_all("DELETE FROM received WHERE stream = $1 AND first BETWEEN $2 AND $3", &intervals)?;
        self.connection
            .execute_all("INSERT INTO received (stream, first, last) VALUES ($1, $2, $3)", &intervals)?;
        self.connection.execute_all("UPDATE stream SET last_ms = $2 WHERE id = $1 AND last_ms < $2", &ends)
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
}
