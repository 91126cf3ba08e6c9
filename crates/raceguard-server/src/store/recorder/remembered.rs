//! What later transactions need of earlier ones, to spare reading it.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::intervals::Intervals;
use super::super::sql::Dialect;
use crate::origin::Origin;
use crate::slts::counting::KnownNames;

/// Rows of each kind that are remembered between transactions; beyond that all are forgotten and read again.
const REMEMBERED: usize = 50_000;

/// Rows by what finds them. It is true as long as the transactions that it is from were committed.
#[derive(Debug, Default)]
pub(in super::super) struct Remembered {
    pub(super) origins: HashMap<Arc<Origin>, i64>,
    pub(super) streams: HashMap<String, Stream>,
    pub(super) findings: HashMap<String, i64>,
    pub(super) races: Races,
    pub(super) names: KnownNames,
}

/// A stream, and which numbers of it were received.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) id: i64,
    pub(super) received: Intervals,
}

/// The finding that each race of a stream is.
#[derive(Debug, Default)]
pub(super) struct Races {
    by_stream: HashMap<i64, HashMap<String, i64>>,
    count: usize,
}

impl Remembered {
    /// Makes ready for a transaction.
    pub(super) fn begin(&mut self, dialect: Dialect) {
        let most = self.origins.len().max(self.streams.len()).max(self.findings.len()).max(self.races.count);
        if most > REMEMBERED {
            *self = Self::default();
        }
        if dialect == Dialect::Postgres {
            // Another replica may have received more of them since.
            self.streams.clear();
        }
    }
}

impl Races {
    pub(super) fn get(&self, stream: i64, race: &str) -> Option<i64> {
        self.by_stream.get(&stream)?.get(race).copied()
    }

    pub(super) fn insert(&mut self, stream: i64, race: &str, finding: i64) {
        let before = self.by_stream.entry(stream).or_default().insert(race.to_owned(), finding);
        self.count += usize::from(before.is_none());
    }
}
