//! [`SerialSnapshot`] and [`SerialReader`]: the read side, which does not disturb the owner.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::owner::Core;
use super::pages::Pages;
use crate::error::MapError;
use crate::map::Lookup;
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::snapshot::MapSnapshot;

/// The entries after so many writes.
pub(super) struct Publication<K, V, S> {
    pages: Pages<K, V>,
    hasher: Arc<S>,
    version: u64,
    made: Instant,
}

impl<K, V, S> Publication<K, V, S> {
    pub(super) fn new(pages: Pages<K, V>, hasher: Arc<S>, version: u64) -> Self {
        Self { pages, hasher, version, made: Instant::now() }
    }

    /// The checkers have no time: to them every publication is old.
    fn is_older_than(&self, limit: Duration) -> bool {
        cfg!(any(raceguard_shuttle, raceguard_loom)) || self.made.elapsed() >= limit
    }
}

/// When a new publication is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Freshness {
    pub(super) writes: u64,
    pub(super) age: Duration,
}

/// The newest publication, and what decides when there has to be a newer one.
pub(super) struct Publisher<K, V, S> {
    newest: Mutex<Option<Arc<Publication<K, V, S>>>>,
    /// The version of the entries themselves.
    version: AtomicU64,
    published: AtomicU64,
    /// Whether somebody looked since the last publication. Without readers nothing is published.
    wanted: AtomicBool,
    freshness: Freshness,
    /// One reference each: this one, and one per snapshot or reader alive.
    snapshots: Arc<()>,
    readers: Arc<()>,
}

impl<K, V, S> Publisher<K, V, S> {
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            newest: Mutex::new(None),
            version: AtomicU64::new(0),
            published: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            freshness,
            snapshots: Arc::default(),
            readers: Arc::default(),
        }
    }

    /// For the owner: says which version the entries have now.
    #[inline]
    pub(super) fn advance(&self, version: u64) {
        // ORDERING: Release pairs with the Acquire in `is_current`. The entries themselves travel under locks.
        self.version.store(version, Ordering::Release);
    }

    /// For the owner: whether a reader waits for news and enough was written.
    #[inline]
    pub(super) fn is_due(&self, version: u64) -> bool {
        // ORDERING: Relaxed: a late view only delays a publication, which readers also ask for themselves.
        self.wanted.load(Ordering::Relaxed)
            && version - self.published.load(Ordering::Relaxed) >= self.freshness.writes
    }

    /// For the owner. Returns what was replaced.
    pub(super) fn publish(
        &self,
        publication: Arc<Publication<K, V, S>>,
    ) -> Option<Arc<Publication<K, V, S>>> {
        // ORDERING: Relaxed: only hints; the publication travels under the lock.
        self.published.store(publication.version, Ordering::Relaxed);
        self.wanted.store(false, Ordering::Relaxed);
        self.newest.lock().replace(publication)
    }

    pub(super) fn take(&self) -> Option<Arc<Publication<K, V, S>>> {
        self.newest.lock().take()
    }

    pub(super) fn live_snapshots(&self) -> usize {
        Arc::strong_count(&self.snapshots) - 1
    }

    pub(super) fn live_readers(&self) -> usize {
        Arc::strong_count(&self.readers) - 1
    }

    pub(super) fn snapshot_of(&self, publication: Arc<Publication<K, V, S>>) -> SerialSnapshot<K, V, S> {
        SerialSnapshot { publication, lease: Arc::clone(&self.snapshots) }
    }

    fn is_current(&self, publication: &Publication<K, V, S>) -> bool {
        // ORDERING: Acquire pairs with the Release in `advance`.
        self.version.load(Ordering::Acquire) == publication.version
    }

    /// Whether this publication is as fresh as readers were promised.
    fn is_fresh(&self, publication: &Publication<K, V, S>) -> bool {
        let version = self.version.load(Ordering::Acquire);
        version.saturating_sub(publication.version) < self.freshness.writes
            && !publication.is_older_than(self.freshness.age)
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Core<K, V, S> {
    /// A publication that is fresh, or the newest one while another thread has the turn.
    fn fresh(&self) -> Result<Arc<Publication<K, V, S>>, MapError> {
        self.lifecycle.check()?;
        let newest = self.publisher.newest.lock().clone();
        let Some(newest) = newest else {
            let mut turn = self.turn()?;
            turn.publish();
            drop(turn);
            return self.publisher.newest.lock().clone().ok_or(MapError::Closed);
        };
        if self.publisher.is_current(&newest) {
            return Ok(newest);
        }
        self.publisher.wanted.store(true, Ordering::Relaxed);
        if self.publisher.is_fresh(&newest) {
            return Ok(newest);
        }
        let Some(mut turn) = self.try_turn()? else { return Ok(newest) };
        turn.publish();
        drop(turn);
        self.publisher.newest.lock().clone().ok_or(MapError::Closed)
    }

    pub(super) fn published(&self) -> Result<SerialSnapshot<K, V, S>, MapError> {
        Ok(self.publisher.snapshot_of(self.fresh()?))
    }

    pub(super) fn reader(self: &Arc<Self>) -> Result<SerialReader<K, V, S>, MapError> {
        let publication = self.fresh()?;
        let lease = Arc::clone(&self.publisher.readers);
        Ok(SerialReader { core: Arc::clone(self), publication, looks: 0, _lease: lease })
    }
}

/// Entries of a [`SerialMap`](super::SerialMap) after a whole number of operations. It shares its pages with the map:
/// taking one copies no entry, and the map copies a page only when it writes to it.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MapSnapshot, SerialMap};
///
/// let rates: SerialMap<&str, u32> = SerialMap::new();
/// rates.insert("EUR", 108)?;
/// let seen = rates.snapshot()?;
/// rates.insert("EUR", 109)?;
/// assert_eq!((seen.get(&"EUR"), seen.len()), (Some(&108), 1));
/// assert!(rates.snapshot()?.version() > seen.version());
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub struct SerialSnapshot<K, V, S> {
    publication: Arc<Publication<K, V, S>>,
    /// Counts this one among those alive.
    lease: Arc<()>,
}

impl<K, V, S> SerialSnapshot<K, V, S> {
    /// How many writes the entries had seen. A later snapshot of the same map never has a smaller version.
    pub fn version(&self) -> u64 {
        self.publication.version
    }
}

impl<K, V, S: BuildHasher> SerialSnapshot<K, V, S> {
    /// The value of `key` in this snapshot.
    pub fn get<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Option<&V> {
        self.publication.pages.get(self.publication.hasher.hash_one(key), key)
    }
}

impl<K, V, S> Clone for SerialSnapshot<K, V, S> {
    fn clone(&self) -> Self {
        Self { publication: Arc::clone(&self.publication), lease: Arc::clone(&self.lease) }
    }
}

impl<K, V, S> fmt::Debug for SerialSnapshot<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialSnapshot")
            .field("version", &self.version())
            .field("len", &self.publication.pages.len())
            .finish_non_exhaustive()
    }
}

impl<K, V, S> MapSnapshot<K, V> for SerialSnapshot<K, V, S> {
    fn len(&self) -> usize {
        self.publication.pages.len()
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a,
    {
        self.publication.pages.iter()
    }
}

/// A reader that keeps the publication it saw last: where nothing was written since, a read is one atomic load and a
/// lookup, and touches no line that another reader writes. One per thread.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, SerialMap};
///
/// let rates: SerialMap<&str, u32> = SerialMap::new();
/// rates.insert("EUR", 108)?;
/// let mut reader = rates.reader()?;
/// assert_eq!(reader.get(&"EUR")?, Some(&108));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub struct SerialReader<K, V, S> {
    core: Arc<Core<K, V, S>>,
    publication: Arc<Publication<K, V, S>>,
    /// How often the publication was used since its age was last looked at.
    looks: u32,
    /// Counts this one among those alive.
    _lease: Arc<()>,
}

/// A reader of a map under constant writes reads the clock once in so many looks.
const LOOKS_PER_CLOCK: u32 = 32;

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> SerialReader<K, V, S> {
    /// The value of `key` in a recent publication; never older than what this reader saw before.
    pub fn get<Q: Lookup<K> + ?Sized>(&mut self, key: &Q) -> Result<Option<&V>, MapError> {
        self.refresh()?;
        Ok(self.publication.pages.get(self.publication.hasher.hash_one(key), key))
    }

    /// The publication that [`get`](Self::get) would read from.
    pub fn snapshot(&mut self) -> Result<SerialSnapshot<K, V, S>, MapError> {
        self.refresh()?;
        Ok(self.core.publisher.snapshot_of(Arc::clone(&self.publication)))
    }

    #[inline]
    fn refresh(&mut self) -> Result<(), MapError> {
        self.core.lifecycle.check()?;
        if self.core.publisher.is_current(&self.publication) {
            return Ok(());
        }
        self.looks += 1;
        // ORDERING: Relaxed: a newer publication that is missed here is seen at the next look.
        let published = self.core.publisher.published.load(Ordering::Relaxed);
        if published != self.publication.version || self.looks >= LOOKS_PER_CLOCK {
            self.looks = 0;
            self.publication = self.core.fresh()?;
        }
        Ok(())
    }
}

impl<K, V, S> fmt::Debug for SerialReader<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialReader").field("version", &self.publication.version).finish_non_exhaustive()
    }
}
