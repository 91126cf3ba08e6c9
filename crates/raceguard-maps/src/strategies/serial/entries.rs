//! [`SerialEntries`]: the map as an operation sees it while it is the owner.

use std::hash::{BuildHasher, Hash};

use super::pages::Pages;
use crate::map::{Lookup, Operation};

/// The entries of a [`SerialMap`](super::SerialMap) in the hands of a submitted operation, which has them to itself:
/// whatever it does with them is one atomic step for all others.
///
/// ```
/// use raceguard_maps::SerialMap;
///
/// let stock: SerialMap<&str, i64> = SerialMap::new();
/// // Moves between two keys as one step, which no method for a single key could.
/// let moved = stock.submit(|entries| {
///     entries.insert("here", 5);
///     let left = entries.remove(&"here").unwrap_or(0);
///     entries.insert("there", left);
///     entries.iter().map(|(_, count)| count).sum::<i64>()
/// })?;
/// assert_eq!(moved.wait()?, 5);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct SerialEntries<'a, K, V, S> {
    pages: &'a mut Pages<K, V>,
    hasher: &'a S,
    writes: &'a mut u64,
}

impl<'a, K: Hash + Eq + Clone, V: Clone, S: BuildHasher> SerialEntries<'a, K, V, S> {
    pub(super) fn new(pages: &'a mut Pages<K, V>, hasher: &'a S, writes: &'a mut u64) -> Self {
        Self { pages, hasher, writes }
    }

    /// The value of `key`.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.pages.get(self.hasher.hash_one(key), key)
    }

    /// Sets the value of `key` and returns the value that it replaced.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        *self.writes += 1;
        self.pages.insert(self.hasher.hash_one(&key), key, value)
    }

    /// Changes the value of `key` in place; `None` when the key is absent. A panic of `change` leaves what it had done.
    pub fn update<Q: Lookup<K> + ?Sized, R>(
        &mut self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Option<R> {
        *self.writes += 1;
        self.pages.update(self.hasher.hash_one(key), key, change)
    }

    /// Removes `key` and returns its value.
    pub fn remove<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        *self.writes += 1;
        self.pages.remove_if(self.hasher.hash_one(key), key, |_| true)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.pages.iter()
    }

    /// Does one operation and returns the value that was there before (for `InsertIfAbsent`, the one that stays).
    pub(super) fn apply(&mut self, operation: Operation<K, V>) -> Option<V> {
        match operation {
            Operation::Insert(key, value) => self.insert(key, value),
            Operation::InsertIfAbsent(key, value) => self.insert_if_absent(key, value),
            Operation::Remove(key) => self.remove(&key),
        }
    }

    pub(super) fn insert_if_absent(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.hasher.hash_one(&key);
        if let Some(present) = self.pages.get(hash, &key) {
            return Some(present.clone());
        }
        *self.writes += 1;
        self.pages.insert(hash, key, value)
    }
}
