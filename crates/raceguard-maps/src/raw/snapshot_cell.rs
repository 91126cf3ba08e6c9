//! [`SnapshotCell`]: the place where the current version of something immutable is found.
//!
//! # Algorithm
//!
//! The cell is one atomic pointer that owns a count of an `Arc`. A reader [pins](super::reclaim) itself, loads the
//! pointer and reads: no write to shared memory, no loop, so it is wait-free. A writer swaps the pointer and hands the
//! count that the cell gave up to the [`Graveyard`], which drops it when no pinned reader can be about to use it. This
//! is the read-copy-update scheme of P. McKenney and J. Slingwine (1998) with reference counts for those who stay.
//!
//! Somebody who reads often keeps an `Arc` of the version and asks [`SnapshotCell::is`] whether it is still the current
//! one. That is one load and one comparison: the `Arc` keeps the address from being used again, so equal addresses mean
//! the same version.
//!
//! # Invariants
//!
//! - The pointer came from `Arc::into_raw`, and the cell owns one count of it.
//! - That count is dropped after the grace period alone. So the pointee lives for whoever pinned itself before it loaded
//!   the pointer.

use std::ptr::NonNull;
use std::sync::Arc;

use super::reclaim::{Limbo, pin};
use super::sync::atomic::{AtomicPtr, Ordering};

#[cfg(test)]
mod tests;

/// An `Arc<T>` that many threads read and that one at a time replaces.
#[derive(Debug)]
pub(crate) struct SnapshotCell<T> {
    current: AtomicPtr<T>,
}

// SAFETY: the cell hands out references to, and counts of, one `Arc<T>` to any thread.
unsafe impl<T: Send + Sync> Sync for SnapshotCell<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for SnapshotCell<T> {}

/// What a cell held before: to be given to [`Graveyard::bury`].
#[derive(Debug)]
#[must_use = "its memory comes back only when it is buried"]
pub(crate) struct Displaced<T>(Arc<T>);

impl<T> SnapshotCell<T> {
    pub(crate) fn new(first: Arc<T>) -> Self {
        Self { current: AtomicPtr::new(Arc::into_raw(first).cast_mut()) }
    }

    /// Calls `read` with what the cell holds. Until it returns, nothing is freed in the process: it should be short.
    #[inline]
    pub(crate) fn with<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        let _guard = pin();
        // ORDERING: Acquire pairs with the Release in `swap`: what the version points to is there.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: the cell's count of it is dropped after a grace period, which the guard holds up.
        read(unsafe { &*current })
    }

    /// What the cell holds, to keep.
    pub(crate) fn load(&self) -> Arc<T> {
        let _guard = pin();
        // ORDERING: as in `with`.
        let current = self.current.load(Ordering::Acquire);
        // SAFETY: came from `Arc::into_raw`, and the cell's count still exists while we are pinned.
        unsafe {
            Arc::increment_strong_count(current);
            Arc::from_raw(current)
        }
    }

    /// Whether the cell holds this version.
    #[inline]
    pub(crate) fn is(&self, version: &Arc<T>) -> bool {
        // ORDERING: Acquire pairs with the Release in `swap`: when it is not, a following `load` gets that newer one
        // at least, and whoever learned of a newer version from another thread does not read an older one here.
        std::ptr::eq(self.current.load(Ordering::Acquire), Arc::as_ptr(version))
    }

    /// Replaces what the cell holds.
    pub(crate) fn swap(&self, new: Arc<T>) -> Displaced<T> {
        // ORDERING: Release publishes the version to the loads above; Acquire because the old one may be dropped here.
        let old = self.current.swap(Arc::into_raw(new).cast_mut(), Ordering::AcqRel);
        // SAFETY: came from `Arc::into_raw`; the cell's count passes to us.
        Displaced(unsafe { Arc::from_raw(old) })
    }
}

impl<T> Drop for SnapshotCell<T> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: `&mut self`.
        let current = self.current.load(Ordering::Relaxed);
        // SAFETY: the cell's own count, and nobody reads through the cell any more.
        drop(unsafe { Arc::from_raw(current) });
    }
}

/// Where displaced versions wait until no reader can use them. One for all cells of a map.
#[derive(Debug)]
pub(crate) struct Graveyard<T> {
    limbo: Limbo<Arc<T>>,
}

impl<T> Graveyard<T> {
    pub(crate) fn new() -> Self {
        Self { limbo: Limbo::new() }
    }

    /// Takes over a displaced version that keeps about `bytes` alive. Earlier ones may be dropped here, so the caller
    /// holds no lock.
    pub(crate) fn bury(&self, displaced: Displaced<T>, bytes: usize) {
        let guard = pin();
        let local = self.limbo.local(&guard);
        let item: NonNull<Arc<T>> = local.alloc(displaced.0);
        // SAFETY: nobody but us knows this block; it holds a count for readers that found the version before `swap`.
        unsafe { local.retire_sized(item, bytes) };
    }

    /// Drops what can be dropped now; returns how many versions still have to wait.
    pub(crate) fn collect(&self) -> usize {
        self.limbo.collect()
    }
}
