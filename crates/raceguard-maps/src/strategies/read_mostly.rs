//! [`ReadMostlyMap`]: Go's `sync.Map`, a read table without locks and a dirty table for new keys.

use std::hash::{BuildHasher, Hash};

use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup};
use crate::raw::read_mostly::{Closed, Core};
use crate::raw::reclaim::pin;
use crate::raw::sync::Mutex;
use crate::snapshot::Entries;

/// A map for keys that are written seldom and read often, or that each thread keeps to itself: what Go's `sync.Map` was up
/// to Go 1.23.
///
/// Keys that have been there for a while are read without a lock, and replaced or removed under a lock of their own. New
/// keys go through one mutex. Take it to have Go's behaviour, for instance to replay a Go program; in most loads
/// [`LockFreeMap`](crate::LockFreeMap) does better.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, ReadMostlyMap};
///
/// let routes: ReadMostlyMap<String, u32> = ReadMostlyMap::new();
/// routes.insert("alipay".to_owned(), 1)?;
/// assert_eq!(routes.get("alipay")?, Some(1));
/// assert_eq!(routes.remove("alipay")?, Some(1));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
///
/// # Costs
///
/// - The first new key after a promotion copies the table of keys (not the values) under the mutex, so growth is not
///   incremental: its longest write takes time in proportion to the number of keys.
/// - Lookups of absent keys take the mutex while there are new keys that were not promoted yet.
/// - `for_each`, `snapshot` and `retain` promote first.
/// - A write allocates the new value; the old one is freed when no reader can hold it. Closures of `update`, `compute`,
///   `remove_if` and `retain` run under the lock of the one key, and `update` works on a clone.
/// - `compute` with an absent key leaves a tombstone if it returns [`Change::Keep`]. Tombstones are freed by a later
///   promotion; it comes by itself when they outnumber the keys.
#[derive(Debug)]
pub struct ReadMostlyMap<K, V, S = FastState> {
    core: Core<K, V>,
    hasher: S,
    /// How many entries there were at `close`.
    closed: Mutex<Option<usize>>,
}

impl<K, V> ReadMostlyMap<K, V> {
    /// An empty map. Allocates nothing.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, V, S: Default> Default for ReadMostlyMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> ReadMostlyMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self { core: Core::new(), hasher, closed: Mutex::new(None) }
    }

    #[cfg(all(test, not(any(raceguard_loom, raceguard_shuttle))))]
    pub(crate) fn core(&self) -> &Core<K, V> {
        &self.core
    }
}

impl From<Closed> for MapError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ReadMostlyMap<K, V, S> {
    /// `change` of a key that is not added if it is absent.
    fn change_present<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        decide: impl FnOnce(&V) -> (Change<V>, R),
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        let decide = |value: Option<&V>| match value.map(decide) {
            Some((change, result)) => (change, Some(result)),
            None => (Change::Keep, None),
        };
        Ok(self.core.change(hash, |found| key.matches(found), None::<fn() -> K>, decide)?)
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for ReadMostlyMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency {
        read: Promise::Linearizable,
        write: Promise::Linearizable,
        len: Promise::Approximate,
        for_each: Promise::PerEntry,
        snapshot: Promise::PerEntry,
        retain: Promise::PerEntry,
        apply: Promise::PerEntry,
        update_on_panic: UpdateOnPanic::Unchanged,
    };

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        let guard = pin();
        Ok(self.core.find(&guard, hash, |found| key.matches(found))?.map(read))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.compute(key, |old| (Change::Put(value), old.cloned()))
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        if let Some(there) = self.get_with(&key, V::clone)? {
            return Ok(Some(there));
        }
        self.compute(key, |old| match old {
            Some(there) => (Change::Keep, Some(there.clone())),
            None => (Change::Put(value), None),
        })
    }

    /// The closure works on a clone, under the lock of the key. A panic leaves the old value.
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.change_present(key, |old| {
            let mut value = old.clone();
            let result = change(&mut value);
            (Change::Put(value), result)
        })
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        Ok(self.core.change(hash, |found| *found == key, Some(|| key.clone()), decide)?)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let removed = self.change_present(key, |old| {
            if condition(old) { (Change::Remove, Some(old.clone())) } else { (Change::Keep, None) }
        })?;
        Ok(removed.flatten())
    }

    /// `keep` runs under the lock of a key.
    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        Ok(self.core.retain(keep)?)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.core.check_open()?;
        Ok(self.core.len())
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        Ok(self.core.for_each(visit)?)
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let mut entries = Vec::with_capacity(self.core.len());
        self.core.for_each(|key, value| entries.push((key.clone(), value.clone())))?;
        Ok(Entries::new(entries))
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        let mut closed = self.closed.lock();
        let already_closed = closed.is_some();
        let entries = *closed.get_or_insert_with(|| self.core.take_all());
        drop(closed);
        self.core.collect();
        Ok(CloseReport { entries, already_closed, ..CloseReport::default() })
    }
}
