//! [`Core`] and [`Turn`]: who owns the entries, and for how long.
//!
//! Ownership is a role, not a place. A [`Turn`] is the right to be the owner until it is dropped; a lock hands it out.
//! Whoever has it first does what the queue holds, then its own operation (flat combining: Hendler, Incze, Shavit,
//! Tzafrir, 2010). The owner thread takes turns only for queued operations that nobody else comes by to do. So:
//!
//! - A caller that waits for its result pays for a lock, not for two wake-ups and a reply channel.
//! - All operations are in one order: that of the turns, and within a turn that of the queue. An operation that was
//!   queued before a call began is done before it.
//! - Closures of callers run on the callers' threads, so they need not be `Send`.
//!
//! Invariants: `pages`, `writes` and `batch` are touched by the owner alone; `executor` holds the owner's thread, and
//! only that thread can read its own id there, so the check for re-entrance needs no ordering; while the queue holds
//! jobs, the owner thread is running, or the call that found it absent is about to start it.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::acknowledgement::Help;
use super::entries::SerialEntries;
use super::pages::Pages;
use super::published::{Publication, Publisher};
use super::queue::{Job, Queue};
use crate::error::MapError;
use crate::lifecycle::{CloseReport, Lifecycle};
use crate::raw::sync::atomic::{AtomicUsize, Ordering};
use crate::raw::sync::{JoinHandle, Mutex, MutexGuard, spawn, thread_id, yield_now};

/// How often the owner thread looks for new jobs, giving up its time slice in between, before it goes to sleep.
const LOOKS_BEFORE_SLEEP: u32 = if cfg!(any(raceguard_shuttle, raceguard_loom)) { 0 } else { 16 };

/// What a map, its owner thread, its readers and its acknowledgements share.
pub(super) struct Core<K, V, S> {
    owned: CachePadded<Mutex<Owned<K, V, S>>>,
    /// The thread that has the turn, or 0.
    executor: AtomicUsize,
    pub(super) queue: CachePadded<Queue<K, V, S>>,
    pub(super) publisher: Publisher<K, V, S>,
    pub(super) lifecycle: Lifecycle,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(super) hasher: Arc<S>,
}

struct Owned<K, V, S> {
    pages: Pages<K, V>,
    /// How many writes were done: the version of the entries.
    writes: u64,
    /// What the owner took out of the queue. Empty between turns; kept for its allocation.
    batch: VecDeque<Job<K, V, S>>,
    report: Option<CloseReport>,
}

/// The right to be the owner.
pub(super) struct Turn<'a, K, V, S> {
    core: &'a Core<K, V, S>,
    owned: MutexGuard<'a, Owned<K, V, S>>,
    writes_before: u64,
    /// A publication that was replaced: freed after the lock is released, since its values are the user's.
    retired: Option<Arc<Publication<K, V, S>>>,
}

impl<K, V, S> Core<K, V, S> {
    pub(super) fn new(hasher: S, capacity: usize, publisher: Publisher<K, V, S>) -> Self {
        let owned = Owned { pages: Pages::default(), writes: 0, batch: VecDeque::new(), report: None };
        Self {
            owned: CachePadded::new(Mutex::new(owned)),
            executor: AtomicUsize::new(0),
            queue: CachePadded::new(Queue::new(capacity)),
            publisher,
            lifecycle: Lifecycle::default(),
            thread: Mutex::default(),
            hasher: Arc::new(hasher),
        }
    }

    /// Whether this thread is within an operation of this map.
    #[inline]
    fn is_mine(&self) -> bool {
        // ORDERING: Relaxed: a thread finds its own id only if it stored it itself.
        self.executor.load(Ordering::Relaxed) == thread_id()
    }

    /// Lets the owner thread finish what is queued, and waits for it. Called once the map has no more users.
    pub(super) fn stop(&self) {
        self.queue.close();
        self.join();
    }

    #[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
    pub(super) fn thread_is_absent(&self) -> bool {
        self.thread.lock().is_none()
    }

    fn join(&self) {
        let thread = self.thread.lock().take();
        // Within an operation, the owner thread is this one, or waits for the turn that this one has: it ends by itself
        // soon after. It never panics: each job's panic is caught.
        if !self.is_mine() {
            let _ = thread.map(JoinHandle::join);
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Core<K, V, S> {
    /// Becomes the owner, after what is queued.
    #[inline]
    pub(super) fn turn(&self) -> Result<Turn<'_, K, V, S>, MapError> {
        if self.is_mine() {
            return Err(MapError::Reentrant);
        }
        self.begin(self.owned.lock())
    }

    /// Becomes the owner if nobody is.
    pub(super) fn try_turn(&self) -> Result<Option<Turn<'_, K, V, S>>, MapError> {
        if self.is_mine() {
            return Ok(None);
        }
        self.owned.try_lock().map(|owned| self.begin(owned)).transpose()
    }

    #[inline]
    fn begin<'a>(&'a self, owned: MutexGuard<'a, Owned<K, V, S>>) -> Result<Turn<'a, K, V, S>, MapError> {
        if owned.report.is_some() {
            return Err(MapError::Closed);
        }
        self.executor.store(thread_id(), Ordering::Relaxed);
        let mut turn = Turn { core: self, writes_before: owned.writes, owned, retired: None };
        if !self.queue.is_empty() {
            turn.drain();
        }
        Ok(turn)
    }

    pub(super) fn close(&self) -> Result<CloseReport, MapError> {
        if self.is_mine() {
            return Err(MapError::Reentrant);
        }
        self.queue.close();
        let owned = self.owned.lock();
        if let Some(report) = &owned.report {
            return Ok(CloseReport { already_closed: true, ..report.clone() });
        }
        self.executor.store(thread_id(), Ordering::Relaxed);
        let mut turn = Turn { core: self, writes_before: owned.writes, owned, retired: None };
        let drained = turn.drain();
        let report = CloseReport {
            entries: turn.owned.pages.len(),
            drained,
            live_snapshots: self.publisher.live_snapshots(),
            live_handles: self.publisher.live_readers(),
            ..CloseReport::default()
        };
        turn.owned.report = Some(report.clone());
        self.lifecycle.close();
        let published = self.publisher.take();
        let pages = std::mem::take(&mut turn.owned.pages);
        drop(turn);
        self.join();
        drop((published, pages));
        Ok(report)
    }
}

impl<K, V, S> Core<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Starts the owner thread. Where the system refuses one, this thread does the queued operations instead.
    pub(super) fn start(self: &Arc<Self>) {
        let core = Arc::clone(self);
        if let Ok(thread) = spawn("raceguard-serial", move || core.run_owner()) {
            *self.thread.lock() = Some(thread);
        } else {
            self.queue.thread_failed();
            let _ = self.help();
        }
    }

    fn run_owner(&self) {
        while self.queue.wait_for_job() {
            // After `close` the queue is empty, so an error here ends the loop at the next look.
            drop(self.turn());
            for _ in 0..LOOKS_BEFORE_SLEEP {
                if !self.queue.is_empty() {
                    break;
                }
                yield_now();
            }
        }
    }
}

impl<K, V, S> Help for Core<K, V, S>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Clone + Send + Sync,
    S: BuildHasher + Send + Sync,
{
    fn help(&self) -> Result<(), MapError> {
        match self.turn() {
            // `close` did or answered all that was queued.
            Ok(_) | Err(MapError::Closed) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Turn<'_, K, V, S> {
    pub(super) fn entries(&mut self) -> SerialEntries<'_, K, V, S> {
        let Owned { pages, writes, .. } = &mut *self.owned;
        SerialEntries::new(pages, &self.core.hasher, writes)
    }

    /// The entries, to write to them in ways that [`SerialEntries`] does not offer.
    pub(super) fn pages_mut(&mut self) -> &mut Pages<K, V> {
        self.owned.writes += 1;
        &mut self.owned.pages
    }

    /// Does what the queue holds at this moment; returns how many operations that were.
    #[cold]
    #[inline(never)]
    fn drain(&mut self) -> usize {
        let mut batch = std::mem::take(&mut self.owned.batch);
        self.core.queue.drain_into(&mut batch);
        let count = batch.len();
        for job in batch.drain(..) {
            // What a job lets through is not its closure's panic but one of a waker or of a payload's drop.
            let _ = catch_unwind(AssertUnwindSafe(|| job.run(&mut self.entries())));
            if self.core.publisher.is_due(self.owned.writes) {
                self.publish();
            }
        }
        self.owned.batch = batch;
        count
    }
}

impl<K, V, S> Turn<'_, K, V, S> {
    pub(super) fn pages(&self) -> &Pages<K, V> {
        &self.owned.pages
    }

    /// The entries as they are now, for callers and readers to keep.
    pub(super) fn freeze(&self) -> Arc<Publication<K, V, S>> {
        Arc::new(Publication::new(self.owned.pages.clone(), Arc::clone(&self.core.hasher), self.owned.writes))
    }

    #[cold]
    #[inline(never)]
    pub(super) fn publish(&mut self) {
        self.retired = self.core.publisher.publish(self.freeze());
    }
}

impl<K, V, S> Drop for Turn<'_, K, V, S> {
    #[inline]
    fn drop(&mut self) {
        if self.owned.writes != self.writes_before {
            self.core.publisher.advance(self.owned.writes);
            if self.core.publisher.is_due(self.owned.writes) {
                self.publish();
            }
        }
        self.core.executor.store(0, Ordering::Relaxed);
    }
}
