//! [`ShardedSnapshotMap`]: many small snapshot maps; a write replaces one of them.

use std::hash::{BuildHasher, Hash};

use crossbeam_utils::CachePadded;

use super::sharded::{check_shards, default_shards, shard_index};
use super::snapshot::core::{Core, Version};
use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::snapshot_cell::Graveyard;
use crate::snapshot::Entries;
use crate::table::{HashedBatch, Table};

/// A map cut into shards by hash, of which a write publishes a new version of one.
///
/// It stands between [`SnapshotMap`](super::snapshot::SnapshotMap) and [`ShardedMap`](super::sharded::ShardedMap): reads
/// are wait-free and write nothing that another thread reads, and a write copies a small part of the map and waits only
/// for writers of the same shard. For that, what spans shards (`len`, `for_each`, `snapshot`, `retain`, `apply`)
/// takes one shard after the other.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, ShardedSnapshotMap};
///
/// let limits: ShardedSnapshotMap<String, u64> = ShardedSnapshotMap::with_shards(256)?;
/// limits.insert("margin".to_owned(), 100)?;
/// assert_eq!(limits.update("margin", |limit| std::mem::replace(limit, 80))?, Some(100));
/// assert_eq!(limits.get("margin")?, Some(80));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
///
/// A closure given to `get_with` should be short: while it runs, no displaced version is freed, of any map. Displaced
/// versions are freed in bunches: some of up to 0.25 MiB per writing thread wait for their time.
#[derive(Debug)]
pub struct ShardedSnapshotMap<K, V, S = FastState> {
    shards: Box<[Core<K, V>]>,
    hasher: S,
    graveyard: CachePadded<Graveyard<Version<K, V>>>,
}

impl<K, V> ShardedSnapshotMap<K, V> {
    /// An empty map with [`default_shards`] shards.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }

    /// An empty map with this many shards, rounded up to a power of two.
    ///
    /// # Errors
    ///
    /// [`MapError::Configuration`] for none, and for more than 65,536.
    pub fn with_shards(count: usize) -> Result<Self, MapError> {
        Self::with_shards_and_hasher(count, FastState::default())
    }
}

impl<K, V, S: Default> Default for ShardedSnapshotMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> ShardedSnapshotMap<K, V, S> {
    /// An empty map with [`default_shards`] shards that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self::with_checked_shards(default_shards(), hasher)
    }

    /// An empty map with this many shards, rounded up to a power of two, that hashes with `hasher`.
    ///
    /// # Errors
    ///
    /// [`MapError::Configuration`] for none, and for more than 65,536.
    pub fn with_shards_and_hasher(count: usize, hasher: S) -> Result<Self, MapError> {
        Ok(Self::with_checked_shards(check_shards(count)?, hasher))
    }

    fn with_checked_shards(count: usize, hasher: S) -> Self {
        Self {
            shards: (0..count).map(|_| Core::new()).collect(),
            hasher,
            graveyard: CachePadded::new(Graveyard::new()),
        }
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// How many entries each shard holds: very unequal numbers tell of a bad hasher.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after [`close`](ConcurrentMap::close).
    pub fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        self.shards.iter().map(|shard| shard.with(|version| Ok(version.open()?.len()))).collect()
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Core<K, V> {
        &self.shards[shard_index(hash, self.shards.len())]
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for ShardedSnapshotMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency {
        len: Promise::PerShard,
        for_each: Promise::PerShard,
        snapshot: Promise::PerShard,
        retain: Promise::PerShard,
        apply: Promise::PerShard,
        update_on_panic: UpdateOnPanic::Unchanged,
        ..Consistency::ONE_LOCK
    };

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).with(|version| Ok(version.open()?.get(hash, key).map(read)))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        self.shard(hash).insert(hash, key, value, &self.hasher, &self.graveyard)
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        self.shard(hash).insert_if_absent(hash, key, value, &self.hasher, &self.graveyard)
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).update(hash, key, change, &self.graveyard)
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        self.shard(hash).compute(hash, key, decide, &self.hasher, &self.graveyard)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(key);
        self.shard(hash).remove_if(hash, key, condition, &self.hasher, &self.graveyard)
    }

    fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.shards.iter().map(|shard| shard.retain(&mut keep, &self.hasher, &self.graveyard)).sum()
    }

    fn clear(&self) -> Result<usize, MapError> {
        self.shards.iter().map(|shard| shard.clear(&self.graveyard)).sum()
    }

    fn len(&self) -> Result<usize, MapError> {
        self.shards.iter().map(|shard| shard.with(|version| Ok(version.open()?.len()))).sum()
    }

    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        Self::shard_lens(self)
    }

    fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        for shard in &self.shards {
            // Not pinned: `visit` may take long.
            shard.load().open()?.for_each(&mut visit);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let mut entries = Vec::with_capacity(self.len()?);
        self.for_each(|key, value| entries.push((key.clone(), value.clone())))?;
        Ok(Entries::new(entries))
    }

    /// The operations of one shard are published at once, in their order; the shards come one after the other.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let shards = self.shards.len();
        let mut batch: HashedBatch<K, V> = Table::hash_batch(batch, &self.hasher);
        batch.sort_by_key(|&(hash, _)| shard_index(hash, shards));
        let mut changed = 0;
        while let Some(&(hash, _)) = batch.last() {
            let index = shard_index(hash, shards);
            let start = batch.partition_point(|&(hash, _)| shard_index(hash, shards) < index);
            let of_shard = batch.split_off(start);
            let anything = |_| Ok::<_, MapError>(());
            changed += self.shards[index].apply(of_shard, anything, &self.hasher, &self.graveyard)?.0;
        }
        Ok(changed)
    }

    /// The shards close one after the other; when this returns, no call on any of them has an effect.
    fn close(&self) -> Result<CloseReport, MapError> {
        let mut report = CloseReport::default();
        for shard in &self.shards {
            let (entries, already_closed) = shard.close(&self.graveyard);
            report.entries += entries;
            report.already_closed = already_closed;
        }
        self.graveyard.collect();
        Ok(report)
    }
}
