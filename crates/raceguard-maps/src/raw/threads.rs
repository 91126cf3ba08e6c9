//! Threads, their identity and their waiting: the real ones, or those of shuttle or loom.
//!
//! Part of the door [`sync`](super::sync), which re-exports all of it.

use std::time::Duration;

use super::sync::WaitMutexGuard;

#[cfg(raceguard_loom)]
use loom as model;
#[cfg(raceguard_shuttle)]
use shuttle as model;

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use std::thread_local;

#[cfg(any(raceguard_shuttle, raceguard_loom))]
pub(crate) use model::thread_local;

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use std::thread::{JoinHandle, yield_now};

#[cfg(any(raceguard_shuttle, raceguard_loom))]
pub(crate) use model::thread::{JoinHandle, yield_now};

/// Starts a named thread; the error is the system's refusal to give one.
pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    return std::thread::Builder::new().name(name.to_owned()).spawn(body);
    #[cfg(any(raceguard_shuttle, raceguard_loom))]
    return model::thread::Builder::new().name(name.to_owned()).spawn(body);
}

/// A number other than zero that no other thread alive has.
#[inline]
pub(crate) fn thread_id() -> usize {
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    {
        std::thread_local! {
            static MARK: u8 = const { 0 };
        }
        // While a thread lives, nothing else is at the address of its own copy. During the thread's own teardown the
        // copy is still there: it has no destructor.
        MARK.with(|mark| std::ptr::from_ref(mark).addr())
    }
    #[cfg(raceguard_shuttle)]
    return usize::from(shuttle::thread::current().id()) + 1;
    #[cfg(raceguard_loom)]
    {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(loom::thread::current().id());
        return usize::try_from(hash >> 1).unwrap_or(usize::MAX) | 1;
    }
}

/// A condition variable that works on the guards of [`WaitMutex`](super::sync::WaitMutex) by value.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    real: parking_lot::Condvar,
    #[cfg(any(raceguard_shuttle, raceguard_loom))]
    modelled: model::sync::Condvar,
}

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
impl Condvar {
    pub(crate) fn wait<'a, T>(&self, mut guard: WaitMutexGuard<'a, T>) -> WaitMutexGuard<'a, T> {
        self.real.wait(&mut guard);
        guard
    }

    /// Waits for a notification, at most this long.
    pub(crate) fn wait_for<'a, T>(
        &self,
        mut guard: WaitMutexGuard<'a, T>,
        limit: Duration,
    ) -> WaitMutexGuard<'a, T> {
        self.real.wait_for(&mut guard, limit);
        guard
    }

    pub(crate) fn notify_one(&self) {
        self.real.notify_one();
    }
}

/// The checkers have no time: a limited wait ends at once, after others had a chance to run.
#[cfg(any(raceguard_shuttle, raceguard_loom))]
impl Condvar {
    pub(crate) fn wait<'a, T>(&self, guard: WaitMutexGuard<'a, T>) -> WaitMutexGuard<'a, T> {
        self.modelled.wait(guard).unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn wait_for<'a, T>(
        &self,
        guard: WaitMutexGuard<'a, T>,
        _limit: Duration,
    ) -> WaitMutexGuard<'a, T> {
        yield_now();
        guard
    }

    pub(crate) fn notify_one(&self) {
        self.modelled.notify_one();
    }
}
