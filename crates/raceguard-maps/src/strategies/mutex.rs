//! [`MutexMap`]: one lock around one table. The baseline that every other strategy has to beat.

use std::hash::{BuildHasher, Hash};

use crate::consistency::Consistency;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::Mutex;
use crate::snapshot::Entries;
use crate::table::{Closable, Table};

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
    state: Mutex<Closable<K, V>>,
    hasher: S,
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
        Self { state: Mutex::new(Closable::default()), hasher }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> MutexMap<K, V, S> {
    /// An empty map with room for so many entries.
    pub fn with_capacity_and_hasher(capacity: usize, hasher: S) -> Self {
        Self { state: Mutex::new(Closable::with_capacity(capacity)), hasher }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for MutexMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.state.lock().open()?.get(hash, key).map(read))
    }

    #[inline]
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let replaced = self.state.lock().open_mut()?.insert(hash, key, value, &self.hasher);
        Ok(replaced.map(|(_, value)| value))
    }

    #[inline]
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let kept = self.state.lock().open_mut()?.insert_if_absent(hash, key, value, &self.hasher);
        Ok(kept.map(|(present, _)| present))
    }

    #[inline]
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.state.lock().open_mut()?.get_mut(hash, key).map(change))
    }

    #[inline]
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        let (result, leftover) = self.state.lock().open_mut()?.compute(hash, key, decide, &self.hasher);
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
        let removed = self.state.lock().open_mut()?.remove_if(hash, key, condition, &self.hasher);
        Ok(removed.map(|(_, value)| value))
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        let (count, removed) = self.state.lock().open_mut()?.retain(keep, &self.hasher);
        drop(removed);
        Ok(count)
    }

    fn clear(&self) -> Result<usize, MapError> {
        let removed = std::mem::take(self.state.lock().open_mut()?);
        Ok(removed.len())
    }

    fn len(&self) -> Result<usize, MapError> {
        Ok(self.state.lock().open()?.len())
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.state.lock().open()?.for_each(visit);
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let state = self.state.lock();
        let table = state.open()?;
        let mut entries = Vec::with_capacity(table.len());
        table.for_each(|key, value| entries.push((key.clone(), value.clone())));
        Ok(Entries::new(entries))
    }

    /// The whole batch is one step: nobody sees half of it.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let batch = Table::hash_batch(batch, &self.hasher);
        let (changed, leftovers) = self.state.lock().open_mut()?.apply_all(batch, &self.hasher);
        drop(leftovers);
        Ok(changed)
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        let (entries, already_closed, table) = self.state.lock().close();
        drop(table);
        Ok(CloseReport { entries, already_closed, ..CloseReport::default() })
    }
}
