//! [`WindowCounterMap`]: how often something happened lately, for a bounded number of keys.

mod recent;
mod series;

use std::hash::{BuildHasher, Hash};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::counters::clock::{Clock, SystemClock};
use crate::counters::window::recent::Recent;
use crate::counters::window::series::{Scale, Series};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::Lookup;
use crate::raw::sync::{Mutex, MutexGuard};
use crate::table::SHARD_SHIFT;

/// Counts per key over a sliding window, and with exponential decay.
///
/// The window is cut into buckets of equal length; [`Activity::in_window`] is the sum of the current bucket and the ones
/// before it, so it covers between `window - window / buckets` and `window`. [`Activity::decayed`] halves with every half-life
/// that passes. Both saturate.
///
/// Memory is bounded: a key goes when nothing was added to it for `idle_after`, and when a new key finds `max_keys`
/// reached, the key that was added to the longest time ago makes room for it. Keys are spread over shards by their hash,
/// and each shard holds its share of `max_keys` and evicts by itself; so a key may have to go somewhat before the map is
/// full. What a key had is gone with it.
///
/// `add` and `get` are linearizable. A clock reading from before another thread's counts as the later one.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::counters::{ManualClock, WindowCounterMap, WindowSettings};
///
/// let clock = ManualClock::new();
/// let settings = WindowSettings { window: Duration::from_mins(1), ..WindowSettings::default() };
/// let logins: WindowCounterMap<String, _> = WindowCounterMap::with_clock(&settings, clock.clone())?;
/// logins.add("eve", 3)?;
/// clock.advance(Duration::from_secs(40));
/// logins.add("eve", 2)?;
/// assert_eq!(logins.get("eve")?.unwrap().in_window, 5);
/// clock.advance(Duration::from_secs(40));
/// assert_eq!(logins.get("eve")?.unwrap().in_window, 2);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct WindowCounterMap<K, C = SystemClock, S = FastState> {
    /// A power of two of them. Who locks several does so in their order.
    shards: Box<[CachePadded<Mutex<Shard<K>>>]>,
    scale: Scale,
    clock: C,
    start: Instant,
    hasher: S,
}

#[derive(Debug)]
struct Shard<K> {
    keys: Recent<K>,
    /// Set by `close`, with the entries of all shards.
    closed: Option<usize>,
}

/// How a [`WindowCounterMap`] counts, and what it keeps.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::WindowCounterMap;
/// use raceguard_maps::counters::WindowSettings;
///
/// let settings = WindowSettings { window: Duration::from_secs(10), buckets: 10, ..WindowSettings::default() };
/// let requests: WindowCounterMap<String> = WindowCounterMap::new(&settings)?;
/// requests.add("/health", 1)?;
///
/// let without_buckets = WindowSettings { buckets: 0, ..settings };
/// let refused = WindowCounterMap::<String>::new(&without_buckets).unwrap_err();
/// assert_eq!(refused.to_string(), "buckets = 0 is not possible: 1 to 4096");
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowSettings {
    /// How far back `in_window` goes.
    pub window: Duration,
    /// Parts of the window, 1 to 4,096. Each takes eight bytes per key.
    pub buckets: usize,
    /// In which time `decayed` halves.
    pub half_life: Duration,
    /// Keys to which nothing was added for so long are evicted. At least the window.
    pub idle_after: Duration,
    /// Keys at most.
    pub max_keys: usize,
}

impl Default for WindowSettings {
    /// One minute in 60 buckets, halved every minute, keys idle after ten minutes, 65,536 keys.
    fn default() -> Self {
        Self {
            window: Duration::from_mins(1),
            buckets: 60,
            half_life: Duration::from_mins(1),
            idle_after: Duration::from_mins(10),
            max_keys: 1 << 16,
        }
    }
}

/// How often a key was counted lately.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::counters::{ManualClock, WindowCounterMap, WindowSettings};
///
/// let clock = ManualClock::new();
/// let settings = WindowSettings { half_life: Duration::from_secs(10), ..WindowSettings::default() };
/// let logins: WindowCounterMap<&str, _> = WindowCounterMap::with_clock(&settings, clock.clone())?;
/// logins.add(&"eve", 8)?;
/// clock.advance(Duration::from_secs(20));
/// let activity = logins.get(&"eve")?.expect("it was counted");
/// assert_eq!((activity.in_window, activity.idle), (8, Duration::from_secs(20)));
/// assert!((activity.decayed - 2.0).abs() < 1e-9);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activity {
    /// What was added in the window.
    pub in_window: u64,
    /// All that was added, each addition halved for every half-life since.
    pub decayed: f64,
    /// Time since the last addition.
    pub idle: Duration,
}

impl WindowSettings {
    fn validate(&self) -> Result<(), MapError> {
        let refuse =
            |setting, given: String, allowed| Err(MapError::Configuration { setting, given, allowed });
        let nanoseconds = self.window.as_nanos();
        if !(1..=4096).contains(&self.buckets) {
            return refuse("buckets", self.buckets.to_string(), "1 to 4096");
        }
        if nanoseconds < self.buckets as u128 || nanoseconds > u128::from(u64::MAX / 2) {
            let allowed = "at least a nanosecond for each bucket, at most 292 years";
            return refuse("window", format!("{:?}", self.window), allowed);
        }
        if self.half_life.is_zero() {
            return refuse("half_life", format!("{:?}", self.half_life), "longer than nothing");
        }
        if self.idle_after < self.window {
            return refuse("idle_after", format!("{:?}", self.idle_after), "at least the window");
        }
        if !(1..=1 << 31).contains(&self.max_keys) {
            return refuse("max_keys", self.max_keys.to_string(), "1 to 2^31");
        }
        Ok(())
    }
}

impl<K> WindowCounterMap<K> {
    /// An empty map.
    pub fn new(settings: &WindowSettings) -> Result<Self, MapError> {
        Self::with_clock(settings, SystemClock)
    }
}

impl<K, C: Clock> WindowCounterMap<K, C> {
    /// An empty map that goes by `clock`.
    pub fn with_clock(settings: &WindowSettings, clock: C) -> Result<Self, MapError> {
        Self::with_clock_and_hasher(settings, clock, FastState::default())
    }
}

impl<K, C: Clock, S> WindowCounterMap<K, C, S> {
    /// An empty map that goes by `clock` and hashes with `hasher`.
    pub fn with_clock_and_hasher(settings: &WindowSettings, clock: C, hasher: S) -> Result<Self, MapError> {
        settings.validate()?;
        let threads = available_parallelism().map_or(1, std::num::NonZero::get).next_power_of_two();
        // A shard with few places would evict at random, so small maps have few shards.
        let shards = 1 << (threads * 4).min(settings.max_keys / 64).max(1).ilog2();
        let places = settings.max_keys / shards;
        let start = clock.now();
        let shard = || Shard { keys: Recent::new(places, settings.idle_after), closed: None };
        Ok(Self {
            shards: (0..shards).map(|_| CachePadded::new(Mutex::new(shard()))).collect(),
            scale: Scale::new(settings),
            clock,
            start,
            hasher,
        })
    }

    /// Time since the map was made.
    fn now(&self) -> Duration {
        self.clock.now().saturating_duration_since(self.start)
    }
}

impl<K: Hash + Eq + Clone, C: Clock, S: BuildHasher> WindowCounterMap<K, C, S> {
    /// Adds to the count of `key`.
    pub fn add<Q: Lookup<K> + ?Sized>(&self, key: &Q, count: u64) -> Result<(), MapError> {
        let hash = self.hasher.hash_one(key);
        let now = self.now();
        let mut shard = self.open(hash)?;
        let mut evicted = shard.keys.evict_idle(now, 2, &self.hasher);
        let slot = if let Some(slot) = shard.keys.find(hash, key) {
            slot
        } else {
            evicted.extend(shard.keys.evict_for_one_more(&self.hasher));
            shard.keys.insert(hash, key.to_key(), Series::new(self.scale, now), &self.hasher)
        };
        shard.keys.touch(slot, self.scale, now).add(self.scale, now, count);
        drop(shard);
        drop(evicted);
        Ok(())
    }

    /// How often `key` was counted; `None` when it is not known, or no longer.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<Activity>, MapError> {
        let hash = self.hasher.hash_one(key);
        let now = self.now();
        let shard = self.open(hash)?;
        let slot = shard.keys.find(hash, key);
        Ok(slot.and_then(|slot| shard.keys.live(slot, now)).map(|series| series.activity(self.scale, now)))
    }

    /// Removes `key` and says how often it was counted.
    pub fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<Activity>, MapError> {
        let hash = self.hasher.hash_one(key);
        let now = self.now();
        let mut shard = self.open(hash)?;
        let Some(slot) = shard.keys.find(hash, key) else { return Ok(None) };
        let activity = shard.keys.live(slot, now).map(|series| series.activity(self.scale, now));
        let removed = shard.keys.evict(slot, &self.hasher);
        drop(shard);
        drop(removed);
        Ok(activity)
    }

    /// All keys and how often they were counted. Each shard is seen at one instant, different shards at different ones.
    pub fn snapshot(&self) -> Result<Vec<(K, Activity)>, MapError> {
        let now = self.now();
        let mut entries = Vec::new();
        for shard in &self.shards {
            let shard = open(shard)?;
            shard.keys.for_each_live(now, |key, series| {
                entries.push((key.clone(), series.activity(self.scale, now)));
            });
        }
        Ok(entries)
    }

    /// Evicts all idle keys now, rather than when their shards are next added to, and says how many.
    pub fn evict_idle(&self) -> Result<usize, MapError> {
        let now = self.now();
        let mut count = 0;
        for shard in &self.shards {
            let mut shard = open(shard)?;
            let evicted = shard.keys.evict_idle(now, usize::MAX, &self.hasher);
            drop(shard);
            count += evicted.len();
        }
        Ok(count)
    }

    /// How many keys are in memory, idle ones among them. Approximate while others add.
    pub fn len(&self) -> Result<usize, MapError> {
        self.shards.iter().map(|shard| Ok(open(shard)?.keys.len())).sum()
    }

    /// Whether no key is in memory.
    pub fn is_empty(&self) -> Result<bool, MapError> {
        Ok(self.len()? == 0)
    }

    /// Ends the map's life, frees the keys, and says how many there were. Calling it again gives the same report with
    /// `already_closed` set.
    pub fn close(&self) -> Result<CloseReport, MapError> {
        let mut shards: Vec<_> = self.shards.iter().map(|shard| shard.lock()).collect();
        if let Some(entries) = shards[0].closed {
            return Ok(CloseReport { entries, already_closed: true, ..CloseReport::default() });
        }
        let entries = shards.iter().map(|shard| shard.keys.len()).sum();
        let mut freed = Vec::with_capacity(shards.len());
        for shard in &mut shards {
            shard.closed = Some(entries);
            freed.push(shard.keys.take());
        }
        drop(shards);
        drop(freed);
        Ok(CloseReport { entries, ..CloseReport::default() })
    }

    fn open(&self, hash: u64) -> Result<MutexGuard<'_, Shard<K>>, MapError> {
        open(&self.shards[(hash >> SHARD_SHIFT) as usize & (self.shards.len() - 1)])
    }
}

fn open<K>(shard: &Mutex<Shard<K>>) -> Result<MutexGuard<'_, Shard<K>>, MapError> {
    let shard = shard.lock();
    if shard.closed.is_some() { Err(MapError::Closed) } else { Ok(shard) }
}
