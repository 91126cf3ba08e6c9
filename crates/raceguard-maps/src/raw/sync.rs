//! The one door to locks, atomics and threads: the real ones, or those of shuttle or loom under
//! `--cfg raceguard_shuttle` and `--cfg raceguard_loom`.
//!
//! Locks here never poison: a panic in a closure releases the lock, and what was written stays.

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use super::brief::{BriefGuard, BriefMutex};
#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use super::locks::{Mutex, MutexGuard, RwLock};

/// The mutex that goes with a [`Condvar`]: waiting for it is not tallied.
#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use parking_lot::{Mutex as WaitMutex, MutexGuard as WaitMutexGuard};

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use std::sync::atomic;

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use std::thread;

#[cfg(raceguard_loom)]
pub(crate) use loom::{sync::atomic, thread};

#[cfg(raceguard_shuttle)]
pub(crate) use shuttle::{sync::atomic, thread};

pub(crate) use super::threads::{Condvar, JoinHandle, spawn, thread_id, thread_local, yield_now};

#[cfg(any(raceguard_shuttle, raceguard_loom))]
pub(crate) use modelled::{
    Mutex, Mutex as BriefMutex, Mutex as WaitMutex, MutexGuard, MutexGuard as BriefGuard,
    MutexGuard as WaitMutexGuard, RwLock,
};

/// The checkers' locks under parking_lot's signatures.
#[cfg(any(raceguard_shuttle, raceguard_loom))]
mod modelled {
    use std::sync::{PoisonError, TryLockError};

    #[cfg(raceguard_loom)]
    use loom::sync as model;
    #[cfg(raceguard_shuttle)]
    use shuttle::sync as model;

    pub(crate) use model::MutexGuard;
    use model::{RwLockReadGuard, RwLockWriteGuard};

    /// A mutex that ignores poison.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(model::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(model::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            match self.0.try_lock() {
                Ok(guard) => Some(guard),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }

    /// A readers-writer lock that ignores poison.
    #[derive(Debug, Default)]
    pub(crate) struct RwLock<T>(model::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(model::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// How a thread waits for another that holds a lock of a bucket: it spins, then lets others run, then sleeps, for up to
/// a millisecond at a time.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    step: u32,
    /// For whoever observes how long locks are waited for.
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    observed: Option<super::tally::Wait>,
}

impl Waiting {
    /// Waits a little, longer each time.
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    pub(crate) fn wait(&mut self) {
        const SPINS: u32 = 6;
        const YIELDS: u32 = 32;
        if self.step == 0 {
            self.observed = super::tally::Wait::begin();
        }
        match self.step {
            ..SPINS => (0..1 << self.step).for_each(|_| std::hint::spin_loop()),
            SPINS..YIELDS => yield_now(),
            _ => {
                thread::sleep(std::time::Duration::from_micros((8 << (self.step - YIELDS).min(7)).min(1000)));
            }
        }
        self.step += 1;
    }

    /// Lets another thread run: time does not pass in a model.
    #[cfg(any(raceguard_shuttle, raceguard_loom))]
    pub(crate) fn wait(&mut self) {
        self.step += 1;
        thread::yield_now();
    }
}

/// Cells whose accesses loom checks for races.
pub(crate) mod cell {
    #[cfg(raceguard_loom)]
    pub(crate) use loom::cell::UnsafeCell;

    /// The standard cell under loom's interface.
    #[cfg(not(raceguard_loom))]
    #[derive(Debug, Default)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(raceguard_loom))]
    impl<T> UnsafeCell<T> {
        #[inline]
        pub(crate) fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
            work(self.0.get())
        }
    }
}

/// A point between the copying of two words, where a model lets another thread run: it cannot see plain memory.
#[inline(always)]
pub(crate) fn between_words() {
    #[cfg(raceguard_shuttle)]
    thread::yield_now();
}
