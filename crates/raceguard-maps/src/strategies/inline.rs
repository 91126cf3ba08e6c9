//! [`InlineMap`]: entries of `Copy` types in cache lines, read without a lock.

use std::hash::{BuildHasher, Hash};

use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup};
use crate::raw::buckets::{Buckets, Copied};
use crate::snapshot::Entries;

/// A hash map for `Copy` keys and values: an entry lies in the same cache line as its lock and version, and a read takes
/// no lock, it copies the entry and then checks that nobody wrote meanwhile.
///
/// Reads write nothing that others read, so they scale with the cores; a write takes one atomic instruction. The map
/// grows and shrinks by moving a few buckets with each write.
///
/// The closure of [`get_with`](ConcurrentMap::get_with) runs on a copy, under no lock. The other closures run under the
/// lock of their key's bucket, which has a few other keys too; meanwhile reads of those wait as well. The closure of
/// [`update`](ConcurrentMap::update) works on a copy that is put back when it returns.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, InlineMap};
///
/// let seen: InlineMap<u64, u64> = InlineMap::new();
/// seen.insert(7, 1)?;
/// seen.update(&7, |count| *count += 1)?;
/// assert_eq!(seen.get(&7)?, Some(2));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct InlineMap<K, V, S = FastState> {
    buckets: Buckets<K, V, S, Copied>,
}

impl<K, V> InlineMap<K, V> {
    /// An empty map, of a few hundred bytes.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty map with room for `capacity` entries. It never shrinks below that.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, FastState::default())
    }
}

impl<K, V, S> InlineMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self::with_capacity_and_hasher(0, hasher)
    }

    /// An empty map with room for `capacity` entries, below which it never shrinks, that hashes with `hasher`. The
    /// hasher has to be good in its high bits, by which buckets are found, and its low ones, which tell keys of a bucket
    /// apart.
    pub fn with_capacity_and_hasher(capacity: usize, hasher: S) -> Self {
        Self { buckets: Buckets::new(capacity, hasher) }
    }

    #[cfg(test)]
    pub(crate) fn bits(&self) -> u32 {
        self.buckets.bits()
    }
}

impl<K, V, S: Default> Default for InlineMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K: Copy + Hash + Eq, V: Copy, S: BuildHasher> ConcurrentMap<K, V> for InlineMap<K, V, S> {
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
        Ok(self.buckets.copy(key)?.as_ref().map(read))
    }

    #[inline]
    fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        self.buckets.copy(key)
    }

    #[inline]
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.buckets.insert(key, value)
    }

    #[inline]
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.buckets.insert_if_absent(key, value)
    }

    #[inline]
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.buckets.update_copy(key, change)
    }

    #[inline]
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        self.buckets.compute(key, decide)
    }

    #[inline]
    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        self.buckets.remove_if(key, condition)
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.buckets.retain(keep)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.buckets.len()
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.buckets.for_each_copy(visit)
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let mut entries = Vec::with_capacity(self.len()?);
        self.buckets.for_each_copy(|key, value| entries.push((*key, *value)))?;
        Ok(Entries::new(entries))
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        Ok(self.buckets.close())
    }
}
