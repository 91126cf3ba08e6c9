//! [`Pace`]: how long the leader of a group waits for the writers of the group before it.
//!
//! Writers that write again as soon as they are acknowledged fall into two halves: one waits for a sync while the other
//! joins the next group, so that each sync carries half of what it could. A leader that waits some microseconds, until
//! those who have just been woken are back, carries all of them. It waits only as long as that pays: no longer than half
//! a sync, not when the writers stay away, and never for itself alone.

use std::time::{Duration, Instant};

use crate::raw::sync::yield_now;

/// A wait without anybody joining ends after this time.
const PATIENCE: Duration = Duration::from_micros(15);

/// After so many waits in a row in which nobody came ...
const FRUITLESS: u32 = 8;

/// ... so many groups are written without a wait.
const PAUSE: u32 = 100;

/// What the leaders of one log know of the groups before theirs. Guarded by the lock of the log.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last_size: usize,
    last_sync: Duration,
    fruitless: u32,
    pause: u32,
}

impl Pace {
    /// Waits until the group has the size that it can be expected to get. `contended` says that the group before was
    /// being written when this one was begun, so that its writers are not in this one.
    pub(super) fn gather(&mut self, contended: bool, joined: impl Fn() -> usize) {
        let first = joined();
        let expected = if contended { self.last_size + first } else { self.last_size };
        // A checker's schedules must not depend on the time.
        if expected <= first || cfg!(any(raceguard_shuttle, raceguard_loom)) {
            return;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return;
        }
        let start = Instant::now();
        let (mut count, mut progress) = (first, start);
        while count < expected {
            yield_now();
            let now = Instant::now();
            let seen = joined();
            if seen > count {
                (count, progress) = (seen, now);
            }
            if now - progress > PATIENCE || now - start > self.last_sync / 2 {
                break;
            }
        }
        self.fruitless = if count > first { 0 } else { self.fruitless + 1 };
        if self.fruitless >= FRUITLESS {
            (self.fruitless, self.pause) = (0, PAUSE);
        }
    }

    /// Notes the size of a group and how long it took to write and sync.
    pub(super) fn note(&mut self, size: usize, took: Duration) {
        self.last_size = size;
        self.last_sync = took;
    }
}
