//! [`Event`]: a flag that threads sleep on until another thread raises it.
//!
//! One word: `CLEAR`, `AWAITED` (clear, and somebody may sleep) or `RAISED`. A sleeper first moves `CLEAR` to `AWAITED`
//! and then sleeps only while the word still is `AWAITED` (a futex compares and sleeps in one step), so a raise between
//! the two is not lost. Raising swaps in `RAISED` and pays for a system call only if the word was `AWAITED`. This is
//! the mutex of Drepper's "Futexes Are Tricky" (2011) reduced to a flag: sleepers that are woken take no lock, so
//! a group of hundreds wakes without queueing behind one another.
//!
//! Outside Linux, and under the checkers, a lock and a condition variable stand in for the kernel's comparing and
//! sleeping; the word and its protocol are the same.

use std::time::{Duration, Instant};

use self::sleepers::Sleepers;
use super::sync::atomic::{AtomicU32, Ordering};

const CLEAR: u32 = 0;
const AWAITED: u32 = 1;
const RAISED: u32 = 2;

/// A flag to sleep on.
#[derive(Debug)]
pub(crate) struct Event {
    word: AtomicU32,
    sleepers: Sleepers,
}

// The atomics of loom have no `Default`.
impl Default for Event {
    fn default() -> Self {
        Self { word: AtomicU32::new(CLEAR), sleepers: Sleepers::new() }
    }
}

impl Event {
    /// Raises the flag and wakes all sleepers.
    pub(crate) fn raise(&self) {
        // ORDERING: Release pairs with the Acquire in `is_raised`: who sees the flag sees what came before it.
        if self.word.swap(RAISED, Ordering::Release) == AWAITED {
            self.sleepers.wake_all(&self.word);
        }
    }

    /// Whether the flag is up.
    pub(crate) fn is_raised(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `raise`.
        self.word.load(Ordering::Acquire) == RAISED
    }

    /// Takes the flag down. For events with one sleeper, which looks at what it waits for only afterwards.
    pub(crate) fn clear(&self) {
        // ORDERING: Acquire pairs with the Release in `raise`: what was done before it is seen by what comes after
        // this.
        self.word.swap(CLEAR, Ordering::Acquire);
    }

    /// Sleeps until the flag is up.
    pub(crate) fn wait(&self) {
        while !self.is_raised() {
            self.sleep(None);
        }
    }

    /// Sleeps until the flag is up or the time is over; whether it is up. Under a checker time does not pass: the wait
    /// ends at once, which is one of the things it may do.
    pub(crate) fn wait_timeout(&self, timeout: Duration) -> bool {
        if cfg!(any(raceguard_shuttle, raceguard_loom)) {
            return self.is_raised();
        }
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
        let _ = self.word.compare_exchange(CLEAR, AWAITED, Ordering::Relaxed, Ordering::Relaxed);
        self.sleepers.sleep_while_awaited(&self.word, timeout);
    }
}

/// The kernel's sleepers.
#[cfg(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom))))]
mod sleepers {
    use rustix::io::Errno;
    use rustix::thread::futex;

    use super::{AWAITED, AtomicU32, Duration};

    #[derive(Debug)]
    pub(super) struct Sleepers;

    #[expect(clippy::unused_self, reason = "the stand-in has a state")]
    impl Sleepers {
        pub(super) fn new() -> Self {
            Self
        }

        pub(super) fn wake_all(&self, word: &AtomicU32) {
            // An error could only mean a bad address; the sleepers compare the word again in any case.
            let _ = futex::wake(word, futex::Flags::PRIVATE, i32::MAX.cast_unsigned());
        }

        pub(super) fn sleep_while_awaited(&self, word: &AtomicU32, timeout: Option<Duration>) {
            let timeout = timeout.and_then(|left| futex::Timespec::try_from(left).ok());
            match futex::wait(word, futex::Flags::PRIVATE, AWAITED, timeout.as_ref()) {
                // Woken, the word had changed, time over, a signal: the caller looks at the word again.
                Ok(()) | Err(Errno::AGAIN | Errno::TIMEDOUT | Errno::INTR) => {}
                Err(error) => unreachable!("futex wait on a live word: {error}"),
            }
        }
    }
}

/// A stand-in for the kernel's sleepers.
#[cfg(not(all(target_os = "linux", not(any(raceguard_shuttle, raceguard_loom)))))]
mod sleepers {
    use std::sync::PoisonError;

    #[cfg(raceguard_loom)]
    use loom::sync as model;
    #[cfg(all(raceguard_shuttle, not(raceguard_loom)))]
    use shuttle::sync as model;
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    use std::sync as model;

    use super::{AWAITED, AtomicU32, Duration, Ordering};

    #[derive(Debug)]
    pub(super) struct Sleepers {
        queue: model::Mutex<()>,
        woken: model::Condvar,
    }

    impl Sleepers {
        pub(super) fn new() -> Self {
            Self { queue: model::Mutex::new(()), woken: model::Condvar::new() }
        }

        pub(super) fn wake_all(&self, _: &AtomicU32) {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            self.woken.notify_all();
            drop(queue);
        }

        pub(super) fn sleep_while_awaited(&self, word: &AtomicU32, timeout: Option<Duration>) {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            // ORDERING: Relaxed: the lock orders this load with the wake that follows a raise; as in the kernel.
            if word.load(Ordering::Relaxed) != AWAITED {
                return;
            }
            match timeout {
                Some(timeout) => drop(self.woken.wait_timeout(queue, timeout)),
                None => drop(self.woken.wait(queue)),
            }
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

#[cfg(all(test, raceguard_loom))]
mod loom_tests {
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU32 as Value;
    use loom::thread;

    use super::*;

    /// A sleeper that was not woken would be a deadlock, which loom reports.
    #[test]
    fn loom_no_raise_is_lost_and_what_came_before_it_is_seen() {
        let mut model = loom::model::Builder::new();
        // Without a bound two sleepers and a raiser take minutes.
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new((Event::default(), Value::new(0)));
            let sleepers: Vec<_> = (0..2)
                .map(|_| {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        shared.0.wait();
                        assert_eq!(shared.1.load(Ordering::Relaxed), 7);
                    })
                })
                .collect();
            shared.1.store(7, Ordering::Relaxed);
            shared.0.raise();
            for sleeper in sleepers {
                sleeper.join().expect("woken");
            }
        });
    }

    /// One sleeper takes the flag down and looks for work: whatever is announced by a raise is found.
    #[test]
    fn loom_work_that_is_announced_is_found() {
        loom::model(|| {
            let shared = Arc::new((Event::default(), Value::new(0)));
            let worker = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    let mut found = 0;
                    while found < 2 {
                        shared.0.wait();
                        shared.0.clear();
                        found += shared.1.swap(0, Ordering::Relaxed);
                    }
                })
            };
            for _ in 0..2 {
                shared.1.fetch_add(1, Ordering::Relaxed);
                shared.0.raise();
            }
            worker.join().expect("woken");
        });
    }
}
