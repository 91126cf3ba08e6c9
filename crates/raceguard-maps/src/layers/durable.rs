//! [`Durable`]: a write-ahead log under a map of any strategy.
//!
//! # What is promised
//!
//! - A write returns `Ok` when its record is in the log as durably as [`Sync`] says, and others see it from then on.
//!   So nobody ever sees a value that a crash could take back (durable linearizability: Izraelevitz, Mendes and Scott,
//!   2016). Reads are those of the map underneath: they take no lock of the layer.
//! - The map in memory always is what some first part of the log makes of an empty map: `snapshot` and `for_each` show
//!   nothing else. For one key, the order of the log is the order in which writers saw each other's values.
//! - Opening after a crash finds every acknowledged write, and of the others the first few in the order in which they
//!   were issued, or none. Nothing that was never issued, nothing out of order.
//! - After an error of the disk, every further write gets [`MapError::Durability`], and reads go on. A sync that failed
//!   is never tried again: the kernel may have dropped the pages and say yes the next time (Rebello et al., "Can
//!   Applications Recover from fsync Failures?", 2020). Opening copies what was not known to be durable into a new file.
//! - A write that returned an error is not visible. It may still be found by the next opening, if it reached the disk.
//!
//! # How
//!
//! `overlay` lets writers decide on values that are on their way while readers see durable ones only. `commit` is the
//! group commit: many records, one sync. `log` writes segments of reserved size, so that a sync writes no metadata.
//! `compact` replaces old segments by a snapshot. `read` opens what a crash left. All of them reach the disk through
//! [`Files`].
//!
//! # Known limits
//!
//! - Compaction of a map whose `snapshot` copies all entries holds up acknowledgements for as long as that copying
//!   takes. Maps with cheap snapshots do not have that.
//! - Damage to the group that was written last before a crash looks like a write that the crash cut off, so it is not
//!   reported. A log that was closed does not have that: its last record is followed by a mark.
//! - A closure of `update` or `compute` that takes long holds up the other writers of a 64th of the keys.
#![doc = include_str!("durable/format.md")]

mod behind;
mod codec;
mod commit;
mod compact;
mod core;
mod error;
mod files;
mod frame;
mod lock;
mod log;
mod options;
mod overlay;
mod pace;
mod read;
mod report;
mod snapshot_file;
mod write;

use std::fmt;
use std::hash::Hash;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use self::behind::{Ack, WriteBehind};
pub use self::codec::{Codec, CodecError, Native, Postcard};
pub use self::compact::Compaction;
use self::core::{Core, Status};
pub use self::error::OpenError;
pub use self::files::{DiskFiles, Files, LogFile};
use self::lock::LockFile;
pub use self::options::DurableOptions;
pub use self::report::{Damage, LogReport, SegmentReport, SnapshotReport};
use crate::error::MapError;
use crate::lifecycle::CloseReport;
use crate::map::ConcurrentMap;
use crate::raw::sync::{JoinHandle, Mutex};

/// When a write counts as durable.
///
/// ```
/// use std::time::Duration;
/// use raceguard_maps::durable::{DurableOptions, Native, Sync};
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// // Fewer writes to the disk: each acknowledgement may take a millisecond longer.
/// let map = DurableOptions::<u64, u64>::new(Native, Native)
///     .sync(Sync::Group(Duration::from_millis(1)))
///     .open(folder, MutexMap::new())?;
/// map.insert(1, 10)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// After a sync of the disk. Writers that wait at the same time share one.
    #[default]
    Always,
    /// As `Always`, but the first writer of a group waits up to this long for others to join: fewer syncs, where a sync
    /// costs more than the wait.
    Group(Duration),
    /// When the operating system has it: survives the death of the process, not that of the machine. What is lost then
    /// is the end of the log, never its middle.
    Os,
}

/// A map that outlives its process.
///
/// ```
/// use raceguard_maps::durable::Durable;
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<String, u64, _> = Durable::open(folder, MutexMap::new())?;
/// limits.insert("alice".to_owned(), 100)?; // on disk when this returns
/// limits.update("alice", |limit| *limit -= 30)?;
/// limits.close()?;
///
/// let limits: Durable<String, u64, _> = Durable::open(folder, MutexMap::new())?;
/// assert_eq!(limits.get("alice")?, Some(70));
///
/// // Writing behind: returns at once, and tells later.
/// let ack = limits.behind().insert("bob".to_owned(), 5)?;
/// assert_eq!(ack.wait()?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Durable<K, V, M> {
    core: Arc<Core<K, V, M>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Set by the first `close`. Held while it works, so that a second one waits for the first.
    closing: Mutex<Option<CloseReport>>,
    lock: Mutex<Option<LockFile>>,
    report: LogReport,
}

impl<K, V, M> Durable<K, V, M>
where
    K: Hash + Eq + Clone + Send + 'static,
    V: Clone + Send + 'static,
    M: ConcurrentMap<K, V> + Send + std::marker::Sync + 'static,
    Native: Codec<K> + Codec<V>,
{
    /// Opens the log in `folder`, or begins one there, and fills `map` from it. The folder must exist, the map must be
    /// empty. Settings are those of [`DurableOptions`].
    pub fn open(folder: impl AsRef<Path>, map: M) -> Result<Self, OpenError> {
        DurableOptions::new(Native, Native).open(folder, map)
    }
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Durable<K, V, M> {
    /// The same map, with methods that return before the write is durable. Its effect becomes visible when it is.
    pub fn behind(&self) -> WriteBehind<'_, K, V, M> {
        WriteBehind { map: self }
    }

    /// Replaces the log by a snapshot of the entries, now. Happens by itself when the log has grown, unless
    /// [`DurableOptions::compact_at`] says otherwise.
    pub fn compact(&self) -> Result<Compaction, MapError> {
        self.core.compact(0)
    }

    /// What opening found.
    pub fn report(&self) -> &LogReport {
        &self.report
    }

    fn close_once(&self) -> Result<CloseReport, MapError> {
        let mut closing = self.closing.lock();
        if let Some(report) = &*closing {
            return Ok(CloseReport { already_closed: true, ..report.clone() });
        }
        let (open, under_way, failed_before) = {
            let mut state = self.core.state.lock();
            state.closed = true;
            (state.open_batch(), state.under_way(), state.failed_records)
        };
        self.core.set_status(Status::Closed);
        if let Some(batch) = open {
            batch.full.raise();
            // Its writers get the outcome; here it only has to be over.
            let _ = batch.wait();
        }
        // A running compaction and the group that is being applied end.
        drop(self.core.compacting.lock());
        drop(self.core.log.lock());
        drop(self.core.applied.lock());
        self.end_threads();
        let finished = self.core.finish_log();
        drop(self.lock.lock().take());
        let dropped = self.core.state.lock().failed_records - failed_before;
        let inner = self.core.map.close()?;
        let count = |records: u64| usize::try_from(records).unwrap_or(usize::MAX);
        let report = CloseReport {
            drained: inner.drained + count(under_way - dropped),
            dropped: inner.dropped + count(dropped),
            ..inner
        };
        *closing = Some(report.clone());
        finished?;
        Ok(report)
    }
}

impl<K, V, M> Durable<K, V, M> {
    fn new(core: Arc<Core<K, V, M>>, report: LogReport) -> Self {
        Self {
            core,
            threads: Mutex::new(Vec::new()),
            closing: Mutex::new(None),
            lock: Mutex::new(None),
            report,
        }
    }

    fn keep_thread(
        &self,
        thread: io::Result<JoinHandle<()>>,
        refused: impl FnOnce(io::Error) -> OpenError,
    ) -> Result<(), OpenError> {
        self.threads.lock().push(thread.map_err(refused)?);
        Ok(())
    }

    fn end_threads(&self) {
        self.core.retire();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A panic of theirs was one of user code, which its caller has seen.
            let _ = thread.join();
        }
    }
}

impl<K, V, M> Drop for Durable<K, V, M> {
    fn drop(&mut self) {
        // Writes that were made behind are finished, and the log is tidy, as after `close`.
        self.end_threads();
        if self.closing.lock().is_none() {
            let _ = self.core.finish_log();
        }
    }
}

impl<K, V, M: fmt::Debug> fmt::Debug for Durable<K, V, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable")
            .field("folder", &self.core.folder)
            .field("sync", &self.core.sync)
            .field("map", &self.core.map)
            .finish_non_exhaustive()
    }
}
