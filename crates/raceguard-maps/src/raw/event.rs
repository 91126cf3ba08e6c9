//! [`Event`]: a flag that threads sleep on until another thread raises it.
//!
//! One word: `CLEAR`, `AWAITED` (clear, and somebody may sleep) or `RAISED`. A sleeper first moves `CLEAR` to `AWAITED`
//! and then sleeps only while the word still is `AWAITED` (a futex compares and sleeps in one step), so a raise between
//! the two is not lost. Raising swaps in `RAISED` and pays for a system call only if the word was `AWAITED`. This is
//! the mutex of Drepper's "Futexes Are Tricky" (2011) reduced to a flag: sleepers that are woken take no lock, so
//! a group of hundreds wakes without queueing behind one another.
//!
//! Outside Linux, and under the checkers, a lock and a condition variable stand in for the futex.

use std::time::Duration;

#[cfg(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom))))]
pub(crate) use futex::Event;
#[cfg(not(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom)))))]
pub(crate) use locked::Event;

#[cfg(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom))))]
mod futex {
    use std::time::Instant;

    use rustix::io::Errno;
    use rustix::thread::futex;

    use super::Duration;
    use crate::raw::sync::atomic::{AtomicU32, Ordering};

    const CLEAR: u32 = 0;
    const AWAITED: u32 = 1;
    const RAISED: u32 = 2;

    /// A flag to sleep on.
    #[derive(Debug, Default)]
    pub(crate) struct Event(AtomicU32);

    impl Event {
        /// Raises the flag and wakes all sleepers.
        pub(crate) fn raise(&self) {
            // ORDERING: Release pairs with the Acquire in `is_raised`: who sees the flag sees what came before it.
            if self.0.swap(RAISED, Ordering::Release) == AWAITED {
                // An error could only mean a bad address; the sleepers compare the word again in any case.
                let _ = futex::wake(&self.0, futex::Flags::PRIVATE, i32::MAX.cast_unsigned());
            }
        }

        /// Whether the flag is up.
        pub(crate) fn is_raised(&self) -> bool {
            // ORDERING: Acquire pairs with the Release in `raise`.
            self.0.load(Ordering::Acquire) == RAISED
        }

        /// Takes the flag down. For events with one sleeper, which looks at what it waits for only afterwards.
        pub(crate) fn clear(&self) {
            // ORDERING: AcqRel: what the raiser did before is seen, and not reordered before this.
            self.0.swap(CLEAR, Ordering::AcqRel);
        }

        /// Sleeps until the flag is up.
        pub(crate) fn wait(&self) {
            while !self.is_raised() {
                self.sleep(None);
            }
        }

        /// Sleeps until the flag is up or the time is over; whether it is up.
        pub(crate) fn wait_timeout(&self, timeout: Duration) -> bool {
            let start = Instant::now();
            while !self.is_raised() {
                let Some(left) = timeout.checked_sub(start.elapsed()).filter(|left| !left.is_zero()) else {
                    return false;
                };
                self.sleep(Some(left));
            }
            true
        }

        fn sleep(&self, timeout: Option<Duration>) {
            // ORDERING: Relaxed: the word alone decides whether to sleep; `is_raised` synchronizes afterwards.
            let _ = self.0.compare_exchange(CLEAR, AWAITED, Ordering::Relaxed, Ordering::Relaxed);
            let timeout = timeout.and_then(|left| futex::Timespec::try_from(left).ok());
            match futex::wait(&self.0, futex::Flags::PRIVATE, AWAITED, timeout.as_ref()) {
                // Woken, the word had changed, time over, a signal: the caller looks at the word again.
                Ok(()) | Err(Errno::AGAIN | Errno::TIMEDOUT | Errno::INTR) => {}
                Err(error) => unreachable!("futex wait on a live word: {error}"),
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom)))))]
mod locked {
    use std::sync::PoisonError;

    #[cfg(raceguard_loom)]
    use loom::sync as model;
    #[cfg(all(raceguard_shuttle, not(raceguard_loom)))]
    use shuttle::sync as model;
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    use std::sync as model;

    use super::Duration;

    /// A flag to sleep on.
    #[derive(Debug)]
    pub(crate) struct Event {
        raised: model::Mutex<bool>,
        changed: model::Condvar,
    }

    impl Default for Event {
        fn default() -> Self {
            Self { raised: model::Mutex::new(false), changed: model::Condvar::new() }
        }
    }

    impl Event {
        pub(crate) fn raise(&self) {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.changed.notify_all();
        }

        pub(crate) fn is_raised(&self) -> bool {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn clear(&self) {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }

        pub(crate) fn wait(&self) {
            let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
            while !*raised {
                raised = self.changed.wait(raised).unwrap_or_else(PoisonError::into_inner);
            }
        }

        /// Under a checker time does not pass: the wait ends at once, which is one of the things it may do.
        pub(crate) fn wait_timeout(&self, timeout: Duration) -> bool {
            if cfg!(any(raceguard_shuttle, raceguard_loom)) {
                return self.is_raised();
            }
            let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
            if *raised {
                return true;
            }
            *self.changed.wait_timeout(raised, timeout).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_raise_wakes_every_sleeper() {
        let event = Arc::new(Event::default());
        let sleepers: Vec<_> = (0..8)
            .map(|_| {
                let event = Arc::clone(&event);
                std::thread::spawn(move || event.wait())
            })
            .collect();
        assert!(!event.wait_timeout(Duration::from_millis(5)), "nobody raised it yet");
        event.raise();
        for sleeper in sleepers {
            sleeper.join().expect("woken");
        }
        assert!(event.wait_timeout(Duration::ZERO));
        event.clear();
        assert!(!event.is_raised());
    }
}
