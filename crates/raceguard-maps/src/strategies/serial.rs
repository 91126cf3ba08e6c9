//! [`SerialMap`]: one owner, one order of all operations, a bounded queue in front.
//!
//! The classic form of this design has an owner thread, a request channel and a reply channel, and each call pays for
//! two wake-ups. Here ownership is a role that passes between threads (`serial/owner.rs` has the argument): a caller that waits for its result
//! becomes the owner itself, a caller that does not wait leaves its operation in the queue, and a thread of the map
//! does what nobody comes by to do.

use std::fmt;
use std::future::poll_fn;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use self::acknowledgement::{Help, acknowledgement};
use self::owner::Core;
use self::published::{Freshness, Publisher};
use self::queue::{Job, Pushed};
use crate::consistency::Consistency;
use crate::error::MapError;
use crate::hash::FastState;
use crate::lifecycle::CloseReport;
use crate::map::{Change, ConcurrentMap, Lookup, Operation};

pub use self::acknowledgement::Acknowledgement;
pub use self::entries::SerialEntries;
pub use self::published::{SerialReader, SerialSnapshot};

mod acknowledgement;
mod entries;
mod owner;
mod pages;
mod published;
mod queue;
#[cfg(all(test, raceguard_shuttle))]
mod schedules;
#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod tests;

/// A map with one owner at a time and a bounded queue of operations (command-query separation).
///
/// - The methods of [`ConcurrentMap`] do their operation on the calling thread, after all that was queued before.
/// - [`enqueue`](Self::enqueue) and [`submit`](Self::submit) queue an operation and return an [`Acknowledgement`] to
///   wait for or to await; operations are done in the order of the queue. When it is full they wait, and help to empty
///   it; [`try_enqueue`](Self::try_enqueue) and [`try_submit`](Self::try_submit) return [`MapError::Full`].
/// - The `_async` methods do the same for tasks, under any runtime: they never block on the queue.
/// - [`published`](Self::published) and [`reader`](Self::reader) read a recent publication without disturbing the
///   owner.
///
/// A call from within an operation of the same map, which would wait for itself, returns [`MapError::Reentrant`].
/// (Queueing from there is fine while there is room.) Dropping the map does what is queued, then joins the thread.
/// There is no thread before the first queued operation.
///
/// Known limits: every synchronous read takes the lock that hands out ownership, so reads do not scale beyond one
/// core: read from a [`reader`](Self::reader) where a recent value will do. A caller may have to do operations that
/// others queued, at most as many as the queue holds; they run on its thread.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, SerialMap};
///
/// let stock: SerialMap<&str, i64> = SerialMap::new();
/// stock.insert("apples", 10)?;
/// let sold = stock.submit(|entries| entries.update(&"apples", |left| { *left -= 3; *left }))?;
/// assert_eq!(sold.wait()?, Some(7));
/// assert_eq!(stock.published()?.get(&"apples"), Some(&7));
/// assert_eq!(stock.close()?.entries, 1);
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
pub struct SerialMap<K, V, S = FastState> {
    core: Arc<Core<K, V, S>>,
}

/// Settings of a [`SerialMap`].
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MapError, SerialMap, SerialSettings};
///
/// let settings = SerialSettings { queue: 16, ..SerialSettings::default() };
/// let stock: SerialMap<&str, i64> = SerialMap::with_settings(settings)?;
/// stock.insert("apples", 10)?;
///
/// let nothing = SerialSettings { queue: 0, ..SerialSettings::default() };
/// let refused = SerialMap::<&str, i64>::with_settings(nothing).unwrap_err();
/// assert!(matches!(refused, MapError::Configuration { setting: "queue", .. }));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialSettings {
    /// How many operations may wait in the queue: 1 to 16,777,216. The default is 1,024.
    pub queue: usize,
    /// A publication that readers use is at most so many writes behind, unless the owner is in the middle of an
    /// operation. The default is 1,024.
    pub publish_after_writes: u64,
    /// And at most so old, if there was a write since. The default is 1 ms.
    pub publish_after: Duration,
}

impl Default for SerialSettings {
    fn default() -> Self {
        let (queue, publish_after_writes) = if cfg!(raceguard_stress) { (4, 4) } else { (1024, 1024) };
        Self { queue, publish_after_writes, publish_after: Duration::from_millis(1) }
    }
}

/// The largest queue.
const MAX_QUEUE: usize = 1 << 24;

impl<K, V> SerialMap<K, V> {
    /// An empty map. Starts no thread.
    pub fn new() -> Self {
        Self::with_hasher(FastState::default())
    }

    /// An empty map with these settings.
    pub fn with_settings(settings: SerialSettings) -> Result<Self, MapError> {
        Self::with_settings_and_hasher(settings, FastState::default())
    }
}

impl<K, V, S: Default> Default for SerialMap<K, V, S> {
    fn default() -> Self {
        Self::with_hasher(S::default())
    }
}

impl<K, V, S> SerialMap<K, V, S> {
    /// An empty map that hashes with `hasher`.
    pub fn with_hasher(hasher: S) -> Self {
        Self::build(SerialSettings::default(), hasher)
    }

    /// An empty map with these settings that hashes with `hasher`.
    pub fn with_settings_and_hasher(settings: SerialSettings, hasher: S) -> Result<Self, MapError> {
        let refuse =
            |setting, given: String, allowed| Err(MapError::Configuration { setting, given, allowed });
        if settings.queue == 0 || settings.queue > MAX_QUEUE {
            return refuse("queue", settings.queue.to_string(), "1 to 16777216 operations");
        }
        if settings.publish_after_writes == 0 {
            return refuse("publish_after_writes", "0".to_owned(), "at least 1 write");
        }
        Ok(Self::build(settings, hasher))
    }

    fn build(settings: SerialSettings, hasher: S) -> Self {
        let freshness = Freshness { writes: settings.publish_after_writes, age: settings.publish_after };
        Self { core: Arc::new(Core::new(hasher, settings.queue, Publisher::new(freshness))) }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> SerialMap<K, V, S> {
    /// A recent state of the entries: at most as old as the settings say, unless the owner is in the middle of an
    /// operation. Never older than what the same thread was given before.
    pub fn published(&self) -> Result<SerialSnapshot<K, V, S>, MapError> {
        self.core.published()
    }

    /// A reader for one thread, which reads from recent states.
    pub fn reader(&self) -> Result<SerialReader<K, V, S>, MapError> {
        self.core.reader()
    }
}

impl<K, V, S> SerialMap<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Queues `operation`; waits while the queue is full. The acknowledgement carries the value that was there before
    /// (for `InsertIfAbsent`, the one that stays).
    pub fn enqueue(&self, operation: Operation<K, V>) -> Result<Acknowledgement<Option<V>>, MapError> {
        let (job, acknowledgement) = self.operation(operation);
        self.push(job)?;
        Ok(acknowledgement)
    }

    /// As [`enqueue`](Self::enqueue), but a full queue is [`MapError::Full`].
    pub fn try_enqueue(&self, operation: Operation<K, V>) -> Result<Acknowledgement<Option<V>>, MapError> {
        let (job, acknowledgement) = self.operation(operation);
        self.try_push(job)?;
        Ok(acknowledgement)
    }

    /// Queues `work`, which has all entries to itself while it runs, on whichever thread is the owner then. Waits while
    /// the queue is full.
    pub fn submit<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SerialEntries<'_, K, V, S>) -> R + Send + 'static,
    ) -> Result<Acknowledgement<R>, MapError> {
        let (job, acknowledgement) = self.work(work);
        self.push(job)?;
        Ok(acknowledgement)
    }

    /// As [`submit`](Self::submit), but a full queue is [`MapError::Full`].
    pub fn try_submit<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SerialEntries<'_, K, V, S>) -> R + Send + 'static,
    ) -> Result<Acknowledgement<R>, MapError> {
        let (job, acknowledgement) = self.work(work);
        self.try_push(job)?;
        Ok(acknowledgement)
    }

    /// As [`ConcurrentMap::insert`], for tasks.
    pub async fn insert_async(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        self.apply_async(Operation::Insert(key, value)).await
    }

    /// As [`ConcurrentMap::get`], for tasks.
    pub async fn get_async(&self, key: K) -> Result<Option<V>, MapError> {
        self.submit_async(move |entries| entries.get(&key).cloned()).await
    }

    /// As [`ConcurrentMap::remove`], for tasks.
    pub async fn remove_async(&self, key: K) -> Result<Option<V>, MapError> {
        self.apply_async(Operation::Remove(key)).await
    }

    /// Does one operation, for tasks: at once when nothing is queued and nobody is the owner, else through the queue.
    /// Dropping the future before it is done leaves a queued operation queued.
    pub async fn apply_async(&self, operation: Operation<K, V>) -> Result<Option<V>, MapError> {
        if self.core.queue.is_empty()
            && let Some(mut turn) = self.core.try_turn()?
        {
            return Ok(turn.entries().apply(operation));
        }
        let (job, acknowledgement) = self.operation(operation);
        self.push_async(job).await?;
        acknowledgement.await
    }

    /// As [`submit`](Self::submit), for tasks, and with the result: at once when nothing is queued and nobody is the
    /// owner, else through the queue.
    pub async fn submit_async<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SerialEntries<'_, K, V, S>) -> R + Send + 'static,
    ) -> Result<R, MapError> {
        if self.core.queue.is_empty()
            && let Some(mut turn) = self.core.try_turn()?
        {
            return Ok(work(&mut turn.entries()));
        }
        let (job, acknowledgement) = self.work(work);
        self.push_async(job).await?;
        acknowledgement.await
    }

    fn operation(&self, operation: Operation<K, V>) -> (Job<K, V, S>, Acknowledgement<Option<V>>) {
        let (answer, acknowledgement) = acknowledgement(self.helper());
        (Job::Operation(operation, answer), acknowledgement)
    }

    fn work<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SerialEntries<'_, K, V, S>) -> R + Send + 'static,
    ) -> (Job<K, V, S>, Acknowledgement<R>) {
        let (answer, acknowledgement) = acknowledgement(self.helper());
        let job = Job::Work(Box::new(move |entries| {
            answer.give(catch_unwind(AssertUnwindSafe(|| work(entries))));
        }));
        (job, acknowledgement)
    }

    fn helper(&self) -> Arc<dyn Help> {
        Arc::clone(&self.core) as Arc<dyn Help>
    }

    fn try_push(&self, job: Job<K, V, S>) -> Result<(), MapError> {
        match self.core.queue.push(job, None) {
            Pushed::Queued => Ok(()),
            Pushed::QueuedFirst => {
                self.core.start();
                Ok(())
            }
            Pushed::Full(_) => Err(self.core.queue.full()),
            Pushed::Closed => Err(MapError::Closed),
        }
    }

    fn push(&self, job: Job<K, V, S>) -> Result<(), MapError> {
        let mut job = job;
        loop {
            match self.core.queue.push(job, None) {
                Pushed::Queued => return Ok(()),
                Pushed::QueuedFirst => {
                    self.core.start();
                    return Ok(());
                }
                Pushed::Full(back) => job = back,
                Pushed::Closed => return Err(MapError::Closed),
            }
            self.core.help()?;
        }
    }

    async fn push_async(&self, job: Job<K, V, S>) -> Result<(), MapError> {
        let mut job = Some(job);
        poll_fn(|context| {
            let Some(pushed) = job.take().map(|job| self.core.queue.push(job, Some(context.waker()))) else {
                return Poll::Ready(Ok(()));
            };
            match pushed {
                Pushed::Queued => Poll::Ready(Ok(())),
                Pushed::QueuedFirst => {
                    self.core.start();
                    Poll::Ready(Ok(()))
                }
                Pushed::Full(back) => {
                    job = Some(back);
                    Poll::Pending
                }
                Pushed::Closed => Poll::Ready(Err(MapError::Closed)),
            }
        })
        .await
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> ConcurrentMap<K, V> for SerialMap<K, V, S> {
    type Snapshot = SerialSnapshot<K, V, S>;

    const CONSISTENCY: Consistency = Consistency::ONE_LOCK;

    fn get_with<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        read: impl FnOnce(&V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.core.hasher.hash_one(key);
        Ok(self.core.turn()?.pages().get(hash, key).map(read))
    }

    fn insert(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        let hash = self.core.hasher.hash_one(&key);
        Ok(self.core.turn()?.pages_mut().insert(hash, key, value))
    }

    fn insert_if_absent(&self, key: K, value: V) -> Result<Option<V>, MapError> {
        Ok(self.core.turn()?.entries().insert_if_absent(key, value))
    }

    fn update<Q: Lookup<K> + ?Sized, R>(
        &self,
        key: &Q,
        change: impl FnOnce(&mut V) -> R,
    ) -> Result<Option<R>, MapError> {
        let hash = self.core.hasher.hash_one(key);
        Ok(self.core.turn()?.pages_mut().update(hash, key, change))
    }

    fn compute<R>(&self, key: K, decide: impl FnOnce(Option<&V>) -> (Change<V>, R)) -> Result<R, MapError> {
        let hash = self.core.hasher.hash_one(&key);
        Ok(self.core.turn()?.pages_mut().compute(hash, key, decide))
    }

    fn remove_if<Q: Lookup<K> + ?Sized>(
        &self,
        key: &Q,
        condition: impl FnOnce(&V) -> bool,
    ) -> Result<Option<V>, MapError> {
        let hash = self.core.hasher.hash_one(key);
        Ok(self.core.turn()?.pages_mut().remove_if(hash, key, condition))
    }

    fn retain(&self, keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        Ok(self.core.turn()?.pages_mut().retain(keep))
    }

    fn len(&self) -> Result<usize, MapError> {
        Ok(self.core.turn()?.pages().len())
    }

    /// Visits the entries of one instant. Holds up nobody: `visit` may use the map.
    fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        let entries = self.core.turn()?.pages().clone();
        entries.iter().for_each(|(key, value)| visit(key, value));
        Ok(())
    }

    /// Copies no entry: it shares them with the map.
    fn snapshot(&self) -> Result<Self::Snapshot, MapError> {
        let frozen = self.core.turn()?.freeze();
        Ok(self.core.publisher.snapshot_of(frozen))
    }

    /// The whole batch is one step: nobody sees half of it. It is drawn from its iterator before.
    fn apply(&self, batch: impl IntoIterator<Item = Operation<K, V>>) -> Result<usize, MapError> {
        self.core.lifecycle.check()?;
        let batch: Vec<_> = batch.into_iter().collect();
        let mut turn = self.core.turn()?;
        let mut entries = turn.entries();
        let mut changed = 0;
        for operation in batch {
            let inserts = matches!(operation, Operation::Insert(..));
            let inserts_if_absent = matches!(operation, Operation::InsertIfAbsent(..));
            let found = entries.apply(operation).is_some();
            changed += usize::from(inserts || found != inserts_if_absent);
        }
        Ok(changed)
    }

    fn close(&self) -> Result<CloseReport, MapError> {
        self.core.close()
    }
}

impl<K, V, S> Drop for SerialMap<K, V, S> {
    fn drop(&mut self) {
        self.core.stop();
    }
}

impl<K, V, S> fmt::Debug for SerialMap<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SerialMap").field("queue", &self.core.queue.capacity()).finish_non_exhaustive()
    }
}
