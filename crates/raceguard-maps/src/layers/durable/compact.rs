//! Compaction: a snapshot of the map in memory replaces the records that made it.
//!
//! The map in memory always is what the records up to `applied` make of an empty one. So compaction starts a new
//! segment, stops the applying for as long as it takes to get a snapshot of the map, writes that to a file while
//! writers go on, and removes the older segments once the file and its name are durable. A crash at any point leaves
//! either the old snapshot with all segments, or the new one with at least those it needs.

use std::hash::Hash;

use super::core::Core;
use super::error::Failure;
use super::log::snapshot_name;
use super::read::other_snapshots;
use super::snapshot_file;
use crate::error::MapError;
use crate::map::ConcurrentMap;
use crate::raw::sync::atomic::Ordering;
use crate::snapshot::MapSnapshot;

/// More segments than this are compacted, however small they are: each opening adds one.
pub(super) const MOST_SEGMENTS: usize = 64;

/// What a compaction did.
///
/// ```
/// use raceguard_maps::durable::Durable;
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// for turn in 0..10 {
///     limits.insert(1, turn)?;
/// }
/// let done = limits.compact()?;
/// assert_eq!((done.entries, done.sequence), (1, 10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// The snapshot holds the effect of all records up to this one.
    pub sequence: u64,
    /// How many entries it holds.
    pub entries: usize,
    /// Size of its file.
    pub bytes: u64,
    /// How many segments it replaced.
    pub segments: usize,
}

impl<K: Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Core<K, V, M> {
    /// Compacts now. A failure to write the snapshot leaves the log as it was, and the map writable.
    pub(super) fn compact(&self, least: u64) -> Result<Compaction, MapError> {
        let _one = self.compacting.lock();
        let (sequence, snapshot, old) = self.begin_compaction()?;
        let snapshot = snapshot?;
        let size =
            snapshot_file::write(&*self.files, &self.identity, sequence, &self.encoder(), snapshot.iter())
                .map_err(|error| {
                    Failure::new("writing", self.folder.join(snapshot_name(sequence)), &error)
                })?;
        let removed = self.remove_old(sequence, old);
        // ORDERING: Relaxed: a threshold, nothing is published by it.
        self.compact_at.store(least.max(size.saturating_mul(2)), Ordering::Relaxed);
        removed.map_err(|error| Failure::new("removing old files of", self.folder.clone(), &error))?;
        Ok(Compaction { sequence, entries: snapshot.len(), bytes: size, segments: old })
    }

    /// Starts a new segment and takes the snapshot of exactly the records before it. Returns how many segments the
    /// snapshot will replace.
    #[expect(clippy::type_complexity, reason = "three results of one critical section")]
    fn begin_compaction(&self) -> Result<(u64, Result<M::Snapshot, MapError>, usize), MapError> {
        let mut log = self.log.lock();
        self.state.lock().refuse()?;
        // No leader writes now, and those that wrote have `applied` or have let go of it: it is the last record.
        let applied = self.applied.lock();
        let sequence = *applied;
        if log.has_frames() {
            let prepared = log.prepare(sequence + 1, 0)?;
            log.rotate(prepared).inspect_err(|failure| self.fail(failure))?;
        }
        let old = log.extent().0 - 1;
        drop(log);
        let snapshot = self.map.snapshot();
        drop(applied);
        Ok((sequence, snapshot, old))
    }

    /// Removes what the durable snapshot replaced.
    fn remove_old(&self, sequence: u64, segments: usize) -> std::io::Result<()> {
        let names = self.log.lock().drop_oldest(segments);
        for name in names.into_iter().chain(other_snapshots(&*self.files, sequence)?) {
            self.files.remove(&name)?;
        }
        Ok(())
    }

    /// The thread that compacts when the log has grown.
    pub(super) fn run_compactor(&self, least: u64) {
        loop {
            self.compactor.wait();
            self.compactor.clear();
            if self.is_retiring() {
                return;
            }
            if self.compact(least).is_err() {
                // A full disk, mostly. Trying again at every write would make that worse: wait until the log doubled.
                let bytes = self.log.lock().extent().1;
                // ORDERING: Relaxed: a threshold, nothing is published by it.
                self.compact_at.store(bytes.saturating_mul(2).max(least), Ordering::Relaxed);
            }
        }
    }
}
