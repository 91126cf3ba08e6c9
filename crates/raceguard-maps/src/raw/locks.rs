//! parking_lot's locks, with one difference: a lock that is not free at once is reported to the
//! [`tally`](super::tally). And a lock of our own for what hardly ever has to be waited for.
//!
//! The fast path is parking_lot's own: one compare-and-swap. What follows when that fails takes long enough that asking
//! whether anybody listens does not show.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{RawMutex, RawRwLock, lock_api};

use super::sync::Waiting;
use super::tally::Wait;

/// A mutex whose waits are tallied.
pub(crate) type Mutex<T> = lock_api::Mutex<TalliedMutex, T>;
/// A readers-writer lock whose waits are tallied.
pub(crate) type RwLock<T> = lock_api::RwLock<TalliedRwLock, T>;
/// What a [`Mutex`] gives while it is locked.
pub(crate) type MutexGuard<'a, T> = lock_api::MutexGuard<'a, TalliedMutex, T>;

/// A mutex that one thread uses nearly always: cheaper to release, for it keeps no queue of those who wait. They look
/// again and again, ever more seldom.
pub(crate) type BriefMutex<T> = lock_api::Mutex<Brief, T>;
/// What a [`BriefMutex`] gives while it is locked.
pub(crate) type BriefGuard<'a, T> = lock_api::MutexGuard<'a, Brief, T>;

/// A flag: set while the lock is held.
pub(crate) struct Brief(AtomicBool);

// SAFETY: only the thread that changed the flag from false to true holds the lock, and only the holder sets it to false.
unsafe impl lock_api::RawMutex for Brief {
    #[allow(clippy::declare_interior_mutable_const)] // The trait asks for it.
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        if !self.try_lock() {
            let mut waiting = Waiting::default();
            while self.is_locked() || !self.try_lock() {
                waiting.wait();
            }
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `unlock`: the last holder's work is visible.
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    unsafe fn unlock(&self) {
        // ORDERING: Release publishes what was done under the lock.
        self.0.store(false, Ordering::Release);
    }

    #[inline]
    fn is_locked(&self) -> bool {
        // ORDERING: Relaxed: only a guess for the exchange.
        self.0.load(Ordering::Relaxed)
    }
}

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
