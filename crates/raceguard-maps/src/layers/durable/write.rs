//! The interface of a map, for [`Durable`].

use std::hash::{BuildHasher, Hash};
use std::panic::resume_unwind;

use hashbrown::HashTable;

use super::Durable;
use super::core::Core;
use super::overlay::{Staged, Wait};
use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Core<K, V, M> {
    /// Waits for what a staged write waits for, leading its group if that is its turn.
    fn settle<R>(&self, staged: Staged<K, V, R>) -> Result<R, MapError> {
        let Staged { result, wait, displaced } = staged;
        match wait {
            Wait::Nothing => {}
            Wait::Other(batch) => batch.wait()?,
            Wait::Own(ticket, hashes) => {
                if ticket.leads {
                    self.lead(&ticket.batch);
                }
                let outcome = ticket.batch.wait();
                for hash in hashes.as_slice() {
                    self.forget_pending(*hash, ticket.sequence);
                }
                if let Some(panic) = ticket.batch.panic_of(ticket.sequence) {
                    resume_unwind(panic);
                }
                outcome?;
            }
        }
        drop(displaced);
        Ok(result)
    }

    fn write<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<R, MapError> {
        self.settle(self.stage(key, false, decide)?)
    }

    /// The keys that will be there once all records on their way are applied and for which `keep` is false.
    fn unwanted(
        &self,
        stripes: &super::overlay::Stripes<'_, K, V>,
        mut keep: impl FnMut(&K, &V) -> bool,
    ) -> Result<Vec<(u64, K, Option<V>)>, MapError> {
        let mut unwanted = Vec::new();
        self.map.for_each(|key, value| {
            let hash = self.hasher.hash_one(key);
            if stripes.will_be_present(hash, key).is_none() && !keep(key, value) {
                unwanted.push((hash, key.clone(), None));
            }
        })?;
        for (hash, key, value) in stripes.iter() {
            if value.is_some_and(|value| !keep(key, value)) {
                unwanted.push((hash, key.clone(), None));
            }
        }
        Ok(unwanted)
    }
}

/// What an update makes of a value: its closure works on a clone.
pub(super) fn updated<V: Clone, R>(
    old: Option<&V>,
    change: impl FnOnce(&mut V) -> R,
) -> (Change<V>, Option<R>) {
    match old {
        Some(old) => {
            let mut value = old.clone();
            let result = change(&mut value);
            (Change::Put(value), Some(result))
        }
        None => (Change::Keep, None),
    }
}

/// A batch in the making: what it does to each key in the end.
struct Effects<K, V> {
    changes: Vec<(u64, K, Option<V>)>,
    places: HashTable<usize>,
}

impl<K: Eq, V> Effects<K, V> {
    fn place(&self, hash: u64, key: &K) -> Option<usize> {
        let found =
            self.places.find(hash, |index| self.changes[*index].0 == hash && self.changes[*index].1 == *key);
        found.copied()
    }

    fn set(&mut self, hash: u64, key: K, value: Option<V>) {
        if let Some(index) = self.place(hash, &key) {
            self.changes[index].2 = value;
        } else {
            self.changes.push((hash, key, value));
            let changes = &self.changes;
            self.places.insert_unique(hash, changes.len() - 1, |index| changes[*index].0);
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> ConcurrentMap<K, V> for Durable<K, V, M> {
    type Snapshot = M::Snapshot;

    /// A write takes effect for others when it is durable, in the order of the log. Reads are those of the map
    /// underneath. A batch and a `retain` are one record, which a crash keeps or loses as a whole; how much of it others
    /// see at once is what the map underneath promises for `apply`.
    const CONSISTENCY: Consistency = Consistency {
        write: Promise::Linearizable,
        retain: M::CONSISTENCY.apply,
        update_on_panic: UpdateOnPanic::Unchanged,
        ..M::CONSISTENCY
    };

    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.core.map.get_with(key, read)
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.core.write(&key, |old| (Change::Put(value), old.cloned()))
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.core.write(&key, |old| match old {
            Some(old) => (Change::Keep, Some(old.clone())),
            None => (Change::Put(value), None),
        })
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.core.write(key, |old| updated(old, change))
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        self.core.write(&key, decide)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        self.core.write(key, |old| match old {
            Some(old) if condition(old) => (Change::Remove, Some(old.clone())),
            _ => (Change::Keep, None),
        })
    }

    /// Decides on all entries with all writers held up, and removes them in one record.
    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.core.admit()?;
        let stripes = self.core.all_stripes();
        let unwanted = self.core.unwanted(&stripes, keep)?;
        let count = unwanted.len();
        self.core.settle(self.core.stage_many(stripes, unwanted, false, count)?)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.core.map.len()
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.core.map.for_each(visit)
    }

    fn snapshot(&self) -> Result<M::Snapshot, MapError> {
        self.core.map.snapshot()
    }

    /// The batch is one record: a crash keeps all of it or nothing. It is collected before any lock is taken.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        self.core.admit()?;
        let batch: Vec<_> = batch.into_iter().collect();
        let stripes = self.core.all_stripes();
        let mut effects = Effects { changes: Vec::with_capacity(batch.len()), places: HashTable::new() };
        let mut changed = 0;
        for operation in batch {
            let (key, value, only_if_absent) = match operation {
                Operation::Insert(key, value) => (key, Some(value), false),
                Operation::InsertIfAbsent(key, value) => (key, Some(value), true),
                Operation::Remove(key) => (key, None, false),
            };
            let hash = self.core.hasher.hash_one(&key);
            let present = match (effects.place(hash, &key), stripes.will_be_present(hash, &key)) {
                (Some(index), _) => effects.changes[index].2.is_some(),
                (None, Some(present)) => present,
                (None, None) => self.core.map.contains_key(&key)?,
            };
            let takes_effect = if only_if_absent { !present } else { present || value.is_some() };
            if takes_effect {
                changed += 1;
                effects.set(hash, key, value);
            }
        }
        self.core.settle(self.core.stage_many(stripes, effects.changes, false, changed)?)
    }

    /// Waits until all records are durable, ends the background threads, gives back what the log had reserved, and
    /// closes the map underneath. Records that could not be written are counted as dropped.
    fn close(&self) -> Result<CloseReport, MapError> {
        self.close_once()
    }
}
