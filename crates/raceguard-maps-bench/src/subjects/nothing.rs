//! Maps that are none. Of the one that does nothing, what the clock costs is measured, and how long the machine stops a
//! thread; of the one that only writes to memory which nobody had before, what the system takes to hand it out.

use parking_lot::Mutex;

use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

pub(crate) struct Nothing;

impl<K: Key, V: Value> Subject<K, V> for Nothing {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl<K: Key, V: Value> Handle<K, V> for &Nothing {
    fn get(&mut self, key: &K, _read: impl Fn(&V) -> u64) -> Option<u64> {
        std::hint::black_box(key);
        None
    }

    fn insert(&mut self, key: K, value: V) {
        std::hint::black_box((key, value));
    }

    fn remove(&mut self, key: &K) -> bool {
        std::hint::black_box(key);
        false
    }

    fn update(&mut self, key: &K, _change: impl Fn(&V) -> V) {
        std::hint::black_box(key);
    }

    fn for_each(&mut self, _visit: impl FnMut(&V)) {}

    fn len(&mut self) -> usize {
        0
    }
}

/// What each insertion takes of the memory, in bytes: about what maps keep for an entry of two words.
const EACH: usize = 32;
/// As much memory as there is, from whose end on it begins anew: for eight million insertions.
const ALL: usize = EACH << 23;

pub(crate) struct FreshMemory(Mutex<Taken>);

struct Taken {
    /// Zeroes that the system does not hand out before they are written to.
    memory: Vec<u8>,
    used: usize,
}

impl<K: Key, V: Value> Subject<K, V> for FreshMemory {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self(Mutex::new(Taken { memory: vec![0; ALL], used: 0 }))
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl<K: Key, V: Value> Handle<K, V> for &FreshMemory {
    fn get(&mut self, key: &K, _read: impl Fn(&V) -> u64) -> Option<u64> {
        std::hint::black_box(key);
        None
    }

    fn insert(&mut self, key: K, value: V) {
        std::hint::black_box((key, value));
        let taken = &mut *self.0.lock();
        taken.memory[taken.used % ALL] = 1;
        taken.used += EACH;
    }

    fn remove(&mut self, key: &K) -> bool {
        std::hint::black_box(key);
        false
    }

    fn update(&mut self, key: &K, _change: impl Fn(&V) -> V) {
        std::hint::black_box(key);
    }

    fn for_each(&mut self, _visit: impl FnMut(&V)) {}

    fn len(&mut self) -> usize {
        0
    }
}
