//! [`BucketMap`]: one lock per cache line of entries, for keys and values of any type.

use std::hash::{BuildHasher, Hash};

use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup};
use crate::raw::buckets::{Buckets, Locked};
use crate::snapshot::Entries;

/// A hash map whose entries lie in buckets of a cache line, each with its own lock in the same line.
///
/// An operation locks one bucket, by one atomic instruction, and touches nothing else that others write. So there are
/// as many locks as buckets, and an operation on a large map costs one cache miss for small entries. It grows and shrinks
/// by moving a few buckets with each write.
///
/// Closures run under the lock of their key's bucket, which has a few other keys too: a closure that takes long holds up
/// those, and one that uses the same map can wait for itself. Where keys and values are `Copy`, take
/// [`InlineMap`](crate::InlineMap): its reads take no lock. Large values cost memory, as a third of the slots is empty:
/// put them into an `Arc` or a `Box`.
///
/// ```
/// use raceguard_maps::{BucketMap, ConcurrentMap};
///
/// let routes: BucketMap<String, Vec<u32>> = BucketMap::new();
/// routes.insert("alipay".to_owned(), vec![1])?;
/// routes.update("alipay", |weights| weights.push(2))?;
/// assert_eq!(routes.get_with("alipay", |weights| weights.len())?, Some(2));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct BucketMap<K, V, S = FastState> {
    buckets: Buckets<K, V, S, Locked>,
}

impl<K, V> BucketMap<K, V> {
    /// An empty map, of a few hundred bytes.
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty map with room for `capacity` entries. It never shrinks below that.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::with_capacity_and_hasher(capacity, FastState::default())
    }
}

impl<K, V, S> BucketMap<K, V, S> {
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

impl<K, V, S: Default> Default for BucketMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for BucketMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency {
        read: Promise::Linearizable,
        write: Promise::Linearizable,
        len: Promise::Approximate,
        for_each: Promise::PerEntry,
        snapshot: Promise::PerEntry,
        retain: Promise::PerEntry,
        apply: Promise::PerEntry,
        update_on_panic: UpdateOnPanic::Partial,
    };

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.buckets.read(key, read)
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
        self.buckets.update(key, change)
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
        self.buckets.for_each(visit)
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let mut entries = Vec::with_capacity(self.len()?);
        self.buckets.for_each(|key, value| entries.push((key.clone(), value.clone())))?;
        Ok(Entries::new(entries))
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        Ok(self.buckets.close())
    }
}
