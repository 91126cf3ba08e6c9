//! [`BriefMutex`]: a lock for what one thread uses nearly always.
//!
//! A flag, set while the lock is held. Taking it is one compare-and-swap and releasing it one store, where a mutex with a
//! queue of sleepers needs a second atomic step to learn whether somebody sleeps. Who finds it taken looks again and
//! again, ever more seldom.

use super::sync::Waiting;
use super::sync::atomic::{AtomicBool, Ordering};

/// A mutex over a [`Brief`] lock.
#[cfg(not(raceguard_loom))]
pub(crate) type BriefMutex<T> = parking_lot::lock_api::Mutex<Brief, T>;
/// What a [`BriefMutex`] gives while it is locked.
#[cfg(not(raceguard_loom))]
pub(crate) type BriefGuard<'a, T> = parking_lot::lock_api::MutexGuard<'a, Brief, T>;

/// The lock.
pub(crate) struct Brief(AtomicBool);

impl Brief {
    #[inline]
    fn try_take(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `release`: the last holder's work is visible.
        self.0.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn take(&self) {
        if !self.try_take() {
            let mut waiting = Waiting::default();
            while self.is_taken() || !self.try_take() {
                waiting.wait();
            }
        }
    }

    #[inline]
    fn is_taken(&self) -> bool {
        // ORDERING: Relaxed: only a guess for the exchange.
        self.0.load(Ordering::Relaxed)
    }

    /// Holder of the lock only.
    #[inline]
    fn release(&self) {
        // ORDERING: Release publishes what was done under the lock.
        self.0.store(false, Ordering::Release);
    }
}

// SAFETY: only the thread that changed the flag from false to true holds the lock, and only the holder sets it to false.
#[cfg(not(raceguard_loom))]
unsafe impl parking_lot::lock_api::RawMutex for Brief {
    #[allow(clippy::declare_interior_mutable_const)] // The trait asks for it.
    const INIT: Self = Self(AtomicBool::new(false));

    type GuardMarker = parking_lot::lock_api::GuardSend;

    #[inline]
    fn lock(&self) {
        self.take();
    }

    #[inline]
    fn try_lock(&self) -> bool {
        self.try_take()
    }

    #[inline]
    unsafe fn unlock(&self) {
        self.release();
    }

    #[inline]
    fn is_locked(&self) -> bool {
        self.is_taken()
    }
}

#[cfg(all(test, raceguard_loom))]
mod loom_models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::raw::sync::cell::UnsafeCell;

    #[test]
    fn loom_a_brief_lock_excludes() {
        loom::model(|| {
            let shared = Arc::new((Brief(AtomicBool::new(false)), UnsafeCell::new(0)));
            let add = |shared: &(Brief, UnsafeCell<u32>)| {
                shared.0.take();
                // SAFETY: under the lock; loom checks it.
                shared.1.with_mut(|count| unsafe { *count += 1 });
                shared.0.release();
            };
            let other = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || add(&shared))
            };
            add(&shared);
            other.join().unwrap();
            // SAFETY: the other thread has ended.
            shared.1.with_mut(|count| assert_eq!(unsafe { *count }, 2));
        });
    }
}
