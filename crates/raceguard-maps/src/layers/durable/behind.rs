//! Writing behind: calls that return before their record is durable, with a handle to learn when it is.

use std::hash::Hash;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use super::Durable;
use super::commit::Batch;
use super::core::Core;
use super::overlay::{Staged, Wait};
use crate::error::MapError;
use crate::map::{Change, ConcurrentMap, Lookup};

/// The acknowledgement of a write that did not wait for its record. Dropping it cancels nothing.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::MutexMap;
/// use raceguard_maps::durable::Durable;
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// let ack = limits.behind().insert(1, 10)?;
/// while !ack.wait_timeout(Duration::from_millis(10)) {
///     println!("the disk takes its time");
/// }
/// assert_eq!(ack.wait()?, None); // there was no value before
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "without waiting nobody learns whether the write became durable"]
pub struct Ack<R> {
    result: R,
    /// The group of the record, and its number if the record is this write's own.
    batch: Option<(Arc<Batch>, Option<u64>)>,
}

impl<R> Ack<R> {
    pub(super) fn of<K, V>(staged: Staged<K, V, R>) -> Self {
        let batch = match staged.wait {
            Wait::Nothing => None,
            Wait::Other(batch) => Some((batch, None)),
            Wait::Own(ticket, _) => Some((ticket.batch, Some(ticket.sequence))),
        };
        Self { result: staged.result, batch }
    }

    /// Waits until the write is durable and others can see it, and gives its result.
    ///
    /// # Panics
    ///
    /// Goes on with a panic of user code (`Hash`, `Eq`, `Drop`) that ran while the write was applied.
    pub fn wait(self) -> Result<R, MapError> {
        let Some((batch, sequence)) = self.batch else { return Ok(self.result) };
        batch.wait()?;
        match sequence.and_then(|sequence| batch.panic_of(sequence)) {
            Some(panic) => resume_unwind(panic),
            None => Ok(self.result),
        }
    }

    /// Whether [`wait`](Self::wait) would return at once.
    pub fn is_done(&self) -> bool {
        self.batch.as_ref().is_none_or(|(batch, _)| batch.is_done())
    }

    /// Waits for some time; whether [`wait`](Self::wait) would now return at once.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        self.batch.as_ref().is_none_or(|(batch, _)| batch.wait_timeout(timeout))
    }
}

/// The methods of a [`Durable`] map that do not wait: see [`Durable::behind`].
///
/// ```
/// use raceguard_maps::durable::Durable;
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// let behind = limits.behind();
/// // All three go to the disk together.
/// let acks = [behind.insert(1, 10)?, behind.insert(2, 20)?, behind.remove(&1)?];
/// for ack in acks {
///     ack.wait()?;
/// }
/// assert_eq!((limits.get(&1)?, limits.get(&2)?), (None, Some(20)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct WriteBehind<'a, K, V, M> {
    pub(super) map: &'a Durable<K, V, M>,
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> WriteBehind<'_, K, V, M> {
    /// As [`ConcurrentMap::insert`].
    #[expect(clippy::needless_pass_by_value, reason = "the key goes into the map, as in the trait")]
    pub fn insert(&self, key: K, value: V) -> Result<Ack<Option<V>>, MapError> {
        self.stage(&key, |old| (Change::Put(value), old.cloned()))
    }

    /// As [`ConcurrentMap::remove`].
    pub fn remove<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Ack<Option<V>>, MapError> {
        self.stage(key, |old| (Change::Remove, old.cloned()))
    }

    /// As [`ConcurrentMap::update`]. The closure runs before this returns, on a clone of what the value will be once
    /// all earlier writes are durable.
    pub fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Ack<Option<R>>, MapError> {
        self.stage(key, |old| super::write::updated(old, change))
    }

    /// As [`ConcurrentMap::compute`].
    /// The closure runs before this returns, on what the value will be once all earlier
    /// writes are durable.
    #[expect(clippy::needless_pass_by_value, reason = "the key goes into the map, as in the trait")]
    pub fn compute<R>(
        &self,
        key: K,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<Ack<R>, MapError> {
        self.stage(&key, decide)
    }

    fn stage<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        decide: impl FnOnce(Option<&V>) -> (Change<V>, R),
    ) -> Result<Ack<R>, MapError> {
        Ok(Ack::of(self.map.core.stage(key, true, decide)?))
    }
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Core<K, V, M> {
    /// The thread that leads the groups whose first record was written behind.
    pub(super) fn run_flusher(&self) {
        loop {
            self.flusher.wait();
            self.flusher.clear();
            let batch = self.state.lock().leaderless();
            if let Some(batch) = batch {
                self.lead(&batch);
            } else if self.is_retiring() {
                return;
            }
            if self.is_retiring() {
                self.flusher.raise();
            }
        }
    }
}
