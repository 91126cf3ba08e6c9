//! [`Subject`]: what a map has to offer to be measured, and [`Handle`], through which one thread uses it.

use crate::data::{Key, Value};

/// A map under measurement. Some peers read through a handle that each thread has to have for itself, so all do here.
pub(crate) trait Subject<K: Key, V: Value>: Send + Sync + Sized + 'static {
    /// What one thread holds.
    type Handle<'a>: Handle<K, V>;

    /// An empty map.
    fn empty() -> Self;

    fn handle(&self) -> Self::Handle<'_>;

    /// Inserts entries, one by one unless the map knows a quicker way.
    fn fill(&self, entries: impl Iterator<Item = (K, V)>) {
        let mut handle = self.handle();
        for (key, value) in entries {
            handle.insert(key, value);
        }
    }
}

/// One thread's use of a map.
pub(crate) trait Handle<K, V> {
    /// Calls `read` with the value of `key`, in place where the map can.
    fn get(&mut self, key: &K, read: impl Fn(&V) -> u64) -> Option<u64>;

    /// Sets the value of `key`.
    fn insert(&mut self, key: K, value: V);

    /// Removes `key`; whether it was there.
    fn remove(&mut self, key: &K) -> bool;

    /// Replaces the value of `key`, which is there, by what `change` makes of it, as one atomic step.
    fn update(&mut self, key: &K, change: impl Fn(&V) -> V);

    /// Calls `visit` with every value.
    fn for_each(&mut self, visit: impl FnMut(&V));

    fn len(&mut self) -> usize;
}
