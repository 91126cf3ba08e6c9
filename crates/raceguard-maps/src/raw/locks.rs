//! parking_lot's locks, with one difference: a lock that is not free at once is reported to the
//! [`tally`](super::tally).
//!
//! The fast path is parking_lot's own: one compare-and-swap. What follows when that fails takes long enough that asking
//! whether anybody listens does not show.
#![allow(unsafe_code)]

use parking_lot::{RawMutex, RawRwLock, lock_api};

use super::tally::Wait;

/// A mutex whose waits are tallied.
pub(crate) type Mutex<T> = lock_api::Mutex<TalliedMutex, T>;
/// A readers-writer lock whose waits are tallied.
pub(crate) type RwLock<T> = lock_api::RwLock<TalliedRwLock, T>;
/// What a [`Mutex`] gives while it is locked.
pub(crate) type MutexGuard<'a, T> = lock_api::MutexGuard<'a, TalliedMutex, T>;

/// parking_lot's mutex with another slow path.
pub(crate) struct TalliedMutex(RawMutex);

// SAFETY: each method does what the same method of the inner mutex does, after at most a failed attempt; the inner one
// keeps the trait's promise of mutual exclusion, and it is not reachable in another way.
unsafe impl lock_api::RawMutex for TalliedMutex {
    #[allow(clippy::declare_interior_mutable_const)] // The trait asks for it.
    const INIT: Self = Self(RawMutex::INIT);

    type GuardMarker = <RawMutex as lock_api::RawMutex>::GuardMarker;

    #[inline]
    fn lock(&self) {
        if !self.0.try_lock() {
            let _wait = Wait::begin();
            self.0.lock();
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // SAFETY: the caller holds this lock, hence the inner one.
        unsafe { self.0.unlock() }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}

/// parking_lot's readers-writer lock with other slow paths.
pub(crate) struct TalliedRwLock(RawRwLock);

// SAFETY: as for `TalliedMutex`.
unsafe impl lock_api::RawRwLock for TalliedRwLock {
    #[allow(clippy::declare_interior_mutable_const)] // The trait asks for it.
    const INIT: Self = Self(RawRwLock::INIT);

    type GuardMarker = <RawRwLock as lock_api::RawRwLock>::GuardMarker;

    #[inline]
    fn lock_shared(&self) {
        if !self.0.try_lock_shared() {
            let _wait = Wait::begin();
            self.0.lock_shared();
        }
    }

    #[inline]
    fn try_lock_shared(&self) -> bool {
        self.0.try_lock_shared()
    }

    #[inline]
    unsafe fn unlock_shared(&self) {
        // SAFETY: the caller holds this lock shared, hence the inner one.
        unsafe { self.0.unlock_shared() }
    }

    #[inline]
    fn lock_exclusive(&self) {
        if !self.0.try_lock_exclusive() {
            let _wait = Wait::begin();
            self.0.lock_exclusive();
        }
    }

    #[inline]
    fn try_lock_exclusive(&self) -> bool {
        self.0.try_lock_exclusive()
    }

    #[inline]
    unsafe fn unlock_exclusive(&self) {
        // SAFETY: the caller holds this lock exclusively, hence the inner one.
        unsafe { self.0.unlock_exclusive() }
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.0.is_locked()
    }
}
