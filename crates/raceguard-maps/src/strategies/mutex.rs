//! [`MutexMap`]: one lock around one table. The baseline that every other strategy has to beat.

use std::hash::{BuildHasher, Hash};

use crate::consistency::Consistency;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::{Mutex, MutexGuard};
use crate::snapshot::Entries;
use crate::table::Table;

/// A map behind one mutex: everything linearizable, nothing parallel.
///
/// Take it where the map is small, the work under the lock short and the writers few, or where a batch has to be
/// atomic over all keys. Under contention every other strategy is faster.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// let quotas: MutexMap<&str, i64> = MutexMap::new();
/// quotas.insert("margin", 100)?;
/// quotas.update(&"margin", |left| *left -= 30)?;
/// assert_eq!(quotas.get(&"margin")?, Some(70));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Default)]
pub struct MutexMap<K, V, S = FastState> {
    state: Mutex<State<K, V>>,
    hasher: S,
}

#[derive(Debug)]
struct State<K, V> {
    table: Table<K, V>,
    /// Set by `close`, with the entries that were there.
    closed: Option<usize>,
}

impl<K, V> Default for State<K, V> {
    fn default() -> Self {
        Self { table: Table::default(), closed: None }
    }
}

impl<K, V> MutexMap<K, V> {
    /// An empty map. Allocates nothing.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, V, S> MutexMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self { state: Mutex::new(State::default()), hasher }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> MutexMap<K, V, S> {
    fn open(&self) -> Result<MutexGuard<'_, State<K, V>>, MapError> {
        let state = self.state.lock();
        if state.closed.is_some() { Err(MapError::Closed) } else { Ok(state) }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for MutexMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.open()?.table.get(hash, key).map(read))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        Ok(self.open()?.table.insert(hash, key, value, &self.hasher))
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        Ok(self.open()?.table.insert_if_absent(hash, key, value, &self.hasher))
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.open()?.table.get_mut(hash, key).map(change))
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        Ok(self.open()?.table.compute(hash, key, decide, &self.hasher))
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.open()?.table.remove_if(hash, key, condition))
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        Ok(self.open()?.table.retain(keep))
    }

    fn len(&self) -> Result<usize, MapError> {
        Ok(self.open()?.table.len())
    }

    fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        for (key, value) in self.open()?.table.iter() {
            visit(key, value);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let state = self.open()?;
        Ok(Entries::new(state.table.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }

    /// The whole batch is one step: nobody sees half of it. The lock is held while the batch is drawn from its
    /// iterator, so the iterator must not use this map.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let table = &mut self.open()?.table;
        Ok(batch.into_iter().map(|operation| usize::from(table.apply(operation, &self.hasher))).sum())
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        let mut state = self.state.lock();
        let already_closed = state.closed.is_some();
        let held = state.table.len();
        let entries = *state.closed.get_or_insert(held);
        let table = std::mem::take(&mut state.table);
        drop(state);
        drop(table);
        Ok(CloseReport { entries, already_closed, ..CloseReport::default() })
    }
}
