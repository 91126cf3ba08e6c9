//! [`Flusher`]: the thread that flushes writes which have waited long enough.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::error::MapError;
use crate::raw::sync::atomic::{AtomicBool, Ordering};
use crate::raw::sync::{Condvar, JoinHandle, WaitMutex};

/// When to flush, and the thread that does. Without a pending write the thread sleeps; before the first one there is
/// none.
#[derive(Debug)]
pub(super) struct Flusher {
    age: Duration,
    /// Whether the thread knows of pending writes. Cleared before a flush, so that a write which the flush misses is
    /// announced again: a writer that reads `true` here buffered its write before the flush takes the stripe's lock.
    armed: AtomicBool,
    state: WaitMutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// When the oldest write that is not flushed came in.
    since: Option<Instant>,
    stop: bool,
    error: Option<MapError>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(super) fn new(age: Duration) -> Self {
        Self {
            age,
            armed: AtomicBool::new(false),
            state: WaitMutex::new(State::default()),
            changed: Condvar::default(),
        }
    }

    /// After a write was buffered. `start` starts the thread the first time.
    #[inline]
    pub(super) fn announce(&self, start: impl FnOnce() -> io::Result<JoinHandle<()>>) {
        // ORDERING: Acquire pairs with the Release in `wait_until_due`; see `armed` for the argument.
        if !self.armed.load(Ordering::Acquire) {
            self.arm(start);
        }
    }

    fn arm(&self, start: impl FnOnce() -> io::Result<JoinHandle<()>>) {
        let mut state = self.state.lock();
        if state.stop {
            return;
        }
        self.armed.store(true, Ordering::Release);
        state.since.get_or_insert_with(Instant::now);
        if state.thread.is_none() {
            match start() {
                Ok(thread) => state.thread = Some(thread),
                // The next write tries again; until then size and `flush` still flush.
                Err(_) => self.armed.store(false, Ordering::Release),
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// What the thread does, until it is told to stop.
    pub(super) fn run(&self, flush: impl Fn() -> Result<usize, MapError>) {
        while self.wait_until_due() {
            // A panic of the user's `Clone` or merge function leaves the writes in the buffer, as an error does.
            let result = catch_unwind(AssertUnwindSafe(&flush));
            let mut state = self.state.lock();
            state.error = match &result {
                Ok(Err(error)) => Some(error.clone()),
                _ => None,
            };
            if !matches!(result, Ok(Ok(_) | Err(MapError::Closed))) {
                self.armed.store(true, Ordering::Release);
                state.since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// False when told to stop.
    fn wait_until_due(&self) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return false;
            }
            match state.since.map(|since| self.age.saturating_sub(since.elapsed())) {
                // The checkers have no time: to them every write is old.
                Some(left) if left.is_zero() || cfg!(any(raceguard_shuttle, raceguard_loom)) => {
                    state.since = None;
                    self.armed.store(false, Ordering::Release);
                    return true;
                }
                Some(left) => state = self.changed.wait_for(state, left),
                None => state = self.changed.wait(state),
            }
        }
    }

    /// Why the last flush of the thread failed; it tries again after the age.
    pub(super) fn last_error(&self) -> Option<MapError> {
        self.state.lock().error.clone()
    }

    /// Ends the thread, after the flush that it may be in.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.stop = true;
        let thread = state.thread.take();
        drop(state);
        self.changed.notify_one();
        // It cannot have panicked: the flush is caught.
        let _ = thread.map(JoinHandle::join);
    }
}
