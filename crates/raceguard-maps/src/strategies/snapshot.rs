//! [`SnapshotMap`]: readers see one immutable version, a write publishes the next.
//!
//! Versions share what they have in common (`tree`); the current one is found through one atomic pointer
//! (`raw::snapshot_cell`). Writers take turns on a lock.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use thiserror::Error;

use crate::consistency::{Consistency, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::snapshot_cell::Graveyard;
use crate::raw::sync::atomic::Ordering;
use crate::table::Table;

pub(crate) mod core;
mod handles;
#[cfg(test)]
mod tests;
mod tree;

use self::core::{Core, Version};
use self::handles::Shared;
pub use self::handles::{Reader, Snapshot};

/// Why a conditional publication had no effect.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, Operation, PublishError, SnapshotMap};
///
/// let rates: SnapshotMap<&str, u32> = SnapshotMap::new();
/// rates.insert("EUR", 108)?;
/// let late = rates.publish_if(0, [Operation::Insert("EUR", 109)]);
/// assert_eq!(late, Err(PublishError::Conflict { expected: 0, current: 1 }));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum PublishError {
    /// Somebody else published first.
    #[error(
        "version {expected} is no longer current, {current} is: read again, make the change anew, try again"
    )]
    Conflict {
        /// The version that the change was made for.
        expected: u64,
        /// The version that was current instead.
        current: u64,
    },
    /// The map did not take it.
    #[error(transparent)]
    Map(#[from] MapError),
}

/// A map of which every write publishes a new version, and every read looks at one.
///
/// Take it where reads rule by far: routes, prices, permissions, configuration. Reads are wait-free and write nothing
/// that another thread reads, so they scale with the threads; through a [`Reader`] they cost as much as in a plain
/// hash table. Iteration and [`snapshot`](ConcurrentMap::snapshot) see one version and hold up nobody. A write copies
/// a part of the map (a map of up to some hundred entries wholly), a batch ([`apply`](ConcurrentMap::apply)) copies
/// each part once and is seen at once.
///
/// Each version has a number. [`publish_if`](Self::publish_if) publishes a change under the condition that nobody else
/// did meanwhile:
///
/// ```
/// use raceguard_maps::{ConcurrentMap, Operation, PublishError, SnapshotMap};
///
/// let routes: SnapshotMap<String, u32> = SnapshotMap::new();
/// routes.insert("alipay".to_owned(), 10)?;
///
/// let seen = routes.snapshot()?;
/// let weight = seen.get("alipay").copied().unwrap_or(0);
/// let next = routes.publish_if(seen.version(), [Operation::Insert("alipay".to_owned(), weight + 1)])?;
/// assert_eq!(next, seen.version() + 1);
///
/// // The same condition does not hold twice.
/// let late = routes.publish_if(seen.version(), [Operation::Remove("alipay".to_owned())]);
/// assert_eq!(late, Err(PublishError::Conflict { expected: 1, current: 2 }));
///
/// let mut reader = routes.reader()?;
/// assert_eq!(reader.get("alipay")?, Some(11));
/// assert_eq!(seen.get("alipay"), Some(&10));
/// # Ok::<(), PublishError>(())
/// ```
///
/// A closure given to `get_with` should be short: while it runs, no displaced version is freed, of any map. For long
/// work take a [`snapshot`](ConcurrentMap::snapshot). Displaced versions are freed in bunches: some of up to 0.25 MiB
/// per writing thread wait for their time.
#[derive(Debug)]
pub struct SnapshotMap<K, V, S = FastState> {
    core: Core<K, V>,
    shared: Arc<Shared<S>>,
    graveyard: Graveyard<Version<K, V>>,
}

impl<K, V> SnapshotMap<K, V> {
    /// An empty map.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, V, S: Default> Default for SnapshotMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> SnapshotMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self { core: Core::new(), shared: Arc::new(Shared::new(hasher)), graveyard: Graveyard::new() }
    }

    /// A handle for a thread that reads often.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after [`close`](ConcurrentMap::close).
    pub fn reader(&self) -> Result<Reader<'_, K, V, S>, MapError>
    where
        S: Clone,
    {
        let version = self.core.load();
        version.open()?;
        Ok(Reader::new(&self.core, &self.shared, version))
    }

    /// The number of the current version: 0 for the empty map, one more for each published change.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after [`close`](ConcurrentMap::close).
    pub fn version(&self) -> Result<u64, MapError> {
        self.core.with(|version| Ok(version.open()?.number()))
    }

    /// How many [`Snapshot`]s of this map are alive, for leak checks.
    pub fn live_snapshots(&self) -> usize {
        // ORDERING: Relaxed: a count; exact when nobody makes or drops one meanwhile.
        self.shared.snapshots.load(Ordering::Relaxed)
    }

    /// How many [`Reader`]s of this map are alive, for leak checks.
    pub fn live_handles(&self) -> usize {
        // ORDERING: as above.
        self.shared.readers.load(Ordering::Relaxed)
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> SnapshotMap<K, V, S> {
    /// Does all operations as one new version, if `expected` is the current one. Returns the number of the version that
    /// holds the result: `expected` itself if no operation changed anything.
    ///
    /// # Errors
    ///
    /// [`PublishError::Conflict`] if another version is current; nothing is changed then.
    pub fn publish_if(
        &self,
        expected: u64,
        changes: impl IntoIterator<Item = Operation<K, V>>,
    ) -> Result<u64, PublishError> {
        let batch = Table::hash_batch(changes, &self.shared.hasher);
        let check = |current| expect(expected, current);
        let (_, number) = self.core.apply(batch, check, &self.shared.hasher, &self.graveyard)?;
        Ok(number)
    }

    /// Puts these entries in the place of all as one new version, if `expected` is the current one. Returns the number
    /// of the new version. Of entries with the same key the last counts.
    ///
    /// # Errors
    ///
    /// [`PublishError::Conflict`] if another version is current; nothing is changed then.
    pub fn replace_if(
        &self,
        expected: u64,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<u64, PublishError> {
        let entries = entries.into_iter().collect();
        self.core.replace(entries, |current| expect(expected, current), &self.shared.hasher, &self.graveyard)
    }
}

fn expect(expected: u64, current: u64) -> Result<(), PublishError> {
    if expected == current { Ok(()) } else { Err(PublishError::Conflict { expected, current }) }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for SnapshotMap<K, V, S> {
    type Snapshot = Snapshot<K, V, S>;

    const CONSISTENCY: Consistency =
        Consistency { update_on_panic: UpdateOnPanic::Unchanged, ..Consistency::ONE_LOCK };

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.shared.hasher.hash_one(key);
        self.core.with(|version| Ok(version.open()?.get(hash, key).map(read)))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.shared.hasher.hash_one(&key);
        self.core.insert(hash, key, value, &self.shared.hasher, &self.graveyard)
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.shared.hasher.hash_one(&key);
        self.core.insert_if_absent(hash, key, value, &self.shared.hasher, &self.graveyard)
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.shared.hasher.hash_one(key);
        self.core.update(hash, key, change, &self.graveyard)
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.shared.hasher.hash_one(&key);
        self.core.compute(hash, key, decide, &self.shared.hasher, &self.graveyard)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.shared.hasher.hash_one(key);
        self.core.remove_if(hash, key, condition, &self.shared.hasher, &self.graveyard)
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.core.retain(keep, &self.shared.hasher, &self.graveyard)
    }

    fn clear(&self) -> Result<usize, MapError> {
        self.core.clear(&self.graveyard)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.core.with(|version| Ok(version.open()?.len()))
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        // Not pinned: `visit` may take long.
        self.core.load().open()?.for_each(visit);
        Ok(())
    }

    /// Costs one count, however large the map.
    fn snapshot(&self) -> Result<Snapshot<K, V, S>, MapError> {
        let version = self.core.load();
        version.open()?;
        Ok(Snapshot::new(version, Arc::clone(&self.shared)))
    }

    /// One new version for the whole batch: nobody sees half of it.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let batch = Table::hash_batch(batch, &self.shared.hasher);
        let (changed, _) =
            self.core.apply(batch, |_| Ok::<_, MapError>(()), &self.shared.hasher, &self.graveyard)?;
        Ok(changed)
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        let (entries, already_closed) = self.core.close(&self.graveyard);
        self.graveyard.collect();
        Ok(CloseReport {
            entries,
            already_closed,
            live_snapshots: self.live_snapshots(),
            live_handles: self.live_handles(),
            ..CloseReport::default()
        })
    }
}
