//! [`Queue`]: the bounded queue in front of the owner, and what waits in it.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::acknowledgement::Answer;
use super::entries::SerialEntries;
use crate::error::MapError;
use crate::map::Operation;
use crate::raw::sync::atomic::{AtomicUsize, Ordering};
use crate::raw::sync::{Condvar, WaitMutex};

/// Work that was submitted as a closure; it answers its caller itself.
pub(super) type Work<K, V, S> = Box<dyn FnOnce(&mut SerialEntries<'_, K, V, S>) + Send>;

/// One queued operation.
pub(super) enum Job<K, V, S> {
    Operation(Operation<K, V>, Answer<Option<V>>),
    Work(Work<K, V, S>),
}

impl<K: Hash + Eq + Clone, V: Clone, S: BuildHasher> Job<K, V, S> {
    /// Does it. A panic goes to the caller who waits for it, never to the thread that does it.
    pub(super) fn run(self, entries: &mut SerialEntries<'_, K, V, S>) {
        match self {
            Self::Operation(operation, answer) => {
                answer.give(catch_unwind(AssertUnwindSafe(|| entries.apply(operation))));
            }
            Self::Work(work) => work(entries),
        }
    }
}

/// First in, first out, bounded; drained as a whole, so that a wake-up is paid once per batch.
pub(super) struct Queue<K, V, S> {
    inner: WaitMutex<Inner<K, V, S>>,
    /// How many operations wait, to look at without the lock.
    waiting: AtomicUsize,
    capacity: usize,
    arrived: Condvar,
}

struct Inner<K, V, S> {
    jobs: VecDeque<Job<K, V, S>>,
    /// Tasks that wait for room.
    room: Vec<Waker>,
    thread: OwnerThread,
    closed: bool,
}

/// What the queue knows of the thread that drains it when nobody else does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerThread {
    Absent,
    Busy,
    Parked,
}

/// What a push found.
pub(super) enum Pushed<K, V, S> {
    /// It is in the queue.
    Queued,
    /// It is in the queue, and the caller has to start the owner thread.
    QueuedFirst,
    /// There is no room; the job comes back.
    Full(Job<K, V, S>),
    /// No more jobs are taken.
    Closed,
}

impl<K, V, S> Queue<K, V, S> {
    pub(super) fn new(capacity: usize) -> Self {
        let inner =
            Inner { jobs: VecDeque::new(), room: Vec::new(), thread: OwnerThread::Absent, closed: false };
        Self {
            inner: WaitMutex::new(inner),
            waiting: AtomicUsize::new(0),
            capacity,
            arrived: Condvar::default(),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether nothing waits. A push that ended before this call is seen.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // ORDERING: Relaxed: a hint. Who pushed, and who heard of that push, sees it by coherence; the jobs themselves
        // are read under the lock.
        self.waiting.load(Ordering::Relaxed) == 0
    }

    /// Puts a job in; `on_full` is woken when there is room again.
    pub(super) fn push(&self, job: Job<K, V, S>, on_full: Option<&Waker>) -> Pushed<K, V, S> {
        let mut inner = self.inner.lock();
        if inner.closed {
            drop(inner);
            drop(job);
            return Pushed::Closed;
        }
        if inner.jobs.len() >= self.capacity {
            inner.room.extend(on_full.cloned());
            return Pushed::Full(job);
        }
        inner.jobs.push_back(job);
        self.waiting.store(inner.jobs.len(), Ordering::Relaxed);
        let thread = std::mem::replace(&mut inner.thread, OwnerThread::Busy);
        drop(inner);
        match thread {
            OwnerThread::Absent => return Pushed::QueuedFirst,
            OwnerThread::Parked => self.arrived.notify_one(),
            OwnerThread::Busy => {}
        }
        Pushed::Queued
    }

    /// Moves all jobs to `batch`, which is empty, and wakes who waits for room.
    pub(super) fn drain_into(&self, batch: &mut VecDeque<Job<K, V, S>>) {
        let mut inner = self.inner.lock();
        std::mem::swap(&mut inner.jobs, batch);
        self.waiting.store(0, Ordering::Relaxed);
        let room = std::mem::take(&mut inner.room);
        drop(inner);
        room.into_iter().for_each(Waker::wake);
    }

    /// Takes no more jobs and lets the owner thread go once the queue is empty. What is queued stays.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        let room = std::mem::take(&mut inner.room);
        drop(inner);
        self.arrived.notify_one();
        room.into_iter().for_each(Waker::wake);
    }

    /// For the owner thread: waits for a job; false when the queue is closed and empty.
    pub(super) fn wait_for_job(&self) -> bool {
        let mut inner = self.inner.lock();
        while inner.jobs.is_empty() && !inner.closed {
            inner.thread = OwnerThread::Parked;
            inner = self.arrived.wait(inner);
        }
        inner.thread = OwnerThread::Busy;
        !inner.jobs.is_empty()
    }

    /// The owner thread could not be started: the next push tries again.
    pub(super) fn thread_failed(&self) {
        self.inner.lock().thread = OwnerThread::Absent;
    }

    /// The error for a caller who does not wait.
    pub(super) fn full(&self) -> MapError {
        MapError::Full { capacity: self.capacity }
    }
}
