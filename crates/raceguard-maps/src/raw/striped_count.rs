//! [`StripedCount`]: a count that each thread keeps for itself, without atomic read-modify-writes.

use crossbeam_utils::CachePadded;

use super::reclaim::Guard;
use super::shelves::Shelves;
use super::sync::atomic::{AtomicIsize, Ordering};

/// A sum over the slots of the threads.
#[derive(Debug)]
pub(crate) struct StripedCount(Shelves<CachePadded<AtomicIsize>>);

impl StripedCount {
    pub(crate) fn new() -> Self {
        Self(Shelves::new())
    }

    /// Changes the calling thread's part, and returns it.
    #[inline]
    pub(crate) fn add(&self, guard: &Guard, change: isize) -> isize {
        let count = self.0.get_or_add(guard.index());
        // ORDERING: Relaxed: only the thread that owns the slot writes, and a slot changes hands with release and acquire.
        let changed = count.load(Ordering::Relaxed) + change;
        count.store(changed, Ordering::Relaxed);
        changed
    }

    /// The sum: exact if nobody changes it meanwhile.
    pub(crate) fn sum(&self) -> usize {
        // ORDERING: Relaxed: each part is exact for the changes that happened before this call.
        let sum: isize = self.0.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        // A removal may be seen without the insertion before it.
        usize::try_from(sum).unwrap_or(0)
    }
}
