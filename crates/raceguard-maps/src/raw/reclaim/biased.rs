//! [`Biased`]: a lock that costs its owner two plain stores, and everybody else a [heavy](super::fence) fence.
//!
//! Dekker's mutual exclusion with asymmetric fences. The owner raises `busy`, then looks at `claimed`; another thread
//! raises `claimed`, executes the heavy fence, then waits until `busy` is down. One of the two sees the other's flag.
//! Others exclude each other, and an owner that lost, by a mutex.

use super::fence::Fences;
use crate::raw::sync::atomic::{AtomicBool, Ordering};
use crate::raw::sync::cell::UnsafeCell;
use crate::raw::sync::{Mutex, thread};

/// A value that one thread uses all the time and others seldom.
#[derive(Debug, Default)]
pub(super) struct Biased<T> {
    busy: AtomicBool,
    claimed: AtomicBool,
    others: Mutex<()>,
    value: UnsafeCell<T>,
}

// SAFETY: the protocol above lets one thread at a time reach the value.
unsafe impl<T: Send> Sync for Biased<T> {}

impl<T> Biased<T> {
    /// The owner's way in.
    ///
    /// # Safety
    ///
    /// No two threads call this at the same time, and what `work` does neither panics nor comes back here.
    #[inline]
    pub(super) unsafe fn own<R>(&self, fences: Fences, work: impl FnOnce(&mut T) -> R) -> R {
        // ORDERING: Relaxed: ordered before the load by the fence, which pairs with the heavy one in `claim`.
        self.busy.store(true, Ordering::Relaxed);
        fences.light();
        // ORDERING: Acquire pairs with the Release in `claim`: what the other thread did to the value is there.
        if self.claimed.load(Ordering::Acquire) {
            self.busy.store(false, Ordering::Release);
            return self.wait(work);
        }
        // SAFETY: the other side has seen `busy` and waits, or its claim comes later.
        let result = self.value.with_mut(|value| work(unsafe { &mut *value }));
        // ORDERING: Release pairs with the Acquire of the waiting side in `claim`.
        self.busy.store(false, Ordering::Release);
        result
    }

    #[cold]
    fn wait<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let _others = self.others.lock();
        // SAFETY: others hold the mutex for as long as they use the value, and the owner is here.
        self.value.with_mut(|value| work(unsafe { &mut *value }))
    }

    /// Everybody else's way in. `None` where there is no heavy fence to be had.
    ///
    /// `work` must not panic.
    pub(super) fn claim<R>(&self, fences: Fences, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let _others = self.others.lock();
        // ORDERING: Relaxed: ordered by the heavy fence, which pairs with the light one in `own`.
        self.claimed.store(true, Ordering::Relaxed);
        if !fences.heavy() {
            self.claimed.store(false, Ordering::Release);
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `own`: the owner's work is done and visible.
        while self.busy.load(Ordering::Acquire) {
            thread::yield_now();
        }
        // SAFETY: the owner sees `claimed` before it touches the value, and others wait for the mutex.
        let result = self.value.with_mut(|value| work(unsafe { &mut *value }));
        // ORDERING: Release pairs with the Acquire in `own`.
        self.claimed.store(false, Ordering::Release);
        Some(result)
    }

    /// The value, when nobody shares it.
    pub(super) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`.
        self.value.with_mut(|value| unsafe { &mut *value })
    }
}
