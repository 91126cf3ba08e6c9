//! The writer: one thread, which commits everything that waits as one transaction and then answers all of it.
//!
//! A commit costs one flush to the disk however many batches it holds, so the more senders wait the more each flush
//! carries. When a transaction fails, all that it held is refused and nothing of it is kept, in the database or here.

use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::recorder::{Recorder, Remembered};
use crate::batch::Batch;

/// Batches that may wait to be written.
const QUEUE: usize = 512;

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

struct Job {
    packed: Packed,
    answer: oneshot::Sender<Result<Receipt, StoreError>>,
}

/// Takes batches to the writing thread. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("records", &self.packed.batch.records.len()).finish_non_exhaustive()
    }
}

/// The writing thread; it ends when every [`Writer`] is gone, after it has written what they sent.
#[derive(Debug)]
pub struct WriterThread(thread::JoinHandle<()>);

impl WriterThread {
    /// Waits until all is written.
    pub fn join(self) -> thread::Result<()> {
        self.0.join()
    }
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(connection: Connection) -> (Self, WriterThread) {
        let (jobs, waiting) = mpsc::channel(QUEUE);
        let thread = thread::spawn(move || write_all(connection, waiting));
        (Self { jobs }, WriterThread(thread))
    }

    /// Writes a batch; returns when it is durable.
    ///
    /// # Errors
    ///
    /// [`StoreError::Busy`] at once when too many batches wait. After any other error nothing of the batch is kept.
    pub async fn write(&self, batch: Batch, received_ms: i64) -> Result<Receipt, StoreError> {
        let packed = tokio::task::spawn_blocking(move || Packed::new(batch, received_ms))
            .await
            .map_err(|_| StoreError::Stopping)?;
        let (answer, answered) = oneshot::channel();
        self.jobs.try_send(Job { packed, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopping,
        })?;
        answered.await.map_err(|_| StoreError::Stopping)?
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

fn write_all(mut connection: Connection, mut waiting: mpsc::Receiver<Job>) {
    let mut remembered = Remembered::default();
    while let Some(first) = waiting.blocking_recv() {
        let mut bytes = first.packed.batch.body.len();
        let mut group = vec![first];
        while bytes < GROUP_BYTES
            && let Ok(next) = waiting.try_recv()
        {
            bytes += next.packed.batch.body.len();
            group.push(next);
        }
        let receipts = write_group(&mut connection, &mut remembered, &group);
        if receipts.is_err() {
            // It may hold ids of rows that were rolled back.
            remembered = Remembered::default();
        }
        answer(group, receipts);
    }
    // Leaves no log behind that the next start would have to read.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA optimize;");
}

fn write_group(
    connection: &mut Connection,
    remembered: &mut Remembered,
    group: &[Job],
) -> Result<Vec<Receipt>, StoreError> {
    let transaction = connection.transaction()?;
    let mut recorder = Recorder::new(&transaction, remembered);
    let receipts = group.iter().map(|job| recorder.record(&job.packed)).collect::<Result<Vec<_>, _>>()?;
    recorder.finish()?;
    transaction.commit()?;
    Ok(receipts)
}

fn answer(group: Vec<Job>, receipts: Result<Vec<Receipt>, StoreError>) {
    match receipts {
        Ok(receipts) => {
            for (job, receipt) in group.into_iter().zip(receipts) {
                // A sender that went away will send again, and be told that it was received.
                let _ = job.answer.send(Ok(receipt));
            }
        }
        Err(error) => {
            let reason = error.to_string();
            for job in group {
                let _ = job.answer.send(Err(StoreError::NotWritten { reason: reason.clone() }));
            }
        }
    }
}
