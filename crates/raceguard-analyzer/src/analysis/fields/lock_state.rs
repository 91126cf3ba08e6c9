//! The locks that a function holds at one point of it, and those that it has let go of.

use super::key::{Held, LockKey};

/// What is known of locks at one point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LockState {
    /// Locks that are held.
    pub(super) held: Vec<Held>,
    /// Locks that the function was called with, and that it has released on all ways to here.
    pub(super) given_up: Vec<Held>,
    /// Locks that the function itself took, and has released on all ways to here.
    pub(super) dropped: Vec<Held>,
}

impl LockState {
    /// Takes a lock.
    pub(super) fn take(&mut self, lock: Held) {
        self.dropped.retain(|known| known.key != lock.key);
        // What was released for the caller, and is taken again, is back as it was.
        if let Some(position) = self.given_up.iter().position(|known| *known == lock) {
            self.given_up.remove(position);
        }
        self.held.push(lock);
    }

    /// Releases a lock; whether it was held, or may have been.
    pub(super) fn release(&mut self, lock: &Held) -> bool {
        let perhaps = match &lock.key {
            LockKey::Known(key) => LockKey::Perhaps(key.clone()),
            other => other.clone(),
        };
        let held = self.held.iter().rposition(|known| known == lock);
        let maybe = || self.held.iter().rposition(|known| known.key == perhaps);
        let Some(position) = held.or_else(maybe) else { return false };
        let released = self.held.remove(position);
        if !self.dropped.contains(&released) {
            self.dropped.push(released);
        }
        true
    }

    /// Notes that a lock was released that the function was called with.
    pub(super) fn give_up(&mut self, lock: &Held) {
        if !self.given_up.contains(lock) {
            self.given_up.push(lock.clone());
        }
    }

    /// What holds after either of two ways.
    pub(super) fn join(self, other: &Self) -> Self {
        let both = |one: Vec<Held>, two: &[Held]| one.into_iter().filter(|lock| two.contains(lock)).collect();
        Self {
            held: both(self.held, &other.held),
            given_up: both(self.given_up, &other.given_up),
            dropped: both(self.dropped, &other.dropped),
        }
    }

    /// What holds after either of two arms that began with the locks `before`. A lock that only one of them takes is
    /// perhaps held: by the flag that decided about it, or by whoever called.
    pub(super) fn join_arms(self, other: &Self, before: &[Held]) -> Self {
        let mut perhaps: Vec<Held> = Vec::new();
        for (own, others) in [(&self.held, &other.held), (&other.held, &self.held)] {
            for lock in own.iter().filter(|lock| !others.contains(lock) && !before.contains(lock)) {
                let lock = lock.perhaps();
                if !perhaps.contains(&lock) {
                    perhaps.push(lock);
                }
            }
        }
        let mut joined = self.join(other);
        joined.held.extend(perhaps);
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::MemoryKey;
    use super::*;
    use crate::types::{ObjectId, PackageId};

    fn lock(index: u32) -> Held {
        let object = ObjectId { package: PackageId(0), index };
        Held { key: LockKey::Known(MemoryKey::Global(object, Vec::new(), false)), exclusive: true }
    }

    #[test]
    fn a_lock_that_one_arm_takes_is_perhaps_held_until_it_is_released() {
        let mut taken = LockState::default();
        taken.take(lock(1));
        let mut after = taken.join_arms(&LockState::default(), &[]);
        assert_eq!(after.held, [lock(1).perhaps()]);
        assert!(after.release(&lock(1)));
        assert!(after.held.is_empty());
        assert!(after.given_up.is_empty());
    }

    #[test]
    fn a_lock_that_one_arm_releases_is_not_held_any_more() {
        let mut before = LockState::default();
        before.take(lock(1));
        let mut released = before.clone();
        assert!(released.release(&lock(1)));
        let after = released.join_arms(&before, &before.held);
        assert!(after.held.is_empty());
        assert!(after.dropped.is_empty());
    }

    #[test]
    fn taking_again_what_was_given_up_restores_it() {
        let mut state = LockState::default();
        assert!(!state.release(&lock(1)));
        state.give_up(&lock(1));
        state.take(lock(1));
        assert!(state.given_up.is_empty());
    }
}
