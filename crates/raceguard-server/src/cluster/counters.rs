//! What went through a replica, for its metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of a replica, since it started.
#[derive(Debug, Default)]
pub struct Counters {
    pub(super) published: AtomicU64,
    pub(super) written: AtomicU64,
    pub(super) redelivered: AtomicU64,
    pub(super) postponed: AtomicU64,
    pub(super) set_aside: AtomicU64,
    pub(super) gaps: AtomicU64,
}

/// What they said at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Messages that JetStream took durably.
    pub published: u64,
    /// Messages that were committed and acknowledged.
    pub written: u64,
    /// Messages that came more than once.
    pub redelivered: u64,
    /// Messages that were put back because the database could not be written.
    pub postponed: u64,
    /// Messages that can't be written at all and lie in the stream `NAME-set-aside`.
    pub set_aside: u64,
    /// Commits of other replicas that were not heard of.
    pub gaps: u64,
}

impl Counters {
    /// All of them.
    pub fn read(&self) -> Counted {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            published: read(&self.published),
            written: read(&self.written),
            redelivered: read(&self.redelivered),
            postponed: read(&self.postponed),
            set_aside: read(&self.set_aside),
            gaps: read(&self.gaps),
        }
    }
}

/// Counts one more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
