//! [`Stripes`]: the counters, one set per thread as far as there are sets, so that counting does not make threads wait
//! for each other.

use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::AtomicUsize as PlainUsize;

use crossbeam_utils::CachePadded;

use super::histogram::Histogram;
use super::observation::{Group, Kind, Observation, OperationCount, Outcome};
use crate::raw::sync::atomic::{AtomicU64, Ordering};
use crate::raw::sync::thread_local;
use crate::raw::tally::Tally;

/// Sets of counters. Threads beyond this number share.
const STRIPES: usize = 16;
/// Threads that are told apart when they are counted.
const TELLABLE_THREADS: usize = 1024;

/// The counters of one or a few threads.
#[derive(Debug, Default)]
pub(super) struct Stripe {
    operations: [[AtomicU64; Outcome::COUNT]; Kind::ALL.len()],
    durations: [Histogram; Group::ALL.len()],
    lock_waits: Histogram,
    ticks: AtomicU64,
    created: AtomicU64,
    removed: AtomicU64,
    snapshot_entries: AtomicU64,
    copied_entries: AtomicU64,
}

/// All counters of a map.
#[derive(Debug)]
pub(super) struct Stripes {
    stripes: Box<[CachePadded<Stripe>]>,
    threads: [AtomicU64; TELLABLE_THREADS / 64],
}

thread_local! {
    // loom's macro knows no const initializers.
    #[allow(clippy::missing_const_for_thread_local)]
    static NUMBER: Cell<Option<usize>> = Cell::new(None);
}

/// A small number of this thread.
fn thread_number() -> usize {
    // A plain counter, not one of the checkers': it orders nothing and lives as long as the process.
    static NEXT: PlainUsize = PlainUsize::new(0);
    NUMBER
        .try_with(|number| {
            number.get().unwrap_or_else(|| {
                let new = NEXT.fetch_add(1, Ordering::Relaxed);
                number.set(Some(new));
                new
            })
        })
        .unwrap_or(0)
}

/// Counters for a map, made when it is observed for the first time.
pub(super) type LazyStripes = OnceLock<Stripes>;

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            stripes: (0..STRIPES).map(|_| CachePadded::default()).collect(),
            threads: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The counters of this thread.
    #[inline]
    pub(super) fn mine(&self) -> &Stripe {
        &self.stripes[thread_number() % STRIPES]
    }

    /// Notes that this thread uses the map.
    pub(super) fn note_thread(&self) {
        let number = thread_number() % TELLABLE_THREADS;
        let bit = 1 << (number % 64);
        // ORDERING: Relaxed here and below: counts that order nothing.
        let word = &self.threads[number / 64];
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self) -> Observation {
        let mut total = Observation::default();
        for kind in Kind::ALL {
            let count = |outcome: Outcome| -> u64 {
                let counters =
                    self.stripes.iter().map(|stripe| &stripe.operations[kind as usize][outcome as usize]);
                counters.map(|counter| counter.load(Ordering::Relaxed)).sum()
            };
            total.operations.push(OperationCount {
                kind,
                hits: count(Outcome::Hit),
                misses: count(Outcome::Miss),
                errors: count(Outcome::Error),
                batched: count(Outcome::Batched),
            });
        }
        for stripe in &self.stripes {
            for group in Group::ALL {
                stripe.durations[group as usize].add_to(&mut total.durations[group as usize]);
            }
            stripe.lock_waits.add_to(&mut total.lock_waits);
            total.keys_created += stripe.created.load(Ordering::Relaxed);
            total.keys_removed += stripe.removed.load(Ordering::Relaxed);
            total.snapshot_entries += stripe.snapshot_entries.load(Ordering::Relaxed);
            total.copied_entries += stripe.copied_entries.load(Ordering::Relaxed);
        }
        total.threads = self.threads.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum();
        total
    }
}

impl Stripe {
    /// Whether to look closely at this operation: one in `every`, a power of two. Threads that share the counters may
    /// lose a tick, which only changes the choice.
    #[inline]
    pub(super) fn is_sampled(&self, every: u64) -> bool {
        let tick = self.ticks.load(Ordering::Relaxed);
        self.ticks.store(tick.wrapping_add(1), Ordering::Relaxed);
        tick & (every - 1) == 0
    }

    #[inline]
    pub(super) fn count(&self, kind: Kind, outcome: Outcome) {
        self.operations[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn time(&self, group: Group, nanos: u64) {
        self.durations[group as usize].record(nanos);
    }

    #[inline]
    pub(super) fn tally(&self, before: Tally, after: Tally) {
        if after.waits != before.waits {
            self.lock_waits.record(after.waited_nanos.saturating_sub(before.waited_nanos));
        }
        if after.copied != before.copied {
            self.copied_entries.fetch_add(after.copied - before.copied, Ordering::Relaxed);
        }
    }

    pub(super) fn created(&self, keys: u64) {
        self.created.fetch_add(keys, Ordering::Relaxed);
    }

    pub(super) fn removed(&self, keys: u64) {
        self.removed.fetch_add(keys, Ordering::Relaxed);
    }

    pub(super) fn snapshot_of(&self, entries: usize) {
        self.snapshot_entries.fetch_add(entries as u64, Ordering::Relaxed);
    }
}
