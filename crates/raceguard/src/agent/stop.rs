//! Tells all threads of the agent to end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Set once; then all who wait go on.
#[derive(Debug, Default)]
pub struct Stop {
    since: Mutex<Option<Instant>>,
    changed: Condvar,
}

impl Stop {
    /// Tells all.
    pub fn set(&self) {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
        self.changed.notify_all();
    }

    /// Whether it was told, and how long ago.
    pub fn since(&self) -> Option<Duration> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }

    /// Whether it was told.
    pub fn is_set(&self) -> bool {
        self.since().is_some()
    }

    /// Waits until it is told, at most for `time`; returns whether it was.
    pub fn wait(&self, time: Duration) -> bool {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(since, time, |since| since.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_some()
    }
}

/// Tells all when it is dropped: a thread that ends, in whatever way, ends the others.
#[derive(Debug)]
pub struct StopWhenDropped<'a>(pub &'a Stop);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.set();
    }
}
