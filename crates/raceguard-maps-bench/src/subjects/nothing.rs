//! A map that does nothing: what is measured of it is what the clock costs, and how long the machine stops a thread.

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
