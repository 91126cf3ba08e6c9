//! [`Closable`]: a table and its end of life, as one thing behind one lock.

use std::hash::{BuildHasher, Hash};

use super::{Leftover, Table};
use crate::error::MapError;
use crate::map::Operation;

/// A table that can be closed. The flag is read under the lock of the table, so no write can slip in after `close` has
/// counted.
#[derive(Debug)]
pub(crate) struct Closable<K, V> {
    table: Table<K, V>,
    /// Set by `close`, with the entries that were there.
    closed: Option<usize>,
}

/// Operations with the hashes of their keys, drawn and hashed before a lock is taken.
pub(crate) type HashedBatch<K, V> = Vec<(u64, Operation<K, V>)>;

impl<K, V> Default for Closable<K, V> {
    fn default() -> Self {
        Self { table: Table::default(), closed: None }
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Closable<K, V> {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { table: Table::with_capacity(capacity), closed: None }
    }

    /// The table, unless it is closed.
    #[inline]
    pub(crate) fn open(&self) -> Result<&Table<K, V>, MapError> {
        if self.closed.is_some() { Err(MapError::Closed) } else { Ok(&self.table) }
    }

    /// The table, unless it is closed.
    #[inline]
    pub(crate) fn open_mut(&mut self) -> Result<&mut Table<K, V>, MapError> {
        if self.closed.is_some() { Err(MapError::Closed) } else { Ok(&mut self.table) }
    }

    /// Closes the table. Returns how many entries there were, whether it had been closed before, and the entries, for
    /// the caller to drop after it let go of the lock.
    pub(crate) fn close(&mut self) -> (usize, bool, Table<K, V>) {
        let already_closed = self.closed.is_some();
        let entries = *self.closed.get_or_insert(self.table.len());
        (entries, already_closed, std::mem::take(&mut self.table))
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Table<K, V> {
    /// Hashes the operations of a batch.
    pub(crate) fn hash_batch(
        batch: impl IntoIterator<Item = Operation<K, V>>,
        hasher: &impl BuildHasher,
    ) -> HashedBatch<K, V> {
        let hash = |operation: &Operation<K, V>| match operation {
            Operation::Insert(key, _) | Operation::InsertIfAbsent(key, _) | Operation::Remove(key) => {
                hasher.hash_one(key)
            }
        };
        batch.into_iter().map(|operation| (hash(&operation), operation)).collect()
    }

    /// Does the operations in order; returns how many changed the table, and what they displaced.
    pub(crate) fn apply_all(
        &mut self,
        batch: impl IntoIterator<Item = (u64, Operation<K, V>)>,
        hasher: &impl BuildHasher,
    ) -> (usize, Vec<Leftover<K, V>>) {
        let mut changed = 0;
        let mut leftovers = Vec::new();
        for (hash, operation) in batch {
            let (effective, leftover) = self.apply(hash, operation, hasher);
            changed += usize::from(effective);
            if std::mem::needs_drop::<Leftover<K, V>>() {
                leftovers.push(leftover);
            }
        }
        (changed, leftovers)
    }
}
