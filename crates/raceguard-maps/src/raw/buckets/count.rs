//! How many entries there are, counted in stripes so that writers do not meet on one cache line.

use crossbeam_utils::CachePadded;

use crate::raw::sync::atomic::{AtomicIsize, Ordering};

const STRIPES: usize = 8;

/// A sum that threads add to in stripes of their own.
#[derive(Debug, Default)]
pub(super) struct Count {
    stripes: [CachePadded<AtomicIsize>; STRIPES],
}

impl Count {
    /// Adds `change` in the stripe of the thread with this number, and returns what the stripe holds now.
    #[inline]
    pub(super) fn add(&self, thread: usize, change: isize) -> isize {
        // ORDERING: Relaxed: the sum is exact only for who is ordered after all writers by other means.
        self.stripes[thread % STRIPES].fetch_add(change, Ordering::Relaxed) + change
    }

    /// The sum. What is added meanwhile may be in it or not.
    pub(super) fn sum(&self) -> usize {
        // ORDERING: Relaxed: as in `add`.
        let sum: isize = self.stripes.iter().map(|stripe| stripe.load(Ordering::Relaxed)).sum();
        sum.max(0).unsigned_abs()
    }
}
