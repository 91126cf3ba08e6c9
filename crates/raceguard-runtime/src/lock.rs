//! A spin lock for short critical sections on Go's system stacks, where blocking the thread is not an option.

use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::sys;

const TURNS_BEFORE_YIELD: u32 = 10;
/// Binary logarithm of the longest turn of waiting, in pauses of the processor.
const LONGEST_TURN: u32 = 6;

/// Waits twice as long each time, up to a limit, and gives the core away when the holder seems to have lost its own. Who
/// looks at a lock takes its cache line from the holder, who needs it for the records that lie beside the lock.
#[derive(Default)]
pub struct Backoff(u32);

impl Backoff {
    /// One turn of waiting.
    #[cold]
    pub fn wait(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(TURNS_BEFORE_YIELD) {
            sys::yield_now();
        } else {
            for _ in 0..1u32 << self.0.min(LONGEST_TURN) {
                spin_loop();
            }
        }
    }
}

/// A lock without data, for structures that embed it.
#[derive(Default)]
pub struct RawLock(AtomicU32);

impl RawLock {
    /// An open lock.
    pub const fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Takes the lock.
    #[inline]
    pub fn lock(&self) {
        let mut backoff = Backoff::default();
        // ORDERING: Acquire pairs with the Release store in `unlock`.
        while self.0.load(Ordering::Relaxed) != 0 || self.0.swap(1, Ordering::Acquire) != 0 {
            backoff.wait();
        }
    }

    /// Whether nobody holds the lock now.
    #[inline]
    pub fn is_open(&self) -> bool {
        // ORDERING: Acquire pairs with the Release store in `unlock`.
        self.0.load(Ordering::Acquire) == 0
    }

    /// Opens the lock; only its holder may.
    #[inline]
    pub fn unlock(&self) {
        // ORDERING: Release pairs with the Acquire swap in `lock`.
        self.0.store(0, Ordering::Release);
    }
}

/// Data behind a spin lock.
pub struct SpinLock<T> {
    raw: RawLock,
    data: UnsafeCell<T>,
}

// SAFETY: the data is reached only by the holder of the lock, one thread at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// An open lock around `data`.
    pub const fn new(data: T) -> Self {
        Self { raw: RawLock::new(), data: UnsafeCell::new(data) }
    }

    /// Takes the lock until the guard is dropped.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, T> {
        self.raw.lock();
        SpinGuard(self)
    }
}

/// Access to the data of a [`SpinLock`].
pub struct SpinGuard<'a, T>(&'a SpinLock<T>);

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists only while the lock is held.
        unsafe { &*self.0.data.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists only while the lock is held, and is borrowed exclusively.
        unsafe { &mut *self.0.data.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.raw.unlock();
    }
}
