//! What a caller holds of a [`SnapshotMap`](super::SnapshotMap): a [`Snapshot`] or a [`Reader`].

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use super::core::{Core, Version};
use crate::error::MapError;
use crate::hash::FastState;
use crate::map::Lookup;
use crate::raw::sync::atomic::{AtomicUsize, Ordering};
use crate::snapshot::MapSnapshot;

/// What a map and its snapshots share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    pub(super) hasher: S,
    pub(super) snapshots: AtomicUsize,
    pub(super) readers: AtomicUsize,
}

impl<S> Shared<S> {
    pub(super) fn new(hasher: S) -> Self {
        Self { hasher, snapshots: AtomicUsize::new(0), readers: AtomicUsize::new(0) }
    }
}

/// One version of a [`SnapshotMap`](super::SnapshotMap). It stays as it is and readable for as long as it is held, also after the map was
/// closed or dropped, and shares memory with the versions before and after it.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MapSnapshot, SnapshotMap};
///
/// let routes: SnapshotMap<String, u32> = SnapshotMap::new();
/// routes.insert("alipay".to_owned(), 1)?;
/// let seen = routes.snapshot()?;
/// routes.insert("paypal".to_owned(), 2)?;
/// assert_eq!((seen.len(), seen.get("paypal"), seen.version()), (1, None, 1));
/// assert_eq!(routes.live_snapshots(), 1);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub struct Snapshot<K, V, S = FastState> {
    version: Arc<Version<K, V>>,
    shared: Arc<Shared<S>>,
}

impl<K, V, S> Snapshot<K, V, S> {
    pub(super) fn new(version: Arc<Version<K, V>>, shared: Arc<Shared<S>>) -> Self {
        // ORDERING: Relaxed: a count that nothing else hangs on.
        shared.snapshots.fetch_add(1, Ordering::Relaxed);
        Self { version, shared }
    }

    /// Which version this is: 0 is the empty map, each published change makes it one more.
    pub fn version(&self) -> u64 {
        self.version.number()
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Snapshot<K, V, S> {
    /// The value of `key` in this version.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.version.get(self.shared.hasher.hash_one(key), key)
    }

    /// Whether `key` is present in this version.
    pub fn contains_key<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> bool {
        self.get(key).is_some()
    }
}

impl<K, V, S> MapSnapshot<K, V> for Snapshot<K, V, S> {
    fn len(&self) -> usize {
        self.version.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a,
    {
        self.version.iter()
    }
}

impl<K, V, S> Clone for Snapshot<K, V, S> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.version), Arc::clone(&self.shared))
    }
}

impl<K, V, S> Drop for Snapshot<K, V, S> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: a count that nothing else hangs on.
        self.shared.snapshots.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K, V, S> fmt::Debug for Snapshot<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("version", &self.version()).field("len", &self.len()).finish()
    }
}

/// A thread's own way into a [`SnapshotMap`](super::SnapshotMap): the quickest there is.
///
/// It keeps the version that it last saw and, on each call, asks with one load whether that is still the current one.
/// So reads through it are as linearizable as those of the map, and cost what a plain hash table costs. One that is
/// not used keeps its version's memory: drop those of idle threads.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, SnapshotMap};
///
/// let routes: SnapshotMap<String, u32> = SnapshotMap::new();
/// let mut reader = routes.reader()?; // one for each thread that reads often
/// routes.insert("alipay".to_owned(), 1)?;
/// assert_eq!(reader.get("alipay")?, Some(1));
/// assert_eq!(reader.get_with("alipay", |weight| weight + 1)?, Some(2));
/// assert_eq!(routes.live_handles(), 1);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub struct Reader<'a, K, V, S = FastState> {
    version: Arc<Version<K, V>>,
    core: &'a Core<K, V>,
    /// A copy of the map's: one pointer less to follow.
    hasher: S,
    shared: &'a Arc<Shared<S>>,
}

impl<'a, K, V, S: Clone> Reader<'a, K, V, S> {
    pub(super) fn new(core: &'a Core<K, V>, shared: &'a Arc<Shared<S>>, version: Arc<Version<K, V>>) -> Self {
        let hasher = shared.hasher.clone();
        // ORDERING: Relaxed: a count that nothing else hangs on.
        shared.readers.fetch_add(1, Ordering::Relaxed);
        Self { version, core, hasher, shared }
    }
}

impl<K, V, S> Reader<'_, K, V, S> {
    #[inline]
    fn current(&mut self) -> Result<&Version<K, V>, MapError> {
        if !self.core.is_current(&self.version) {
            self.refresh()?;
        }
        Ok(&self.version)
    }

    /// Takes over the current version. A closed map has none, so the next call comes here again.
    #[cold]
    fn refresh(&mut self) -> Result<(), MapError> {
        let current = self.core.load();
        current.open()?;
        self.version = current;
        Ok(())
    }

    /// The number of the current version.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after the map was closed.
    pub fn version(&mut self) -> Result<u64, MapError> {
        Ok(self.current()?.number())
    }

    /// The current version, to keep.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after the map was closed.
    pub fn snapshot(&mut self) -> Result<Snapshot<K, V, S>, MapError> {
        self.current()?;
        Ok(Snapshot::new(Arc::clone(&self.version), Arc::clone(self.shared)))
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Reader<'_, K, V, S> {
    /// Calls `read` with the value of `key` in the current version.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after the map was closed.
    #[inline]
    pub fn get_with<Q: Lookup<K> + ?Sized, R>(
        &mut self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.current()?.get(hash, key).map(read))
    }

    /// A clone of the value of `key` in the current version.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after the map was closed.
    #[inline]
    pub fn get<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Result<Option<V>, MapError>
    where
        V: Clone,
    {
        self.get_with(key, V::clone)
    }
}

impl<K, V, S> Drop for Reader<'_, K, V, S> {
    fn drop(&mut self) {
        // ORDERING: Relaxed: a count that nothing else hangs on.
        self.shared.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<K, V, S> fmt::Debug for Reader<'_, K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("version", &self.version.number()).finish_non_exhaustive()
    }
}
