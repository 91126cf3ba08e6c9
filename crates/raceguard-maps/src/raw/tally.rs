//! What the current thread had to wait for and copy: how a layer learns of the locks of any strategy.
//!
//! A lock that is not free at once, and a strategy that copies entries to keep a snapshot intact, say so here. The
//! layer around the map compares its thread's tally before and after a call. So a strategy needs no plumbing, and a
//! lock that is free costs nothing more: only its slow path looks whether anybody listens.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::sync::thread_local;

/// What a thread has waited for and copied since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Locks that were not free at once.
    pub(crate) waits: u64,
    /// How long they took, in nanoseconds.
    pub(crate) waited_nanos: u64,
    /// Entries that were copied so that a snapshot stays as it is.
    pub(crate) copied: u64,
}

/// How many layers listen. A plain counter, not one of the checkers': it orders nothing and lives as long as the
/// process.
static LISTENERS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    // loom's macro knows no const initializers.
    #[allow(clippy::missing_const_for_thread_local)]
    static TALLY: Cell<Tally> = Cell::new(Tally::default());
}

/// As long as it lives, waits and copies are tallied.
#[derive(Debug)]
pub(crate) struct Listening(());

impl Listening {
    pub(crate) fn new() -> Self {
        LISTENERS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The tally of this thread.
#[inline]
pub(crate) fn current() -> Tally {
    TALLY.try_with(Cell::get).unwrap_or_default()
}

/// A wait for a lock that was not free, from its making to its drop.
#[derive(Debug)]
#[cfg_attr(any(raceguard_shuttle, raceguard_loom), allow(dead_code))] // The checkers' locks take no time.
pub(crate) struct Wait(Instant);

#[cfg_attr(any(raceguard_shuttle, raceguard_loom), allow(dead_code))]
impl Wait {
    /// `None` where nobody listens.
    #[cold]
    pub(crate) fn begin() -> Option<Self> {
        (LISTENERS.load(Ordering::Relaxed) != 0).then(|| Self(Instant::now()))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let nanos = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        change(|tally| {
            tally.waits += 1;
            tally.waited_nanos = tally.waited_nanos.saturating_add(nanos);
        });
    }
}

/// So many entries were copied to keep a snapshot as it was.
#[inline]
pub(crate) fn copied(entries: usize) {
    if LISTENERS.load(Ordering::Relaxed) != 0 {
        change(|tally| tally.copied += entries as u64);
    }
}

fn change(by: impl FnOnce(&mut Tally)) {
    // At the very end of a thread there may be no tally any more.
    let _ = TALLY.try_with(|cell| {
        let mut tally = cell.get();
        by(&mut tally);
        cell.set(tally);
    });
}
