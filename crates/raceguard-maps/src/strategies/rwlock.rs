//! [`RwLockMap`]: one readers-writer lock around one table.

use std::hash::{BuildHasher, Hash};

use crate::consistency::Consistency;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::RwLock;
use crate::snapshot::Entries;
use crate::table::{Closable, Table};

/// A map behind one readers-writer lock: everything linearizable, readers side by side.
///
/// It pays where reads hold the lock for long: a `get_with` whose closure works for more than a microsecond, or
/// `for_each` over many entries. For short reads the count of readers is itself the contended memory, and one mutex is
/// no slower.
///
/// A thread that reads must not use the map again from within the closure, not even for a read: a writer that waits in
/// between blocks both.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, RwLockMap};
///
/// let prices: RwLockMap<String, Vec<u64>> = RwLockMap::new();
/// prices.insert("AAPL".to_owned(), vec![1, 2, 3])?;
/// let sum = prices.get_with("AAPL", |ticks| ticks.iter().sum::<u64>())?;
/// assert_eq!(sum, Some(6));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Default)]
pub struct RwLockMap<K, V, S = FastState> {
    state: RwLock<Closable<K, V>>,
    hasher: S,
}

impl<K, V> RwLockMap<K, V> {
    /// An empty map. Allocates nothing.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, V, S> RwLockMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self { state: RwLock::new(Closable::default()), hasher }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> RwLockMap<K, V, S> {
    /// An empty map with room for so many entries.
    pub fn with_capacity_and_hasher(capacity: usize, hasher: S) -> Self {
        Self { state: RwLock::new(Closable::with_capacity(capacity)), hasher }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for RwLockMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.state.read().open()?.get(hash, key).map(read))
    }

    #[inline]
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let replaced = self.state.write().open_mut()?.insert(hash, key, value, &self.hasher);
        Ok(replaced.map(|(_, value)| value))
    }

    #[inline]
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let kept = self.state.write().open_mut()?.insert_if_absent(hash, key, value, &self.hasher);
        Ok(kept.map(|(present, _)| present))
    }

    #[inline]
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.state.write().open_mut()?.get_mut(hash, key).map(change))
    }

    #[inline]
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        let (result, leftover) = self.state.write().open_mut()?.compute(hash, key, decide, &self.hasher);
        drop(leftover);
        Ok(result)
    }

    #[inline]
    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(key);
        let removed = self.state.write().open_mut()?.remove_if(hash, key, condition, &self.hasher);
        Ok(removed.map(|(_, value)| value))
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        let (count, removed) = self.state.write().open_mut()?.retain(keep, &self.hasher);
        drop(removed);
        Ok(count)
    }

    fn clear(&self) -> Result<usize, MapError> {
        let removed = std::mem::take(self.state.write().open_mut()?);
        Ok(removed.len())
    }

    fn len(&self) -> Result<usize, MapError> {
        Ok(self.state.read().open()?.len())
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.state.read().open()?.for_each(visit);
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let state = self.state.read();
        let table = state.open()?;
        let mut entries = Vec::with_capacity(table.len());
        table.for_each(|key, value| entries.push((key.clone(), value.clone())));
        Ok(Entries::new(entries))
    }

    /// The whole batch is one step: nobody sees half of it.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let batch = Table::hash_batch(batch, &self.hasher);
        let (changed, leftovers) = self.state.write().open_mut()?.apply_all(batch, &self.hasher);
        drop(leftovers);
        Ok(changed)
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        let (entries, already_closed, table) = self.state.write().close();
        drop(table);
        Ok(CloseReport { entries, already_closed, ..CloseReport::default() })
    }
}
