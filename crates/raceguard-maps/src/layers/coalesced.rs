//! [`Coalesced`]: a write buffer that merges the writes of one key, in front of a map whose writes are dear.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use self::buffer::Pending;
use self::core::{Core, STRIPES};
use self::flusher::Flusher;
use crate::consistency::{Consistency, Promise, UpdateOnPanic};
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};
use crate::raw::sync::{JoinHandle, Mutex, spawn};

mod buffer;
mod core;
mod flusher;
#[cfg(all(test, raceguard_shuttle))]
mod schedules;
#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests;

/// How writes are held back.
///
/// ```
/// use raceguard_maps::{Coalesced, Coalescing, ConcurrentMap, MutexMap};
///
/// // The map below is written when 100 keys wait, or on demand.
/// let settings = Coalescing { most_pending: 100, ..Coalescing::default() };
/// let map = Coalesced::new(MutexMap::new(), settings)?;
/// map.put("a", 1)?;
/// assert_eq!((map.get(&"a")?, map.inner().get(&"a")?), (Some(1), None));
/// assert!(map.merge("a", 1).is_err(), "there is no function that merges");
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug)]
pub struct Coalescing<V> {
    /// About how many keys may have a pending write: 1 to 16,777,216. The write of one more key flushes first, on the
    /// caller's thread. The default is 1,024.
    pub most_pending: usize,
    /// For [`Coalesced::merge`]: makes one value of an earlier and a later one. It must not matter whether the first
    /// two of three are merged first or the last two (associativity): addition, minimum, union, appending.
    pub merge: Option<fn(&V, &V) -> V>,
}

impl<V> Default for Coalescing<V> {
    fn default() -> Self {
        Self { most_pending: if cfg!(raceguard_stress) { 4 } else { 1024 }, merge: None }
    }
}

impl<V> Clone for Coalescing<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Coalescing<V> {}

/// A map that holds writes back and passes on only the last one of each key, in batches.
///
/// Everybody sees a pending write at once: reads look into the buffer first. So the layer is as linearizable as the
/// map inside, for whoever goes through the layer; what is in the map inside lags behind. Pending writes are passed on
///
/// - by size, on the thread of the caller whose write found no room;
/// - by age, if made by [`with_age`](Self::with_age): on a thread of the layer, so that it happens also when nobody
///   calls. The first pending write starts it; `close` and dropping the layer join it;
/// - on demand: [`flush`](Self::flush), [`close`](ConcurrentMap::close), and each method that looks at all entries;
/// - when the layer is dropped.
///
/// A flush that fails keeps all that was pending, and says so where it was asked for: by the write that found no room
/// (which then had no effect), by `flush` or `close` (the map stays open), or in
/// [`last_flush_error`](Self::last_flush_error).
///
/// [`insert`](ConcurrentMap::insert) returns the old value, so it reads the map inside. [`put`](Self::put),
/// [`discard`](Self::discard) and [`merge`](Self::merge) do not: they touch the buffer alone.
///
/// ```
/// use raceguard_maps::{Coalesced, Coalescing, ConcurrentMap, MutexMap};
///
/// let add = Coalescing { merge: Some(|a: &u64, b: &u64| a + b), ..Coalescing::default() };
/// let views = Coalesced::new(MutexMap::new(), add)?;
/// for _ in 0..1_000 {
///     views.merge("home", 1)?;
/// }
/// assert_eq!(views.get(&"home")?, Some(1_000));
/// assert_eq!(views.inner().len()?, 0);
/// assert_eq!(views.flush()?, 1);
/// assert_eq!(views.inner().get(&"home")?, Some(1_000));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
///
/// Known limits: the map inside must not be written to but through the layer, and its reads must be linearizable.
/// Methods that look at all entries hold up all writes while they run.
pub struct Coalesced<M, K, V, S = FastState>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    shared: Arc<Shared<M, K, V, S>>,
    /// Starts the thread of the flusher.
    start: Option<Start<M, K, V, S>>,
    closing: Mutex<Closing>,
}

struct Shared<M, K, V, S> {
    core: Core<M, K, V, S>,
    flusher: Option<Flusher>,
}

type Start<M, K, V, S> = fn(&Arc<Shared<M, K, V, S>>) -> io::Result<JoinHandle<()>>;

#[derive(Debug, Default)]
struct Closing {
    drained: usize,
    dropped: usize,
    report: Option<CloseReport>,
}

const MAX_PENDING: usize = 1 << 24;

impl<M, K, V> Coalesced<M, K, V>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
{
    /// Holds back writes to `map`; they are flushed by size and on demand.
    pub fn new(map: M, settings: Coalescing<V>) -> Result<Self, MapError> {
        Self::with_hasher(map, settings, FastState::default())
    }

    /// As [`new`](Self::new), and no write is held back for longer than about `age`.
    pub fn with_age(map: M, settings: Coalescing<V>, age: Duration) -> Result<Self, MapError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        M: Send + Sync + 'static,
    {
        Self::with_age_and_hasher(map, settings, age, FastState::default())
    }
}

impl<M, K, V, S> Coalesced<M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    /// As [`new`](Self::new), with a hasher for the buffer. The map inside has its own.
    pub fn with_hasher(map: M, settings: Coalescing<V>, hasher: S) -> Result<Self, MapError> {
        Self::build(map, settings, hasher, None)
    }

    /// As [`with_age`](Self::with_age), with a hasher for the buffer.
    pub fn with_age_and_hasher(
        map: M,
        settings: Coalescing<V>,
        age: Duration,
        hasher: S,
    ) -> Result<Self, MapError>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        M: Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let start: Start<M, K, V, S> = |shared| {
            let shared = Arc::clone(shared);
            spawn("raceguard-coalesced", move || {
                if let Some(flusher) = &shared.flusher {
                    flusher.run(|| shared.core.flush());
                }
            })
        };
        Self::build(map, settings, hasher, Some((age, start)))
    }

    fn build(
        map: M,
        settings: Coalescing<V>,
        hasher: S,
        aged: Option<(Duration, Start<M, K, V, S>)>,
    ) -> Result<Self, MapError> {
        if settings.most_pending == 0 || settings.most_pending > MAX_PENDING {
            return Err(MapError::Configuration {
                setting: "most_pending",
                given: settings.most_pending.to_string(),
                allowed: "1 to 16777216 keys",
            });
        }
        let core = Core::new(map, settings.most_pending, settings.merge, hasher);
        let flusher = aged.map(|(age, _)| Flusher::new(age));
        let start = aged.map(|(_, start)| start);
        Ok(Self { shared: Arc::new(Shared { core, flusher }), start, closing: Mutex::default() })
    }

    /// The map inside. Pending writes are not in it; writing to it past the layer breaks the layer's promises.
    pub fn inner(&self) -> &M {
        &self.shared.core.map
    }

    /// Sets the value of `key` without asking what it was.
    pub fn put(&self, key: K, value: V) -> Result<(), MapError> {
        let _announced = self.announce_at_end();
        self.core().lock_for_write(&key)?.set(key, Pending::Put(value));
        Ok(())
    }

    /// Removes `key` without asking whether it was there.
    pub fn discard(&self, key: K) -> Result<(), MapError> {
        let _announced = self.announce_at_end();
        self.core().lock_for_write(&key)?.set(key, Pending::Gone);
        Ok(())
    }

    /// Merges `delta` into the value of `key`; where there is none, `delta` becomes the value. An error if the layer
    /// was made without a merge function.
    pub fn merge(&self, key: K, delta: V) -> Result<(), MapError> {
        let merge = self.core().merge.ok_or(MapError::Configuration {
            setting: "merge",
            given: "none".to_owned(),
            allowed: "a merge function in Coalescing",
        })?;
        let _announced = self.announce_at_end();
        self.core().lock_for_write(&key)?.merge(key, delta, merge);
        Ok(())
    }

    /// Passes on all writes that were pending at the call; returns how many there were.
    pub fn flush(&self) -> Result<usize, MapError> {
        self.core().flush()
    }

    /// Why the last flush by age failed, if it did. It is tried again after the same age.
    pub fn last_flush_error(&self) -> Option<MapError> {
        self.shared.flusher.as_ref()?.last_error()
    }

    fn core(&self) -> &Core<M, K, V, S> {
        &self.shared.core
    }

    /// Tells the flusher of a write when dropped, whichever way the call ends. To be made before the lock is taken.
    fn announce_at_end(&self) -> Announced<'_, M, K, V, S> {
        Announced { shared: &self.shared, start: self.start }
    }
}

struct Announced<'a, M, K, V, S> {
    shared: &'a Arc<Shared<M, K, V, S>>,
    start: Option<Start<M, K, V, S>>,
}

impl<M, K, V, S> Drop for Announced<'_, M, K, V, S> {
    fn drop(&mut self) {
        if let (Some(flusher), Some(start)) = (&self.shared.flusher, self.start) {
            flusher.announce(|| start(self.shared));
        }
    }
}

/// What a method promises that looks at the map inside while nobody writes to it: a weak promise is then exact.
const fn alone(promise: Promise) -> Promise {
    match promise {
        Promise::Monotone => Promise::Monotone,
        _ => Promise::Linearizable,
    }
}

impl<M, K, V, S> ConcurrentMap<K, V> for Coalesced<M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    type Snapshot = M::Snapshot;

    const CONSISTENCY: Consistency = Consistency {
        read: M::CONSISTENCY.read,
        write: M::CONSISTENCY.read,
        len: alone(M::CONSISTENCY.len),
        for_each: alone(M::CONSISTENCY.for_each),
        snapshot: alone(M::CONSISTENCY.snapshot),
        // Reads go on meanwhile: they see what the map inside lets them see.
        retain: M::CONSISTENCY.retain,
        apply: Promise::PerEntry,
        update_on_panic: UpdateOnPanic::Unchanged,
    };

    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        self.core().get_with(key, read)
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let _announced = self.announce_at_end();
        let mut locked = self.core().lock_for_write(&key)?;
        let old = locked.current(&key)?;
        locked.set(key, Pending::Put(value));
        Ok(old)
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let _announced = self.announce_at_end();
        let mut locked = self.core().lock_for_write(&key)?;
        let old = locked.current(&key)?;
        if old.is_none() {
            locked.set(key, Pending::Put(value));
        }
        Ok(old)
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let _announced = self.announce_at_end();
        let mut locked = self.core().lock_for_write(key)?;
        let Some(mut value) = locked.current(key)? else { return Ok(None) };
        let result = change(&mut value);
        locked.set(key.to_key(), Pending::Put(value));
        Ok(Some(result))
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let _announced = self.announce_at_end();
        let mut locked = self.core().lock_for_write(&key)?;
        let old = locked.current(&key)?;
        let (change, result) = decide(old.as_ref());
        match change {
            Change::Put(value) => locked.set(key, Pending::Put(value)),
            Change::Remove if old.is_some() => locked.set(key, Pending::Gone),
            Change::Keep | Change::Remove => return Ok(result),
        }
        Ok(result)
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let _announced = self.announce_at_end();
        let mut locked = self.core().lock_for_write(key)?;
        let Some(value) = locked.current(key)? else { return Ok(None) };
        if !condition(&value) {
            return Ok(None);
        }
        locked.set(key.to_key(), Pending::Gone);
        Ok(Some(value))
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        self.core().with_flushed(|map| map.retain(keep))
    }

    fn clear(&self) -> Result<usize, MapError> {
        self.core().with_flushed(M::clear)
    }

    fn len(&self) -> Result<usize, MapError> {
        self.core().with_flushed(M::len)
    }

    fn shard_lens(&self) -> Result<Vec<usize>, MapError> {
        self.core().with_flushed(M::shard_lens)
    }

    fn for_each(&self, visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        self.core().with_flushed(|map| map.for_each(visit))
    }

    fn snapshot(&self) -> Result<Self::Snapshot, MapError> {
        self.core().with_flushed(M::snapshot)
    }

    /// One operation after the other. An error says nothing of how many were done.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        // An empty batch touches no stripe, which would tell.
        self.core().check_open()?;
        let mut changed = 0;
        for operation in batch {
            changed += usize::from(match operation {
                Operation::Insert(key, value) => self.put(key, value).map(|()| true),
                Operation::InsertIfAbsent(key, value) => {
                    self.insert_if_absent(key, value).map(|kept| kept.is_none())
                }
                Operation::Remove(key) => self.remove(&key).map(|removed| removed.is_some()),
            }?);
        }
        Ok(changed)
    }

    /// Flushes, then closes the map inside. If the flush fails, so does this, and the map stays open.
    fn close(&self) -> Result<CloseReport, MapError> {
        let mut closing = self.closing.lock();
        if let Some(report) = &closing.report {
            return Ok(CloseReport { already_closed: true, ..report.clone() });
        }
        let (drained, dropped) = self.core().close()?;
        closing.drained += drained;
        closing.dropped += dropped;
        if let Some(flusher) = &self.shared.flusher {
            flusher.stop();
        }
        let mut report = self.core().map.close()?;
        report.drained += closing.drained;
        report.dropped += closing.dropped;
        closing.report = Some(report.clone());
        Ok(report)
    }
}

impl<M, K, V, S> Drop for Coalesced<M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    fn drop(&mut self) {
        if let Some(flusher) = &self.shared.flusher {
            flusher.stop();
        }
        // The last chance. There is nobody left to tell of an error, nor of a panic of the user's code.
        let _ = catch_unwind(AssertUnwindSafe(|| self.shared.core.flush()));
    }
}

impl<M, K, V, S> fmt::Debug for Coalesced<M, K, V, S>
where
    K: Hash + Eq + Clone,
    V: Clone,
    M: ConcurrentMap<K, V>,
    S: BuildHasher,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesced").field("stripes", &STRIPES).finish_non_exhaustive()
    }
}
