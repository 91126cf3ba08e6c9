//! [`Bench`]: a filled map with its type erased, so that maps can run in turn; each method is one measurement.

mod growth;
mod iteration;
mod latency;
mod memory;
mod stops;

use std::borrow::Borrow;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::data::{Data, Numbers, Value};
use crate::latencies::Quantiles;
use crate::sequence::Operation;
use crate::subject::{Handle, Subject};
use crate::threads::{Time, repeat, together, work_for};

pub(crate) use iteration::BesideWriter;

/// What the threads of one run do.
pub(crate) struct Plan {
    /// One sequence for each thread.
    pub(crate) sequences: Vec<Arc<[u32]>>,
    /// The core of each thread.
    pub(crate) cores: Vec<usize>,
    pub(crate) time: Time,
    /// How long the caller works inside each operation.
    pub(crate) hold: Duration,
}

/// A map that was filled with all keys of its data.
pub(crate) trait Bench {
    /// Millions of operations a second that all threads did together.
    fn mixed(&self, plan: &Plan) -> f64;

    /// Milliseconds of one pass over all values.
    fn iterate(&self, core: usize) -> Option<f64>;
}

/// What is measured with numbers alone.
pub(crate) trait Deep: Bench {
    /// How long reads and writes took while all threads worked.
    fn latency(&self, plan: &Plan) -> Option<ReadsAndWrites>;

    /// One thread passes over all values again and again while another overwrites them.
    fn iterate_beside_writer(&self, plan: &Plan) -> Option<BesideWriter>;

    /// Inserts keys into a map that was filled with none, beside one reader of the keys that are there.
    fn grow(&self, cores: &[usize], keys: u32) -> Option<ReadsAndWrites>;

    /// Millions of new keys a second: each thread inserts its own into a map that was filled with none.
    fn insert_new(&self, cores: &[usize], each: u32) -> Option<f64>;

    /// Inserts keys one by one into a map that was filled with none.
    fn fill(&self, keys: u32);

    /// Removes keys one by one, and gives the map the occasion to free what it put off.
    fn remove_all(&self, keys: u32);
}

/// How long the operations of each kind took; `None` where there were none.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct ReadsAndWrites {
    pub(crate) reads: Option<Quantiles>,
    pub(crate) writes: Option<Quantiles>,
}

/// A map and what it holds.
pub(crate) struct Filled<D, M> {
    data: Arc<D>,
    map: M,
}

impl<D: Data, M: Subject<D::Key, D::Value>> Filled<D, M> {
    pub(crate) fn new(data: &Arc<D>) -> Self {
        let map = M::empty();
        map.fill((0..data.keys()).map(|index| (data.key(index).borrow().clone(), data.value(index))));
        let len = map.handle().len();
        assert_eq!(len, data.keys() as usize, "a map lost entries while it was filled");
        Self { data: Arc::clone(data), map }
    }

    /// One operation; `HELD` says whether the caller works inside it.
    // For every map alike: some are small enough to be inlined anyway, and a call costs as much as a read that finds
    // everything in the cache.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn step<const HELD: bool>(
        &self,
        handle: &mut M::Handle<'_>,
        operation: Operation,
        hold: Duration,
    ) -> u64 {
        let inside = || {
            if HELD {
                work_for(hold);
            }
        };
        if let Operation::Iterate = operation {
            let mut sum = 0_u64;
            handle.for_each(|value| sum = sum.wrapping_add(value.weight()));
            return sum;
        }
        let index = operation.index();
        let key = self.data.key(index);
        match operation {
            Operation::Read(_) => {
                let read = handle.get(key.borrow(), |value| {
                    inside();
                    value.weight()
                });
                return read.unwrap_or(0);
            }
            Operation::Increment(_) => handle.update(key.borrow(), |value| {
                inside();
                value.next()
            }),
            Operation::Remove(_) => return u64::from(handle.remove(key.borrow())),
            Operation::Overwrite(_) | Operation::Insert(_) | Operation::Iterate => {
                handle.insert(key.borrow().clone(), self.data.value(index));
            }
        }
        0
    }
}

impl<D: Data, M: Subject<D::Key, D::Value>> Bench for Filled<D, M> {
    fn mixed(&self, plan: &Plan) -> f64 {
        let rates = together(&plan.cores, |thread| {
            let mut handle = self.map.handle();
            let sequence = &plan.sequences[thread];
            if plan.hold.is_zero() {
                repeat(plan.time, sequence, |code| {
                    self.step::<false>(&mut handle, Operation::of(code), plan.hold)
                })
            } else {
                repeat(plan.time, sequence, |code| {
                    self.step::<true>(&mut handle, Operation::of(code), plan.hold)
                })
            }
        });
        rates.iter().sum()
    }

    fn iterate(&self, core: usize) -> Option<f64> {
        Some(self.measure_iteration(core))
    }
}

impl<M: Subject<u64, u64>> Deep for Filled<Numbers, M> {
    fn latency(&self, plan: &Plan) -> Option<ReadsAndWrites> {
        Some(self.measure_latency(plan))
    }

    fn iterate_beside_writer(&self, plan: &Plan) -> Option<BesideWriter> {
        Some(self.measure_iteration_beside_writer(plan))
    }

    fn grow(&self, cores: &[usize], keys: u32) -> Option<ReadsAndWrites> {
        Some(self.measure_growth(cores, keys))
    }

    fn insert_new(&self, cores: &[usize], each: u32) -> Option<f64> {
        Some(self.measure_new_keys(cores, each))
    }

    fn fill(&self, keys: u32) {
        self.insert_all(keys);
    }

    fn remove_all(&self, keys: u32) {
        self.remove_and_settle(keys);
    }
}
