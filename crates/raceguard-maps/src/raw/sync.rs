//! The one door to locks, atomics and threads: the real ones, or those of shuttle or loom under
//! `--cfg raceguard_shuttle` and `--cfg raceguard_loom`.
//!
//! Locks here never poison: a panic in a closure releases the lock, and what was written stays.

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use parking_lot::{Mutex, MutexGuard};

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use std::sync::atomic;

#[cfg(raceguard_loom)]
pub(crate) use loom::sync::atomic;

#[cfg(raceguard_shuttle)]
pub(crate) use shuttle::sync::atomic;

#[cfg(any(raceguard_shuttle, raceguard_loom))]
pub(crate) use modelled::{Mutex, MutexGuard};

/// The checkers' locks under parking_lot's signatures.
#[cfg(any(raceguard_shuttle, raceguard_loom))]
mod modelled {
    use std::sync::{PoisonError, TryLockError};

    #[cfg(raceguard_loom)]
    use loom::sync as model;
    #[cfg(raceguard_shuttle)]
    use shuttle::sync as model;

    pub(crate) use model::MutexGuard;

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
}
