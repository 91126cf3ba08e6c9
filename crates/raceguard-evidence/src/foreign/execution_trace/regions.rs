//! User regions that a goroutine has open, and what was logged in them.

use super::names::{Name, Stack};

/// How many regions a goroutine may have open, and how many keys a region may have.
const MOST_OPEN: usize = 64;
const MOST_KEYS: usize = 64;

/// Category and message of a log; `None` when there was no room for the strings.
pub(super) type Key = Option<(Name, Name)>;

/// A region that has not ended.
#[derive(Debug)]
pub(super) struct OpenRegion {
    pub(super) name: Name,
    pub(super) task: u64,
    pub(super) start: u64,
    pub(super) site: Stack,
    /// Time that its goroutine was blocked, and could have run, before it.
    pub(super) blocked_before: u64,
    pub(super) runnable_before: u64,
    /// What was logged in it, each once.
    pub(super) keys: Vec<Key>,
}

/// The open regions of a goroutine, innermost last.
#[derive(Debug, Default)]
pub(super) struct Regions(Vec<OpenRegion>);

impl Regions {
    /// Whether there was room.
    pub(super) fn begin(&mut self, region: OpenRegion) -> bool {
        let room = self.0.len() < MOST_OPEN;
        if room {
            self.0.push(region);
        }
        room
    }

    /// The region that ends: the innermost of that name and task. `None` when it began before the trace.
    pub(super) fn end(&mut self, name: Name, task: u64) -> Option<OpenRegion> {
        let place = self.0.iter().rposition(|region| region.name == name && region.task == task)?;
        Some(self.0.remove(place))
    }

    /// The innermost region.
    pub(super) fn pop(&mut self) -> Option<OpenRegion> {
        self.0.pop()
    }

    /// Notes what was logged with the innermost region: whether there was room, or `None` when none is open.
    pub(super) fn log(&mut self, key: Key) -> Option<bool> {
        let keys = &mut self.0.last_mut()?.keys;
        if keys.contains(&key) {
            return Some(true);
        }
        let room = keys.len() < MOST_KEYS;
        if room {
            keys.push(key);
        }
        Some(room)
    }

    /// When the outermost one began.
    pub(super) fn earliest_start(&self) -> Option<u64> {
        self.0.iter().map(|region| region.start).min()
    }
}
