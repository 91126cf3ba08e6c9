//! The end of a map's life: the closed flag that every strategy looks at, and what `close` reports.

use crossbeam_utils::CachePadded;

use crate::error::MapError;
use crate::raw::sync::atomic::{AtomicBool, Ordering};

/// What [`close`](crate::ConcurrentMap::close) found.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, SnapshotMap};
///
/// let map: SnapshotMap<u32, u32> = SnapshotMap::new();
/// map.insert(1, 1)?;
/// let held = map.snapshot()?;
/// let report = map.close()?;
/// assert_eq!((report.entries, report.live_snapshots, report.already_closed), (1, 1, false));
/// assert!(map.close()?.already_closed);
/// assert!(map.insert(2, 2).is_err_and(|error| error.is_closed()));
/// drop(held);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloseReport {
    /// Entries that were in the map when it closed.
    pub entries: usize,
    /// Operations that a queue or buffer still held, all of them done before `close` returned.
    pub drained: usize,
    /// Operations that a queue or buffer held and that could not be done; each of their callers got an error.
    pub dropped: usize,
    /// Snapshots that are still alive in the hands of callers. They stay readable.
    pub live_snapshots: usize,
    /// Reader handles that are still alive in the hands of callers. Reading through them gives `Closed`.
    pub live_handles: usize,
    /// Whether the map had been closed before; the counts are then those of the first time.
    pub already_closed: bool,
}

/// The flag of one map. Strategies that hold a lock anyway check it under that lock, so that no write can slip in
/// after `close` has counted.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    closed: CachePadded<AtomicBool>,
}

impl Lifecycle {
    /// `Err(Closed)` once the map is closed.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), MapError> {
        // ORDERING: Acquire pairs with the Release in `close`: who sees the flag also sees the emptied map.
        if self.closed.load(Ordering::Acquire) { Err(MapError::Closed) } else { Ok(()) }
    }

    /// Sets the flag; true for the first caller.
    pub(crate) fn close(&self) -> bool {
        // ORDERING: AcqRel: exactly one caller sees false, and the others see what it did before.
        !self.closed.swap(true, Ordering::AcqRel)
    }
}
