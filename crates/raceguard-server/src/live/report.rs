//! `GET /v1/live/maps`: how the maps of live state do.

use raceguard_maps::{ConcurrentMap as _, Kind, MapError, Observation};
use serde::Serialize;

use super::Live;

/// The answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LiveMaps {
    /// One for each map.
    pub maps: Vec<MapReport>,
}

/// How one map does, since the process began.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapReport {
    /// Its name.
    pub name: &'static str,
    /// Its strategy.
    pub strategy: &'static str,
    /// Entries now.
    pub entries: u64,
    /// Share of reads that found their key, from 0 to 1; nothing without reads, or where nobody counts them.
    pub hit_rate: Option<f64>,
    /// Calls by kind; kinds that were never called are left out.
    pub calls: Vec<MapCalls>,
    /// Waits for locks that were not free at once.
    pub lock_waits: u64,
    /// Those waits together, in nanoseconds.
    pub lock_wait_ns: u64,
}

/// Calls of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MapCalls {
    /// `get`, `insert`, …
    pub kind: &'static str,
    /// The key was there.
    pub hits: u64,
    /// It was not.
    pub misses: u64,
    /// The call failed.
    pub errors: u64,
}

impl MapReport {
    /// Of a map that is observed.
    pub(crate) fn observed(
        name: &'static str,
        strategy: &'static str,
        entries: Result<usize, MapError>,
        observation: &Observation,
    ) -> Self {
        let reads = observation.of(Kind::Get);
        let calls = Kind::ALL.into_iter().map(|kind| {
            let counted = observation.of(kind);
            let (hits, misses) = (counted.hits, counted.misses + counted.batched);
            MapCalls { kind: kind.name(), hits, misses, errors: counted.errors }
        });
        Self {
            hit_rate: share(reads.hits, reads.hits + reads.misses),
            calls: calls.filter(|calls| calls.hits + calls.misses + calls.errors > 0).collect(),
            lock_waits: observation.lock_waits.buckets.iter().sum(),
            lock_wait_ns: observation.lock_waits.sum_nanos,
            ..Self::plain(name, strategy, entries)
        }
    }

    fn plain(name: &'static str, strategy: &'static str, entries: Result<usize, MapError>) -> Self {
        let entries = entries.map_or(0, |entries| entries as u64);
        Self { name, strategy, entries, hit_rate: None, calls: Vec::new(), lock_waits: 0, lock_wait_ns: 0 }
    }
}

impl Live {
    /// How the maps do.
    pub fn report(&self) -> LiveMaps {
        let observed = |name, strategy, entries, observation: Observation| {
            MapReport::observed(name, strategy, entries, &observation)
        };
        let maps = vec![
            observed("findings", "ReadMostlyMap", self.findings.len(), self.findings.observation()),
            observed("causes", "SnapshotMap", self.causes.len(), self.causes.observation()),
            observed("code", "SnapshotMap", self.code.len(), self.code.observation()),
            observed("services", "SerialMap", self.services.len(), self.services.observation()),
            MapReport::plain("activity", "WindowCounterMap", self.activity.len()),
            MapReport::plain("service_activity", "WindowCounterMap", self.service_activity.len()),
            MapReport::plain("suspects", "CounterMap", self.suspects.len()),
        ];
        LiveMaps { maps }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share needs no more than 53 bits")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
