//! Maps that are none. Of the one that does nothing, what the clock costs is measured, and how long the machine stops a
//! thread; of the one that only writes to memory which nobody had before, what the system takes to hand it out.

use parking_lot::Mutex;

use crate::data::{Key, Value};
use crate::subject::{Handle, Subject};

/// Holds no entry; what an insertion does instead is up to `I`.
pub(crate) struct Hollow<I>(I);

/// Does nothing.
pub(crate) type Nothing = Hollow<()>;
/// Touches new memory for each insertion.
pub(crate) type FreshMemory = Hollow<Mutex<Taken>>;

/// What an insertion does.
pub(crate) trait Insertion: Default + Send + Sync + 'static {
    fn happen(&self);
}

impl Insertion for () {
    fn happen(&self) {}
}

/// What each insertion takes of the memory, in bytes: about what maps keep for an entry of two words.
const EACH: usize = 32;
/// As much memory as there is, from whose end on it begins anew: for eight million insertions.
const ALL: usize = EACH << 23;

pub(crate) struct Taken {
    /// Zeroes that the system does not hand out before they are written to.
    memory: Vec<u8>,
    used: usize,
}

impl Default for Taken {
    fn default() -> Self {
        Self { memory: vec![0; ALL], used: 0 }
    }
}

impl Insertion for Mutex<Taken> {
    fn happen(&self) {
        let taken = &mut *self.lock();
        taken.memory[taken.used % ALL] = 1;
        taken.used += EACH;
    }
}

impl<K: Key, V: Value, I: Insertion> Subject<K, V> for Hollow<I> {
    type Handle<'a> = &'a Self;

    fn empty() -> Self {
        Self(I::default())
    }

    fn handle(&self) -> &Self {
        self
    }
}

impl<K: Key, V: Value, I: Insertion> Handle<K, V> for &Hollow<I> {
    fn get(&mut self, key: &K, _read: impl Fn(&V) -> u64) -> Option<u64> {
        std::hint::black_box(key);
        None
    }

    fn insert(&mut self, key: K, value: V) {
        std::hint::black_box((key, value));
        self.0.happen();
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
