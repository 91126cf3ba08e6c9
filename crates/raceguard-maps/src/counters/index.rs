//! [`Index`]: a sequential hash table that keeps each key's hash, so that moving an entry never runs user code.

use std::hash::Hash;

use hashbrown::HashTable;

use crate::map::Lookup;

/// The lowest of the bits of a hash that pick a shard. The table uses the lowest bits and the seven highest.
pub(super) const SHARD_SHIFT: u32 = 32;

/// A hash table that is told the hash of each key. `Eq` of keys is the only user code that runs in it, and it runs
/// before anything is changed.
#[derive(Debug)]
pub(super) struct Index<K, V> {
    entries: HashTable<Entry<K, V>>,
}

#[derive(Debug)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { entries: HashTable::new() }
    }
}

impl<K, V> Index<K, V> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|entry| (&entry.key, &entry.value))
    }

    /// All entries, leaving the index empty and without memory.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (K, V)> + use<K, V> {
        std::mem::take(&mut self.entries).into_iter().map(|entry| (entry.key, entry.value))
    }

    /// Adds an entry whose key is known to be absent.
    pub(super) fn insert_new(&mut self, hash: u64, key: K, value: V) {
        self.entries.insert_unique(hash, Entry { hash, key, value }, |entry| entry.hash);
    }
}

impl<K: Hash + Eq, V> Index<K, V> {
    pub(super) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.entries
            .find(hash, |entry| entry.hash == hash && key.matches(&entry.key))
            .map(|entry| &entry.value)
    }

    pub(super) fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V> {
        self.entries
            .find_mut(hash, |entry| entry.hash == hash && key.matches(&entry.key))
            .map(|entry| &mut entry.value)
    }

    pub(super) fn remove<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<(K, V)> {
        let found =
            self.entries.find_entry(hash, |entry| entry.hash == hash && key.matches(&entry.key)).ok()?;
        let (entry, _) = found.remove();
        Some((entry.key, entry.value))
    }
}
