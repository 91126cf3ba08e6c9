//! [`Table`]: the sequential hash table that the locking strategies put behind their locks.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::map::{Change, Lookup, Operation};

/// A hash table that is told the hash of each key, so that a strategy which picks a shard by it hashes once.
#[derive(Debug)]
pub(crate) struct Table<K, V> {
    entries: HashTable<(K, V)>,
}

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self { entries: HashTable::new() }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Table<K, V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { entries: HashTable::with_capacity(capacity) }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&V> {
        self.entries.find(hash, |(found, _)| key.matches(found)).map(|(_, value)| value)
    }

    pub(crate) fn get_mut<Q: Lookup<K> + ?Sized>(&mut self, hash: u64, key: &Q) -> Option<&mut V> {
        self.entries.find_mut(hash, |(found, _)| key.matches(found)).map(|(_, value)| value)
    }

    pub(crate) fn insert(&mut self, hash: u64, key: K, value: V, hasher: &impl BuildHasher) -> Option<V> {
        match self.entry(hash, &key, hasher) {
            Entry::Occupied(mut entry) => Some(std::mem::replace(&mut entry.get_mut().1, value)),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                None
            }
        }
    }

    pub(crate) fn insert_if_absent(
        &mut self,
        hash: u64,
        key: K,
        value: V,
        hasher: &impl BuildHasher,
    ) -> Option<V> {
        match self.entry(hash, &key, hasher) {
            Entry::Occupied(entry) => Some(entry.get().1.clone()),
            Entry::Vacant(entry) => {
                entry.insert((key, value));
                None
            }
        }
    }

    pub(crate) fn compute<R>(
        &mut self,
        hash: u64,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
        hasher: &impl BuildHasher,
    ) -> R {
        match self.entry(hash, &key, hasher) {
            Entry::Occupied(mut entry) => {
                let (change, result) = decide(Some(&entry.get().1));
                match change {
                    Change::Keep => {}
                    Change::Put(value) => entry.get_mut().1 = value,
                    Change::Remove => drop(entry.remove()),
                }
                result
            }
            Entry::Vacant(entry) => {
                let (change, result) = decide(None);
                if let Change::Put(value) = change {
                    entry.insert((key, value));
                }
                result
            }
        }
    }

    pub(crate) fn remove_if<Q: Lookup<K> + ?Sized>(
        &mut self,
        hash: u64,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Option<V> {
        let entry = self.entries.find_entry(hash, |(found, _)| key.matches(found)).ok()?;
        if !condition(&entry.get().1) {
            return None;
        }
        Some(entry.remove().0.1)
    }

    /// Returns how many entries went.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|(key, value)| keep(key, value));
        before - self.entries.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Does one operation of a batch; whether it changed the table.
    pub(crate) fn apply(&mut self, operation: Operation<K, V>, hasher: &impl BuildHasher) -> bool {
        match operation {
            Operation::Insert(key, value) => {
                self.insert(hasher.hash_one(&key), key, value, hasher);
                true
            }
            Operation::InsertIfAbsent(key, value) => {
                self.insert_if_absent(hasher.hash_one(&key), key, value, hasher).is_none()
            }
            Operation::Remove(key) => self.remove_if(hasher.hash_one(&key), &key, |_| true).is_some(),
        }
    }

    fn entry(&mut self, hash: u64, key: &K, hasher: &impl BuildHasher) -> Entry<'_, (K, V)> {
        self.entries.entry(hash, |(found, _)| found == key, |(key, _)| hasher.hash_one(key))
    }
}
