//! User tasks, summed by type.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::names::{Name, Names};
use crate::execution_trace::TraceTask;

/// How many tasks may be open, and how many types there may be.
const MOST_OPEN: usize = 1_000_000;
const MOST_TYPES: usize = 10_000;

/// The tasks.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    open: HashMap<u64, (Name, u64), RandomState>,
    types: HashMap<Name, Sum, RandomState>,
    left_out: u64,
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    ended: u64,
    total: u64,
    max: u64,
}

impl Tasks {
    pub(super) fn begin(&mut self, id: u64, name: Option<Name>, time: u64) {
        let known = name.filter(|name| self.types.len() < MOST_TYPES || self.types.contains_key(name));
        match known {
            Some(name) if self.open.len() < MOST_OPEN => {
                self.types.entry(name).or_default().count += 1;
                self.open.insert(id, (name, time));
            }
            _ => self.left_out += 1,
        }
    }

    /// A task that began before the trace ends unnoticed.
    pub(super) fn end(&mut self, id: u64, time: u64) {
        let Some((name, start)) = self.open.remove(&id) else { return };
        let sum = self.types.entry(name).or_default();
        let length = time.saturating_sub(start);
        sum.ended += 1;
        sum.total = sum.total.saturating_add(length);
        sum.max = sum.max.max(length);
    }

    /// Tasks for which there was no room.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The records, by type.
    pub(super) fn into_records(self, names: &Names) -> Vec<TraceTask> {
        let record = |(name, sum): (Name, Sum)| TraceTask {
            name: names.shown(name).to_owned(),
            count: sum.count,
            ended: sum.ended,
            total_ns: sum.total,
            max_ns: sum.max,
            ..TraceTask::default()
        };
        let mut records: Vec<_> = self.types.into_iter().map(record).collect();
        records.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        records
    }
}
