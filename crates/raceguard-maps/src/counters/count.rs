//! [`CounterMap`]: counts per key that many threads add to at once.

use std::hash::{BuildHasher, Hash};
use std::thread::available_parallelism;

use crossbeam_utils::CachePadded;

use crate::counters::stripe::{Addition, Place, Slot, Stripe};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::Lookup;
use crate::raw::lane;
use crate::raw::sync::atomic::{AtomicU32, Ordering};
use crate::raw::sync::{BriefGuard, BriefMutex, Mutex};
use crate::snapshot::Entries;
use crate::table::{SHARD_SHIFT, Table};

/// Counts per key, made for many additions and few reads.
///
/// Each thread adds into a stripe of its own and so waits for nobody, not even where all of them count the same key. A
/// stripe holds a bounded number of keys (4,096); the others, and those that leave it, are in a sharded table that all
/// threads share. Reading a count looks into all stripes.
///
/// `add`, `get`, `take`, `snapshot` and `len` are linearizable. `drain` empties stripe after stripe and shard after
/// shard; whatever runs meanwhile, each addition is either in the result of exactly one drain, or still in the map.
/// Counts are sums modulo 2^64.
///
/// Costs: reading a key takes the lock of every stripe (there are as many as the machine runs threads, at most 64), so a
/// map that is read as often as it is added to is better a [`ShardedMap`](crate::strategies) of numbers.
///
/// ```
/// use raceguard_maps::CounterMap;
///
/// let hits: CounterMap<String> = CounterMap::new();
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| (0..1000).try_for_each(|_| hits.add("/health", 1)));
///     }
/// });
/// assert_eq!(hits.get("/health")?, Some(4000));
/// assert_eq!(hits.drain()?, [("/health".to_owned(), 4000)]);
/// assert_eq!(hits.get("/health")?, None);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct CounterMap<K, S = FastState> {
    /// A power of two of them. Who locks several does so in their order.
    stripes: Box<[CachePadded<Lane<K>>]>,
    /// A power of two of them. Locked after stripes, several in their order.
    shards: Box<[CachePadded<Mutex<Shard<K>>>]>,
    hasher: S,
}

/// A stripe as threads meet it.
#[derive(Debug)]
struct Lane<K> {
    stripe: BriefMutex<Stripe<K>>,
    /// How many more additions pass by the stripe. A hint: threads that share the lane may count wrongly.
    pass_by: AtomicU32,
}

/// A part of the table that all threads share.
#[derive(Debug)]
struct Shard<K> {
    counts: Table<K, u64>,
    closed: bool,
}

impl<K> Default for Lane<K> {
    fn default() -> Self {
        Self { stripe: BriefMutex::new(Stripe::default()), pass_by: AtomicU32::new(0) }
    }
}

impl<K> Default for Shard<K> {
    fn default() -> Self {
        Self { counts: Table::default(), closed: false }
    }
}

/// Stripes at most: a read locks them all.
const MAX_STRIPES: usize = 64;

impl<K> CounterMap<K> {
    /// An empty map.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }
}

impl<K, S: Default> Default for CounterMap<K, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, S> CounterMap<K, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        let threads = available_parallelism().map_or(1, std::num::NonZero::get).next_power_of_two();
        Self::with_parts(threads.min(MAX_STRIPES), (threads * 4).clamp(64, 1024), hasher)
    }

    pub(super) fn with_parts(stripes: usize, shards: usize, hasher: S) -> Self {
        Self {
            stripes: (0..stripes).map(|_| CachePadded::default()).collect(),
            shards: (0..shards).map(|_| CachePadded::default()).collect(),
            hasher,
        }
    }

    /// Moves the thread to a free lane, for this and the next time. Where none of a few is free, it waits for its own.
    #[cold]
    fn other_stripe(&self, number: usize) -> BriefGuard<'_, Stripe<K>> {
        let mask = self.stripes.len() - 1;
        for step in 1..self.stripes.len().min(5) {
            if let Some(stripe) = self.stripes[(number + step) & mask].stripe.try_lock() {
                lane::set(number + step);
                return stripe;
            }
        }
        self.stripes[number & mask].stripe.lock()
    }

    /// All stripes, locked in their order.
    fn all_stripes(&self) -> Vec<BriefGuard<'_, Stripe<K>>> {
        self.stripes.iter().map(|lane| lane.stripe.lock()).collect()
    }

    fn all_open_stripes(&self) -> Result<Vec<BriefGuard<'_, Stripe<K>>>, MapError> {
        let stripes = self.all_stripes();
        if stripes[0].closed.is_some() { Err(MapError::Closed) } else { Ok(stripes) }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<K>> {
        let number = (hash >> SHARD_SHIFT) as usize;
        &self.shards[number & (self.shards.len() - 1)]
    }
}

impl<K: Hash + Eq + Clone, S: BuildHasher> CounterMap<K, S> {
    /// Adds to the count of `key`, which starts at 0.
    pub fn add<Q: Lookup<K> + ?Sized>(&self, key: &Q, count: u64) -> Result<(), MapError> {
        let hash = self.hasher.hash_one(key);
        let number = lane::current();
        let lane = &self.stripes[number & (self.stripes.len() - 1)];
        // ORDERING: Relaxed here and below: the figure only chooses between two places that are both right.
        let pass_by = lane.pass_by.load(Ordering::Relaxed);
        if pass_by > 0 {
            lane.pass_by.store(pass_by - 1, Ordering::Relaxed);
            return self.add_shared(hash, key, count);
        }
        let mut stripe = lane.stripe.try_lock().unwrap_or_else(|| self.other_stripe(number));
        if stripe.closed.is_some() {
            return Err(MapError::Closed);
        }
        match stripe.add(hash, key, count) {
            Addition::Done => Ok(()),
            Addition::PassBy(rest) => {
                drop(stripe);
                lane.pass_by.store(rest, Ordering::Relaxed);
                self.add_shared(hash, key, count)
            }
            Addition::Evict(place) => {
                let leftover = self.settle(&mut stripe, place);
                let added = stripe.add(hash, key, count);
                debug_assert!(matches!(added, Addition::Done), "a place was made");
                drop(stripe);
                drop(leftover);
                Ok(())
            }
        }
    }

    /// The count of `key`; `None` when nothing was added to it since it was last taken.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<u64>, MapError> {
        let hash = self.hasher.hash_one(key);
        let stripes = self.all_open_stripes()?;
        let shared = self.shard(hash).lock().counts.get(hash, key).copied();
        let own = stripes.iter().filter_map(|stripe| stripe.get(hash, key));
        Ok(own.chain(shared).reduce(u64::wrapping_add))
    }

    /// Takes `key` and its count out of the map.
    pub fn take<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<u64>, MapError> {
        let hash = self.hasher.hash_one(key);
        let mut leftover = Vec::new();
        let mut stripes = self.all_open_stripes()?;
        // First everything that compares keys and may panic, the only removal among it last; then the other removals.
        let places: Vec<Option<Place>> = stripes.iter().map(|stripe| stripe.find(hash, key)).collect();
        let shared = self.shard(hash).lock().counts.remove_if(hash, key, |_| true, &self.hasher);
        let mut counts = Vec::with_capacity(places.len() + 1);
        if let Some((key, count)) = shared {
            leftover.push(key);
            counts.push(count);
        }
        for (stripe, place) in stripes.iter_mut().zip(places) {
            if let Some(Slot { key, count, .. }) = place.and_then(|place| stripe.slot(place).take()) {
                leftover.push(key);
                counts.push(count);
            }
        }
        Ok(counts.into_iter().reduce(u64::wrapping_add))
    }

    /// Takes all counts out of the map. Additions go on meanwhile; see the type for what that means.
    pub fn drain(&self) -> Result<Vec<(K, u64)>, MapError> {
        for lane in &self.stripes {
            let mut leftover = Vec::new();
            let mut stripe = lane.stripe.lock();
            if stripe.closed.is_some() {
                return Err(MapError::Closed);
            }
            self.settle_all(&mut stripe, &mut leftover);
        }
        // From here on no code of the keys runs, so nothing that was taken can be lost to a panic.
        Ok(self.take_shared(false))
    }

    /// All counts, as they are at one instant. Additions wait meanwhile.
    pub fn snapshot(&self) -> Result<Entries<K, u64>, MapError> {
        let mut leftover = Vec::new();
        let mut stripes = self.all_open_stripes()?;
        for stripe in &mut stripes {
            self.settle_all(stripe, &mut leftover);
        }
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        let mut entries = Vec::with_capacity(shards.iter().map(|shard| shard.counts.len()).sum());
        for shard in &shards {
            shard.counts.for_each(|key, count| entries.push((key.clone(), *count)));
        }
        Ok(Entries::new(entries))
    }

    /// How many keys have a count.
    pub fn len(&self) -> Result<usize, MapError> {
        let mut leftover = Vec::new();
        let mut stripes = self.all_open_stripes()?;
        for stripe in &mut stripes {
            self.settle_all(stripe, &mut leftover);
        }
        let shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        Ok(shards.iter().map(|shard| shard.counts.len()).sum())
    }

    /// Whether no key has a count.
    pub fn is_empty(&self) -> Result<bool, MapError> {
        Ok(self.len()? == 0)
    }

    /// Ends the map's life and says how many keys it had; their counts are gone. Calling it again gives the same
    /// report with `already_closed` set.
    pub fn close(&self) -> Result<CloseReport, MapError> {
        self.close_and_drain().map(|(report, _)| report)
    }

    /// As [`close`](Self::close), and returns the counts: each addition that succeeded is in them or was drained before.
    pub fn close_and_drain(&self) -> Result<(CloseReport, Vec<(K, u64)>), MapError> {
        let mut leftover = Vec::new();
        let mut stripes = self.all_stripes();
        if let Some(entries) = stripes[0].closed {
            return Ok((CloseReport { entries, already_closed: true, ..CloseReport::default() }, Vec::new()));
        }
        for stripe in &mut stripes {
            self.settle_all(stripe, &mut leftover);
        }
        let counts = self.take_shared(true);
        for stripe in &mut stripes {
            stripe.closed = Some(counts.len());
            stripe.free();
        }
        Ok((CloseReport { entries: counts.len(), ..CloseReport::default() }, counts))
    }

    /// Moves a count from a stripe to the shared table; returns the key if it was not needed there.
    fn settle(&self, stripe: &mut Stripe<K>, place: Place) -> Option<K> {
        let slot = stripe.slot(place);
        let held = slot.as_ref()?;
        let hash = held.hash;
        let counts = &mut self.shard(hash).lock().counts;
        // Comparing and hashing, which is code of the key, comes before anything moves.
        if let Some(total) = counts.get_mut(hash, &held.key) {
            *total = total.wrapping_add(held.count);
            return slot.take().map(|slot| slot.key);
        }
        counts.make_way(hash, &self.hasher);
        let Slot { key, count, .. } = slot.take()?;
        counts.add(hash, key, count, &self.hasher);
        None
    }

    fn settle_all(&self, stripe: &mut Stripe<K>, leftover: &mut Vec<K>) {
        for place in stripe.places() {
            leftover.extend(self.settle(stripe, place));
        }
    }

    fn add_shared<Q: Lookup<K> + ?Sized>(&self, hash: u64, key: &Q, count: u64) -> Result<(), MapError> {
        let mut shard = self.shard(hash).lock();
        if shard.closed {
            return Err(MapError::Closed);
        }
        if let Some(total) = shard.counts.get_mut(hash, key) {
            *total = total.wrapping_add(count);
        } else {
            shard.counts.make_way(hash, &self.hasher);
            shard.counts.add(hash, key.to_key(), count, &self.hasher);
        }
        Ok(())
    }

    fn take_shared(&self, close: bool) -> Vec<(K, u64)> {
        let mut counts = Vec::new();
        for shard in &self.shards {
            let mut shard = shard.lock();
            shard.closed |= close;
            let taken = std::mem::take(&mut shard.counts);
            drop(shard);
            counts.extend(taken.into_entries());
        }
        counts
    }
}
