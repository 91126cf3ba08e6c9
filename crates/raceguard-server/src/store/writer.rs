//! The writer: one thread, which commits everything that waits as one transaction and then answers all of it.
//!
//! A commit costs one flush to the disk however many batches it holds, so the more senders wait the more each flush
//! carries. When a transaction fails, all that it held is refused and nothing of it is kept, in the database or here.
//! Other changes (a policy, a token) run on the same thread, each in a transaction of its own, so that none waits for a lock.

use std::sync::Arc;
use std::thread;

use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::checkpoint::Log;
use super::committed::{Committed, Observer};
use super::recorder::{Recorder, Remembered};
use super::sql::Connection;
use crate::batch::Batch;

/// Batches that may wait to be written.
const QUEUE: usize = 512;

/// How often a transaction is tried that is in the way of another replica's.
const TRIES: usize = 5;

/// Bytes of lines after which a transaction takes no further batch.
const GROUP_BYTES: usize = 16 << 20;

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Records that are new and now durable.
    pub accepted: u64,
    /// Records that had been received before.
    pub duplicates: u64,
}

/// A batch whose lines are compressed already, so that the one writing thread does not have to.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) batch: Batch,
    /// All records' lines.
    pub(super) lines: Vec<u8>,
    /// Milliseconds since the Unix epoch.
    pub(super) received_ms: i64,
}

/// A batch, and whom to tell what became of it.
struct Job {
    packed: Packed,
    answer: oneshot::Sender<Result<Receipt, StoreError>>,
}

/// A change that is no batch: makes its own transaction, and tells who waits for it.
type Change = Box<dyn FnOnce(&mut (dyn Connection + 'static)) + Send>;

enum Task {
    Batch(Box<Job>),
    Change(Change),
    /// What another replica committed.
    Told(Vec<Committed>),
    /// Take nothing further; what waits already is written.
    Stop,
}

/// Takes batches to the writing thread. Cheap to clone.
#[derive(Clone)]
pub struct Writer {
    tasks: mpsc::Sender<Task>,
    observers: Arc<[Arc<dyn Observer>]>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Batch(job) => f.debug_tuple("Batch").field(&job.packed.batch.records.len()).finish(),
            Self::Change(_) => f.write_str("Change(…)"),
            Self::Told(batches) => f.debug_tuple("Told").field(&batches.len()).finish(),
            Self::Stop => f.write_str("Stop"),
        }
    }
}

/// The writing thread.
#[derive(Debug)]
pub struct WriterThread {
    thread: thread::JoinHandle<()>,
    tasks: mpsc::Sender<Task>,
}

impl WriterThread {
    /// Ends the thread once it has written what waits; later writes are refused. Blocks until then.
    pub fn stop(self) -> thread::Result<()> {
        // When it can't be told it has ended already.
        let _ = self.tasks.blocking_send(Task::Stop);
        self.thread.join()
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        connection: Box<dyn Connection>,
        log: Option<Log>,
        observers: Vec<Arc<dyn Observer>>,
        outlet: Option<Arc<dyn Observer>>,
    ) -> (Self, WriterThread) {
        let (tasks, waiting) = mpsc::channel(QUEUE);
        let told: Arc<[Arc<dyn Observer>]> = observers.into();
        let observers = Arc::clone(&told);
        let thread = thread::spawn(move || {
            let remembered = Remembered::default();
            Writing { connection, log, observers: told, outlet, remembered }.run(waiting);
        });
        (Self { tasks: tasks.clone(), observers }, WriterThread { thread, tasks })
    }

    /// Writes a batch; returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] at once when too many batches wait. After any other error nothing of the batch is kept.
    pub async fn write(&self, batch: Batch, received_ms: i64) -> Result<Receipt, StoreError> {
        let observers = Arc::clone(&self.observers);
        let packed = tokio::task::spawn_blocking(move || {
            let mut batch = batch;
            observers.iter().for_each(|observer| observer.arriving(&mut batch));
            Packed::new(batch, received_ms)
        })
        .await
        .map_err(|_| StoreError::Stopping)?;
        let (answer, answered) = oneshot::channel();
        self.tasks.try_send(Task::Batch(Box::new(Job { packed, answer }))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopping,
        })?;
        answered.await.map_err(|_| StoreError::Stopping)?
    }

    /// Makes a change in a transaction of its own; returns when it is durable, or with why nothing of it is kept.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut (dyn Connection + 'static)) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let change: Change = Box::new(move |connection| {
            // Who asked may have gone; the change holds all the same.
            let _ = answer.send(connection.transaction(change));
        });
        self.tasks.send(Task::Change(change)).await.map_err(|_| StoreError::Stopping)?;
        answered.await.map_err(|_| StoreError::Stopping)?
    }

    /// Tells the observers what another replica committed, on the writing thread, where they are told everything.
    pub(crate) async fn told(&self, batches: Vec<Committed>) {
        // A writer that has stopped has no observers left to tell.
        let _ = self.tasks.send(Task::Told(batches)).await;
    }

    /// Batches and changes that wait.
    pub fn waiting(&self) -> usize {
        self.tasks.max_capacity() - self.tasks.capacity()
    }
}

impl Packed {
    fn new(batch: Batch, received_ms: i64) -> Self {
        let lines = compress(batch.records.iter().map(|record| &batch.body[record.line.clone()]));
        Self { batch, lines, received_ms }
    }
}

/// The lines, a newline behind each, compressed.
pub(super) fn compress<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut text = Vec::new();
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    zstd::bulk::compress(&text, 1).unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"))
}

/// What the writing thread works with.
struct Writing {
    connection: Box<dyn Connection>,
    /// Where the database has one that somebody has to look after.
    log: Option<Log>,
    observers: Arc<[Arc<dyn Observer>]>,
    /// Is told what this process committed, and nothing else.
    outlet: Option<Arc<dyn Observer>>,
    remembered: Remembered,
}

impl Writing {
    fn run(mut self, mut waiting: mpsc::Receiver<Task>) {
        while let Some(first) = waiting.blocking_recv() {
            let mut next = Some(first);
            while let Some(task) = next.take() {
                match task {
                    Task::Change(change) => change(&mut *self.connection),
                    Task::Told(batches) => self.observers.iter().for_each(|live| live.committed(&batches)),
                    Task::Stop => waiting.close(),
                    Task::Batch(job) => next = self.write_with_followers(*job, &mut waiting),
                }
                if let Some(log) = &self.log {
                    log.grew(&mut *self.connection);
                }
            }
        }
        if let Some(log) = self.log {
            log.end(&mut *self.connection);
        }
    }

    /// Writes the batch together with those that wait right behind it; gives what ended their row.
    fn write_with_followers(&mut self, first: Job, waiting: &mut mpsc::Receiver<Task>) -> Option<Task> {
        let mut bytes = first.packed.batch.body.len();
        let mut group = vec![first];
        let mut other = None;
        while bytes < GROUP_BYTES {
            match waiting.try_recv() {
                Ok(Task::Batch(next)) => {
                    bytes += next.packed.batch.body.len();
                    group.push(*next);
                }
                Ok(next) => {
                    other = Some(next);
                    break;
                }
                Err(_) => break,
            }
        }
        let mut committed = self.write_group(&group);
        for _ in 1..TRIES {
            let Err(StoreError::Conflict(_)) = committed else { break };
            committed = self.write_group(&group);
        }
        if let Ok(batches) = &committed {
            self.observers.iter().chain(&self.outlet).for_each(|observer| observer.committed(batches));
        }
        answer(group, committed);
        other
    }

    fn write_group(&mut self, group: &[Job]) -> Result<Vec<Committed>, StoreError> {
        let remembered = &mut self.remembered;
        let written = self.connection.transaction(|connection| {
            let batches: Vec<_> = group.iter().map(|job| &job.packed).collect();
            Recorder::new(connection, remembered).record(&batches)
        });
        if written.is_err() {
            // It may hold ids of rows that were rolled back.
            self.remembered = Remembered::default();
        }
        written
    }
}

fn answer(group: Vec<Job>, committed: Result<Vec<Committed>, StoreError>) {
    match committed {
        Ok(batches) => {
            for (job, batch) in group.into_iter().zip(batches) {
                let receipt = Receipt { accepted: batch.accepted, duplicates: batch.duplicates };
                // A sender that went away will send again, and be told that it was received.
                let _ = job.answer.send(Ok(receipt));
            }
        }
        Err(error) => {
            for job in group {
                let _ = job.answer.send(Err(for_one(&error)));
            }
        }
    }
}

/// What each batch of a group that failed is told.
fn for_one(error: &StoreError) -> StoreError {
    match error {
        StoreError::Unreachable(reason) => StoreError::Unreachable(reason.clone()),
        StoreError::Conflict(reason) => StoreError::Conflict(reason.clone()),
        error => StoreError::NotWritten { reason: error.to_string() },
    }
}
