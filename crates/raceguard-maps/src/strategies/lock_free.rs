//! [`LockFreeMap`]: reads that take no lock, for values of any type.

use std::hash::{BuildHasher, Hash};

use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup};
use crate::raw::lock_free::{Closed, Core};
use crate::raw::reclaim::pin;
use crate::raw::sync::Mutex;
use crate::snapshot::Entries;

/// A map whose readers neither wait nor write to shared memory, and whose writers lock one cache line.
///
/// Take it where reads dominate, or where readers must not be held up by a slow writer. Where keys and values are
/// `Copy` and small, `InlineMap` is faster; where most operations are writes of values that are costly to clone, a
/// sharded map is.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, LockFreeMap};
///
/// let sessions: LockFreeMap<String, u64> = LockFreeMap::new();
/// sessions.insert("a".to_owned(), 1)?;
/// std::thread::scope(|scope| {
///     scope.spawn(|| sessions.update("a", |hits| *hits += 1));
///     scope.spawn(|| sessions.get("a"));
/// });
/// assert_eq!(sessions.get("a")?, Some(2));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
///
/// # Progress
///
/// - `get`, `get_with`, `contains_key`, `for_each` and `snapshot` take no lock that a writer could hold up: `get` and its
///   like are wait-free but for resizes that end meanwhile; `for_each` and `snapshot` lock a bucket only if it changed
///   under their eyes several times in a row.
/// - All writes lock the bucket of their key, a cache line with up to six entries, and block each other there. `update`,
///   `compute`, `remove_if` and `retain` run the closure under that lock; readers see the old value meanwhile.
/// - Growing and shrinking is done a few buckets per write. Memory goes back to the system after removals.
///
/// # Costs
///
/// An entry is one allocation that is never changed: a write makes a new one, so `update` clones key and value, and
/// methods that return an old value clone it. A replaced entry is freed when no reader can hold it, typically after a
/// thousand more writes. A closure of `get_with` that runs for long, or a thread that loses its processor in the middle
/// of a call, delays all freeing in the process until it goes on: memory grows with the writes meanwhile, and nobody
/// waits.
///
/// A lookup follows a pointer from the bucket to the entry. In maps much larger than the cache that is two misses, where
/// a map that keeps its entries in the table has one.
///
/// Keys with equal hashes end up in one chain, as in every hash table: see [`KeyedState`](crate::KeyedState) for keys
/// that strangers choose.
#[derive(Debug)]
pub struct LockFreeMap<K, V, S = FastState> {
    core: Core<K, V>,
    hasher: S,
    /// How many entries there were at `close`.
    closed: Mutex<Option<usize>>,
}

impl<K, V> LockFreeMap<K, V> {
    /// An empty map. Allocates nothing.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, V, S: Default> Default for LockFreeMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> LockFreeMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self { core: Core::new(), hasher, closed: Mutex::new(None) }
    }
}

#[cfg(test)]
impl<K, V, S> LockFreeMap<K, V, S> {
    pub(crate) fn core(&self) -> &Core<K, V> {
        &self.core
    }
}

impl From<Closed> for MapError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for LockFreeMap<K, V, S> {
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
        let found = self.core.find(&guard, hash, |found| key.matches(found))?;
        Ok(found.map(|entry| read(&entry.value)))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let guard = pin();
        let seen = self.core.find_to_write(&guard, hash, |found| *found == key)?;
        let new = self.core.prepare(&guard, hash, key, value);
        let locked = self.core.lock(&guard, hash)?;
        if let Some(place) = locked.find(seen, |found| *found == new.entry().key) {
            let old = locked.replace(&place, new);
            return Ok(Some(old.value().clone()));
        }
        locked.add(new);
        Ok(None)
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let guard = pin();
        if let Some(entry) = self.core.find(&guard, hash, |found| *found == key)? {
            return Ok(Some(entry.value.clone()));
        }
        let new = self.core.prepare(&guard, hash, key, value);
        let locked = self.core.lock(&guard, hash)?;
        if let Some(place) = locked.find(None, |found| *found == new.entry().key) {
            drop(locked);
            return Ok(Some(place.entry().value.clone()));
        }
        locked.add(new);
        Ok(None)
    }

    /// The closure works on a clone, under the lock of the bucket. A panic leaves the old value.
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        let guard = pin();
        let seen = self.core.find_to_write(&guard, hash, |found| key.matches(found))?;
        if seen.is_none() {
            return Ok(None);
        }
        let locked = self.core.lock(&guard, hash)?;
        let Some(place) = locked.find(seen, |found| key.matches(found)) else { return Ok(None) };
        let entry = place.entry();
        let mut value = entry.value.clone();
        let result = change(&mut value);
        let new = self.core.prepare(&guard, hash, entry.key.clone(), value);
        locked.replace(&place, new);
        Ok(Some(result))
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        let guard = pin();
        let seen = self.core.find_to_write(&guard, hash, |found| *found == key)?;
        let locked = self.core.lock(&guard, hash)?;
        let place = locked.find(seen, |found| *found == key);
        let (change, result) = decide(place.as_ref().map(|place| &place.entry().value));
        match (change, place) {
            (Change::Keep, _) | (Change::Remove, None) => {}
            (Change::Put(value), None) => locked.add(self.core.prepare(&guard, hash, key, value)),
            (Change::Put(value), Some(place)) => {
                locked.replace(&place, self.core.prepare(&guard, hash, key, value));
            }
            (Change::Remove, Some(place)) => drop(locked.remove(&place)),
        }
        Ok(result)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(key);
        let guard = pin();
        let seen = self.core.find_to_write(&guard, hash, |found| key.matches(found))?;
        if seen.is_none() {
            return Ok(None);
        }
        let locked = self.core.lock(&guard, hash)?;
        let Some(place) = locked.find(seen, |found| key.matches(found)) else { return Ok(None) };
        if !condition(&place.entry().value) {
            return Ok(None);
        }
        let removed = locked.remove(&place);
        Ok(Some(removed.value().clone()))
    }

    /// `keep` runs under the lock of a bucket.
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
