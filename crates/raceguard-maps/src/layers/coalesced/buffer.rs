//! [`Buffer`]: the last pending write of each key of one stripe.

use hashbrown::HashTable;

use crate::map::{Lookup, Operation};

/// What is to become of a key.
#[derive(Debug)]
pub(super) enum Pending<V> {
    /// It gets this value.
    Put(V),
    /// It goes away.
    Gone,
    /// What the map holds is merged with this value; where it holds nothing, it gets this value.
    Delta(V),
}

/// A key with its pending write. Its hash is kept, so that growing runs no code of the user's.
#[derive(Debug)]
pub(super) struct Item<K, V> {
    hash: u64,
    pub(super) key: K,
    pub(super) pending: Pending<V>,
}

/// The pending writes of one stripe, one per key. The owner holds the stripe's lock.
#[derive(Debug)]
pub(super) struct Buffer<K, V> {
    items: HashTable<Item<K, V>>,
    /// Set by `close`: nothing more is taken.
    pub(super) closed: bool,
}

impl<K, V> Default for Buffer<K, V> {
    fn default() -> Self {
        Self { items: HashTable::new(), closed: false }
    }
}

impl<K, V> Buffer<K, V> {
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn get<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q) -> Option<&Pending<V>> {
        let item = self.items.find(hash, |item| item.hash == hash && key.matches(&item.key))?;
        Some(&item.pending)
    }

    /// Replaces what was pending for this key, and returns it.
    pub(super) fn set(&mut self, hash: u64, key: K, pending: Pending<V>) -> Option<Pending<V>>
    where
        K: Eq,
    {
        if let Some(item) = self.items.find_mut(hash, |item| item.hash == hash && item.key == key) {
            return Some(std::mem::replace(&mut item.pending, pending));
        }
        self.items.insert_unique(hash, Item { hash, key, pending }, |item| item.hash);
        None
    }

    pub(super) fn items_mut(&mut self) -> impl Iterator<Item = &mut Item<K, V>> {
        self.items.iter_mut()
    }

    /// The pending writes as operations; those of deltas that are not resolved are left out.
    pub(super) fn operations(&self) -> Vec<Operation<K, V>>
    where
        K: Clone,
        V: Clone,
    {
        let operation = |item: &Item<K, V>| match &item.pending {
            Pending::Put(value) => Some(Operation::Insert(item.key.clone(), value.clone())),
            Pending::Gone => Some(Operation::Remove(item.key.clone())),
            Pending::Delta(_) => None,
        };
        self.items.iter().filter_map(operation).collect()
    }

    /// Empties the buffer; what was in it is the caller's to drop.
    pub(super) fn take(&mut self) -> impl Sized + use<K, V> {
        std::mem::take(&mut self.items)
    }
}
