//! An entry: a key, and a pointer to its value that is also the entry's state and its lock.

use std::ptr;

use crate::raw::sync::atomic::{AtomicPtr, Ordering};
use crate::raw::sync::{Waiting, thread};

/// A value in its own allocation. Aligned so that the lowest bits of its address are free.
#[derive(Debug)]
#[repr(align(8))]
pub(crate) struct Value<V>(pub(crate) V);

/// The lock bit of the pointer.
const LOCKED: usize = 1;
/// Addresses that stand for states.
const EXPUNGED: usize = 2;
const CLOSED: usize = 4;

/// A key and its value, if it has one.
#[derive(Debug)]
pub(super) struct Entry<K, V> {
    pub(super) hash: u64,
    pub(super) key: K,
    value: AtomicPtr<Value<V>>,
}

/// What an entry holds.
#[derive(Debug)]
pub(super) enum State<V> {
    Value(ptr::NonNull<Value<V>>),
    /// Removed.
    Empty,
    /// Removed, and not in the dirty table.
    Expunged,
    /// The map was closed.
    Closed,
}

// Not derived, for that would ask the same of `V`.
impl<V> Clone for State<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for State<V> {}

impl<V> State<V> {
    #[inline]
    fn of(pointer: *mut Value<V>) -> Self {
        match pointer.addr() {
            0 => Self::Empty,
            EXPUNGED => Self::Expunged,
            CLOSED => Self::Closed,
            // SAFETY: not null.
            _ => Self::Value(unsafe { ptr::NonNull::new_unchecked(pointer) }),
        }
    }

    fn pointer(self) -> *mut Value<V> {
        match self {
            Self::Value(value) => value.as_ptr(),
            Self::Empty => ptr::null_mut(),
            Self::Expunged => ptr::without_provenance_mut(EXPUNGED),
            Self::Closed => ptr::without_provenance_mut(CLOSED),
        }
    }
}

fn unlocked<V>(pointer: *mut Value<V>) -> *mut Value<V> {
    pointer.map_addr(|address| address & !LOCKED)
}

impl<K, V> Entry<K, V> {
    /// A locked entry without value. The caller takes the lock over with [`Entry::adopt_lock`].
    pub(super) fn new_locked(hash: u64, key: K) -> Self {
        Self { hash, key, value: AtomicPtr::new(ptr::without_provenance_mut(LOCKED)) }
    }

    /// The lock of an entry made by `new_locked`, once.
    pub(super) fn adopt_lock(&self) -> LockedEntry<'_, V> {
        LockedEntry { value: &self.value, state: State::Empty }
    }

    /// Marks an entry as expunged if it is empty and nobody has its lock.
    pub(super) fn try_expunge(&self) -> bool {
        // ORDERING: AcqRel: as a lock and its release.
        self.value
            .compare_exchange(
                State::Empty.pointer(),
                State::Expunged.pointer(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            )
            .is_ok()
    }

    /// Makes an expunged entry an empty one, under the mutex; false if it is not expunged.
    pub(super) fn try_revive(&self) -> bool {
        let mut locked = self.lock_if_expunged();
        let revived = locked.is_some();
        if let Some(locked) = &mut locked {
            locked.set(State::Empty);
        }
        revived
    }

    fn lock_if_expunged(&self) -> Option<LockedEntry<'_, V>> {
        // Whoever has the lock of an expunged entry gives it back at once.
        while matches!(self.state(), State::Expunged) {
            if self.try_lock(State::Expunged.pointer()) {
                return Some(LockedEntry { value: &self.value, state: State::Expunged });
            }
            thread::yield_now();
        }
        None
    }

    /// What readers see. They do not wait for a writer: while it has the lock, the old value counts.
    #[inline]
    pub(super) fn state(&self) -> State<V> {
        // ORDERING: Acquire pairs with the Release of `unlock_with`: the value's contents are there.
        State::of(unlocked(self.value.load(Ordering::Acquire)))
    }

    /// Locks the entry. Writers of one entry wait for each other.
    #[inline]
    pub(super) fn lock(&self) -> LockedEntry<'_, V> {
        // ORDERING: Relaxed: only a guess for the exchange.
        let pointer = unlocked(self.value.load(Ordering::Relaxed));
        if self.try_lock(pointer) {
            return LockedEntry { value: &self.value, state: State::of(pointer) };
        }
        self.lock_contended()
    }

    #[inline]
    fn try_lock(&self, pointer: *mut Value<V>) -> bool {
        let locked = pointer.map_addr(|address| address | LOCKED);
        // ORDERING: Acquire pairs with the Release of the last holder.
        self.value.compare_exchange(pointer, locked, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn lock_contended(&self) -> LockedEntry<'_, V> {
        let mut waiting = Waiting::default();
        loop {
            // ORDERING: Relaxed: only a guess for the exchange.
            let pointer = self.value.load(Ordering::Relaxed);
            if pointer == unlocked(pointer) && self.try_lock(pointer) {
                return LockedEntry { value: &self.value, state: State::of(pointer) };
            }
            waiting.wait();
        }
    }
}

/// The lock of an entry. Unlocks when it goes, also in a panic of user code, and leaves the state as it was.
pub(super) struct LockedEntry<'a, V> {
    value: &'a AtomicPtr<Value<V>>,
    state: State<V>,
}

impl<V> LockedEntry<'_, V> {
    #[inline]
    pub(super) fn state(&self) -> State<V> {
        self.state
    }

    /// Sets a new state, which counts when this unlocks.
    pub(super) fn set(&mut self, state: State<V>) {
        self.state = state;
    }

    /// Sets a new state and unlocks.
    #[inline]
    pub(super) fn unlock_with(mut self, state: State<V>) {
        self.state = state;
    }
}

impl<V> Drop for LockedEntry<'_, V> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release publishes the value, and what was done under the lock.
        self.value.store(self.state.pointer(), Ordering::Release);
    }
}
