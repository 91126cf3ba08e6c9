//! [`ShardedMap`]: many small maps, each behind its own lock.

use std::hash::{BuildHasher, Hash};
use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use crate::consistency::{Consistency, Promise};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::RwLock;
use crate::snapshot::Entries;
use crate::table::{Closable, HashedBatch, SHARD_SHIFT, Table};

/// More shards than this are refused: the hash has no more bits to spare.
const MOST_SHARDS: usize = 1 << 16;

/// Shards per thread that can run at once: two threads then meet in one shard less than once in sixteen operations.
const SHARDS_PER_THREAD: usize = 16;

/// Shards that a small machine gets too; 8 KiB of memory.
const FEWEST_DEFAULT_SHARDS: usize = 64;

type Shard<K, V> = CachePadded<RwLock<Closable<K, V>>>;

/// A map cut into shards by hash, each behind a lock on cache lines of its own.
///
/// The general choice for mixed load on values of any type: operations on different keys seldom meet, each of them is
/// linearizable, and growing is spread over many small steps. What spans shards (`len`, `for_each`, `snapshot`,
/// `retain`, `apply`) takes one shard after the other.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, ShardedMap};
///
/// let sessions: ShardedMap<String, u64> = ShardedMap::with_shards(256)?;
/// sessions.insert("ada".to_owned(), 1)?;
/// assert_eq!(sessions.get("ada")?, Some(1));
/// assert!(ShardedMap::<u8, u8>::with_shards(0).is_err());
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct ShardedMap<K, V, S = FastState> {
    shards: Box<[Shard<K, V>]>,
    hasher: S,
}

impl<K, V> ShardedMap<K, V> {
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

impl<K, V, S: Default> Default for ShardedMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> ShardedMap<K, V, S> {
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
        Self { shards: (0..count).map(|_| Shard::default()).collect(), hasher }
    }

    /// How many shards there are.
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    #[inline]
    fn shard(&self, hash: u64) -> &RwLock<Closable<K, V>> {
        &self.shards[shard_index(hash, self.shards.len())]
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S> ShardedMap<K, V, S> {
    /// How many entries each shard holds: very unequal numbers tell of a bad hasher.
    ///
    /// # Errors
    ///
    /// [`MapError::Closed`] after [`close`](ConcurrentMap::close).
    pub fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        self.shards.iter().map(|shard| Ok(shard.read().open()?.len())).collect()
    }
}

/// How many shards a map gets when nothing else is said: sixteen for each thread that can run at once, at least 64.
pub fn default_shards() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    if cfg!(any(raceguard_stress, raceguard_shuttle)) {
        return 4;
    }
    *COUNT.get_or_init(|| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        (threads.next_power_of_two() * SHARDS_PER_THREAD).clamp(FEWEST_DEFAULT_SHARDS, MOST_SHARDS)
    })
}

/// The count rounded up to a power of two, if it makes sense.
pub(crate) fn check_shards(count: usize) -> Result<usize, MapError> {
    if (1..=MOST_SHARDS).contains(&count) {
        Ok(count.next_power_of_two())
    } else {
        Err(MapError::Configuration {
            setting: "shards",
            given: count.to_string(),
            allowed: "take 1 to 65536, or leave it out for sixteen per thread of the machine",
        })
    }
}

/// The shard of a hash, from bits that the table of a shard does not use. `count` is a power of two.
#[inline]
pub(crate) fn shard_index(hash: u64, count: usize) -> usize {
    let bits = (hash >> SHARD_SHIFT) as usize;
    bits & (count - 1)
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for ShardedMap<K, V, S> {
    type Snapshot = Entries<K, V>;

    const CONSISTENCY: Consistency = Consistency {
        len: Promise::PerShard,
        for_each: Promise::PerShard,
        snapshot: Promise::PerShard,
        retain: Promise::PerShard,
        apply: Promise::PerShard,
        ..Consistency::ONE_LOCK
    };

    #[inline]
    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.shard(hash).read().open()?.get(hash, key).map(read))
    }

    #[inline]
    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let replaced = self.shard(hash).write().open_mut()?.insert(hash, key, value, &self.hasher);
        Ok(replaced.map(|(_, value)| value))
    }

    #[inline]
    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.hasher.hash_one(&key);
        let kept = self.shard(hash).write().open_mut()?.insert_if_absent(hash, key, value, &self.hasher);
        Ok(kept.map(|(present, _)| present))
    }

    #[inline]
    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.hasher.hash_one(key);
        Ok(self.shard(hash).write().open_mut()?.get_mut(hash, key).map(change))
    }

    #[inline]
    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.hasher.hash_one(&key);
        let (result, leftover) =
            self.shard(hash).write().open_mut()?.compute(hash, key, decide, &self.hasher);
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
        let removed = self.shard(hash).write().open_mut()?.remove_if(hash, key, condition, &self.hasher);
        Ok(removed.map(|(_, value)| value))
    }

    fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        let mut count = 0;
        for shard in &self.shards {
            let (removed, leftovers) = shard.write().open_mut()?.retain(&mut keep, &self.hasher);
            drop(leftovers);
            count += removed;
        }
        Ok(count)
    }

    fn clear(&self) -> Result<usize, MapError> {
        let mut count = 0;
        for shard in &self.shards {
            let removed = std::mem::take(shard.write().open_mut()?);
            count += removed.len();
        }
        Ok(count)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.shards.iter().map(|shard| Ok(shard.read().open()?.len())).sum()
    }

    fn is_empty(&self) -> Result<bool, MapError> {
        for shard in &self.shards {
            if shard.read().open()?.len() > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        Self::shard_lens(self)
    }

    fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        for shard in &self.shards {
            shard.read().open()?.for_each(&mut visit);
        }
        Ok(())
    }

    fn snapshot(&self) -> Result<Entries<K, V>, MapError> {
        let mut entries = Vec::with_capacity(self.len()?);
        self.for_each(|key, value| entries.push((key.clone(), value.clone())))?;
        Ok(Entries::new(entries))
    }

    /// The operations of one shard are one step, in their order; the shards come one after the other.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let mut batch: HashedBatch<K, V> = Table::hash_batch(batch, &self.hasher);
        let shards = self.shards.len();
        batch.sort_by_key(|&(hash, _)| shard_index(hash, shards));
        let mut batch = batch.into_iter().peekable();
        let mut changed = 0;
        while let Some(&(hash, _)) = batch.peek() {
            let index = shard_index(hash, shards);
            let of_shard =
                std::iter::from_fn(|| batch.next_if(|&(hash, _)| shard_index(hash, shards) == index));
            let (count, leftovers) = self.shard(hash).write().open_mut()?.apply_all(of_shard, &self.hasher);
            drop(leftovers);
            changed += count;
        }
        Ok(changed)
    }

    /// All shards close in one step.
    fn close(&self) -> Result<CloseReport, MapError> {
        // Every caller takes the locks in this order, and no other call holds two.
        let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.write()).collect();
        let mut report = CloseReport::default();
        let mut tables = Vec::with_capacity(shards.len());
        for shard in &mut shards {
            let (entries, already_closed, table) = shard.close();
            report.entries += entries;
            report.already_closed = already_closed;
            tables.push(table);
        }
        drop(shards);
        Ok(report)
    }
}
