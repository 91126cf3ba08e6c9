//! [`Observed`]: what is done with a map, and what it costs, as metrics and as a workload profile.

use std::cell::Cell;
use std::hash::{BuildHasher, Hash};
use std::time::Instant;

use self::observation::Outcome;
use self::profile::Known;
use self::sketch::Sketch;
use self::stripes::{LazyStripes, Stripe, Stripes};
use crate::advice::WorkloadProfile;
use crate::consistency::Consistency;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicBool, Ordering};
use crate::raw::tally::{self, Listening, Tally};
use crate::snapshot::MapSnapshot;

pub use self::histogram::Durations;
pub use self::observation::{Group, Kind, Observation, OperationCount};
pub use self::prometheus::{MapMetrics, prometheus_page};

mod histogram;
mod observation;
mod profile;
mod prometheus;
mod sketch;
mod stripes;
#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests;

/// A map that counts what is done with it.
///
/// Counted for each call: its kind and whether the key was there; how long it waited for locks that were not free, for
/// any strategy that takes locks; keys that came and went; entries copied for snapshots. Looked at closely for one
/// call in [`sample_every`](Self::with_sampling): how long it took, which key it was about, which thread made it. The
/// key is only kept as a hash, in a sketch of fixed size.
///
/// Out come the text that Prometheus reads ([`to_prometheus`](Self::to_prometheus)), a profile for
/// [`advise`](crate::advice) and for replays ([`profile`](Self::profile)), and the plain counts
/// ([`observation`](Self::observation)).
///
/// Observing can be turned off and on while the map is used ([`observe`](Self::observe)). While it is off, a call costs
/// one relaxed load more than without the layer. While it is on, it costs one atomic addition to a counter that the
/// thread shares with few others, and two looks at a thread-local. A call whose closure panics is not counted.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, Kind, Observed, ShardedMap};
///
/// let routes = Observed::new(ShardedMap::new());
/// routes.insert("a", 1)?;
/// routes.get(&"a")?;
/// routes.get(&"b")?;
/// let reads = routes.observation().of(Kind::Get);
/// assert_eq!((reads.hits, reads.misses), (1, 1));
/// let text = routes.to_prometheus("routes");
/// assert!(text.contains(r#"raceguard_map_operations_total{map="routes",operation="get",result="hit"} 1"#));
/// assert_eq!(routes.profile("routes").keys, Some(1));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct Observed<M> {
    map: M,
    on: AtomicBool,
    /// Made when observing starts for the first time.
    stripes: LazyStripes,
    sketch: Sketch,
    /// For the sketch: the map inside does not tell its own hashes.
    hasher: FastState,
    sample_every: u64,
    bytes: Option<(u64, u64)>,
    /// Present while observing, so that locks measure their waits.
    listening: Mutex<Option<Listening>>,
}

/// One call in so many is timed, unless the map is told otherwise.
const SAMPLE_EVERY: u64 = 64;

impl<M: Default> Default for Observed<M> {
    fn default() -> Self {
        Self::new(M::default())
    }
}

impl<M> Observed<M> {
    /// Observes `map` from now on.
    pub fn new(map: M) -> Self {
        let observed = Self {
            map,
            on: AtomicBool::new(false),
            stripes: LazyStripes::new(),
            sketch: Sketch::default(),
            hasher: FastState::default(),
            sample_every: SAMPLE_EVERY,
            bytes: None,
            listening: Mutex::new(None),
        };
        observed.observe(true);
        observed
    }

    /// Looks closely at one call in `every` per thread: 1 to 1,048,576, a power of two. The default is 64.
    pub fn with_sampling(mut self, every: u64) -> Result<Self, MapError> {
        if !every.is_power_of_two() || every > 1 << 20 {
            return Err(MapError::Configuration {
                setting: "sampling",
                given: every.to_string(),
                allowed: "a power of two from 1 to 1048576",
            });
        }
        self.sample_every = every;
        Ok(self)
    }

    /// Tells the profile how many bytes a key and a value have with what they point to. Without it, types with heap
    /// memory have an unknown size.
    #[must_use]
    pub fn with_bytes(mut self, key: u64, value: u64) -> Self {
        self.bytes = Some((key, value));
        self
    }

    /// Turns observing on or off. The counts stay.
    pub fn observe(&self, on: bool) {
        let mut listening = self.listening.lock();
        if on {
            self.stripes.get_or_init(Stripes::new);
            listening.get_or_insert_with(Listening::new);
        } else {
            *listening = None;
        }
        // ORDERING: Relaxed: a call that misses the change is counted, or not, as if it had come a moment earlier.
        self.on.store(on, Ordering::Relaxed);
    }

    /// The map inside, for what only its own type can do. Calls on it are not counted.
    pub fn inner(&self) -> &M {
        &self.map
    }

    /// What was counted so far. Counts of calls that run meanwhile may be in it or not.
    pub fn observation(&self) -> Observation {
        self.stripes.get().map(Stripes::sum).unwrap_or_default()
    }

    /// The Zipf exponent of the choice of keys: 0 is uniform, 1 is what popularity often looks like. `None` before a
    /// thousand calls were sampled. An estimate, within about 0.15 of the truth where the load is a Zipf load.
    pub fn skew(&self) -> Option<f64> {
        self.sketch.skew()
    }

    /// All metrics of this map in the text format of Prometheus. For several maps on one page, see
    /// [`prometheus_page`].
    pub fn to_prometheus<K, V>(&self, name: &str) -> String
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        prometheus_page(&[self.metrics(name)])
    }

    /// The metrics as they are now, for [`prometheus_page`]; `name` becomes the label `map`.
    pub fn metrics<K, V>(&self, name: &str) -> MapMetrics
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        MapMetrics {
            name: name.to_owned(),
            observation: self.observation(),
            sampled: self.sample_every,
            entries: self.map.len().ok(),
            shard_lens: self.map.shard_lens().ok(),
        }
    }

    /// The load of this map as a profile. What is not known says why.
    pub fn profile<K, V>(&self, name: &str) -> WorkloadProfile
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        let known = Known { keys: self.map.len().ok(), skew: self.skew(), bytes: self.bytes };
        profile::profile::<K, V>(name, &self.observation(), &known)
    }

    /// The fullest shard over the mean: 1 is even; a large ratio tells of a bad hasher or too few keys.
    pub fn shard_imbalance<K, V>(&self) -> Result<f64, MapError>
    where
        K: Hash + Eq + Clone,
        V: Clone,
        M: ConcurrentMap<K, V>,
    {
        Ok(prometheus::imbalance(&self.map.shard_lens()?))
    }

    /// The counters of this thread, while observing is on.
    #[inline]
    fn counters(&self) -> Option<(&Stripes, &Stripe)> {
        if !self.on.load(Ordering::Relaxed) {
            return None;
        }
        let stripes = self.stripes.get()?;
        Some((stripes, stripes.mine()))
    }

    /// Before a call, about this key if it is about one. `None` while observing is off.
    #[inline]
    fn begin<Q: Hash + ?Sized>(&self, key: Option<&Q>) -> Option<Begun<'_>> {
        let (stripes, stripe) = self.counters()?;
        let start = stripe.is_sampled(self.sample_every).then(|| {
            stripes.note_thread();
            if let Some(key) = key {
                self.sketch.sample(self.hasher.hash_one(key));
            }
            Instant::now()
        });
        Some(Begun { stripe, start, before: tally::current() })
    }

    /// A call that is about no single key.
    fn whole<R>(
        &self,
        kind: Kind,
        call: impl FnOnce(&M) -> Result<R, MapError>,
        done: impl FnOnce(&R, &Stripe),
    ) -> Result<R, MapError> {
        let begun = self.begin::<()>(None);
        counted(begun.as_ref(), kind, call(&self.map), |result, stripe| {
            done(result, stripe);
            true
        })
    }
}

/// A call that is observed.
struct Begun<'a> {
    stripe: &'a Stripe,
    /// When it began, if it is looked at closely.
    start: Option<Instant>,
    before: Tally,
}

/// After a call. `had_key` says whether the key was there before, and may count more.
#[inline]
fn counted<R>(
    begun: Option<&Begun<'_>>,
    kind: Kind,
    result: Result<R, MapError>,
    had_key: impl FnOnce(&R, &Stripe) -> bool,
) -> Result<R, MapError> {
    let Some(&Begun { stripe, start, before }) = begun else { return result };
    if let Some(start) = start {
        stripe.time(kind.group(), u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    stripe.tally(before, tally::current());
    let outcome = match &result {
        Ok(value) if had_key(value, stripe) => Outcome::Hit,
        Ok(_) => Outcome::Miss,
        Err(_) => Outcome::Error,
    };
    stripe.count(kind, outcome);
    result
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> ConcurrentMap<K, V> for Observed<M> {
    type Snapshot = M::Snapshot;

    const CONSISTENCY: Consistency = M::CONSISTENCY;

    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Get, self.map.get_with(key, read), |found, _| found.is_some())
    }

    fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Get, self.map.get(key), |found, _| found.is_some())
    }

    fn contains_key<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<bool, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Get, self.map.contains_key(key), |found, _| *found)
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let begun = self.begin(Some(&key));
        counted(begun.as_ref(), Kind::Insert, self.map.insert(key, value), created_if_none)
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let begun = self.begin(Some(&key));
        counted(begun.as_ref(), Kind::InsertIfAbsent, self.map.insert_if_absent(key, value), created_if_none)
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Update, self.map.update(key, change), |found, _| found.is_some())
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let begun = self.begin(Some(&key));
        // Whether the key was there, and is there afterwards.
        let seen = Cell::new((false, false));
        let watched = |value: Option<&V>| {
            let before = value.is_some();
            let (change, result) = decide(value);
            let after = match &change {
                Change::Keep => before,
                Change::Put(_) => true,
                Change::Remove => false,
            };
            seen.set((before, after));
            (change, result)
        };
        counted(begun.as_ref(), Kind::Compute, self.map.compute(key, watched), |_, stripe| {
            match seen.get() {
                (false, true) => stripe.created(1),
                (true, false) => stripe.removed(1),
                _ => {}
            }
            seen.get().0
        })
    }

    fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Remove, self.map.remove(key), removed_if_some)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let begun = self.begin(Some(key));
        counted(begun.as_ref(), Kind::Remove, self.map.remove_if(key, condition), removed_if_some)
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.whole(Kind::Retain, |map| map.retain(keep), |gone, stripe| stripe.removed(*gone as u64))
    }

    fn clear(&self) -> Result<usize, MapError> {
        self.whole(Kind::Retain, M::clear, |gone, stripe| stripe.removed(*gone as u64))
    }

    fn len(&self) -> Result<usize, MapError> {
        self.whole(Kind::Len, M::len, |_, _| ())
    }

    fn is_empty(&self) -> Result<bool, MapError> {
        self.whole(Kind::Len, M::is_empty, |_, _| ())
    }

    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        self.whole(Kind::Len, M::shard_lens, |_, _| ())
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.whole(Kind::ForEach, |map| map.for_each(visit), |(), _| ())
    }

    fn snapshot(&self) -> Result<Self::Snapshot, MapError> {
        self.whole(Kind::Snapshot, M::snapshot, |taken, stripe| stripe.snapshot_of(taken.len()))
    }

    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        let counters = self.counters();
        let watched = batch.into_iter().inspect(|operation| {
            if let Some((_, stripe)) = counters {
                let kind = match operation {
                    Operation::Insert(..) => Kind::Insert,
                    Operation::InsertIfAbsent(..) => Kind::InsertIfAbsent,
                    Operation::Remove(_) => Kind::Remove,
                };
                stripe.count(kind, Outcome::Batched);
            }
        });
        self.whole(Kind::Apply, |map| map.apply(watched), |_, _| ())
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        self.map.close()
    }
}

#[allow(clippy::ref_option)] // What `counted` has at hand.
fn created_if_none<V>(replaced: &Option<V>, stripe: &Stripe) -> bool {
    if replaced.is_none() {
        stripe.created(1);
    }
    replaced.is_some()
}

#[allow(clippy::ref_option)] // What `counted` has at hand.
fn removed_if_some<V>(removed: &Option<V>, stripe: &Stripe) -> bool {
    if removed.is_some() {
        stripe.removed(1);
    }
    removed.is_some()
}
