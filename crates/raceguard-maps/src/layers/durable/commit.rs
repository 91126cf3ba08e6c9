//! Group commit: records join an open group, and the first to join writes the group, syncs it and applies it.
//!
//! Three locks, always taken in this order and never waited for by who holds a later one:
//!
//! 1. a stripe: held while a writer decides, encodes and joins. It makes "decide, then join" one step per key, so that
//!    for one key the order of the log is the order of the decisions.
//! 2. `state`: held for the copying of one frame.
//! 3. `log`, then `applied`: held by the leader of a group. It takes `applied` before it lets go of `log`, so that
//!    groups are applied in the order in which they were written, while the next group is being written.
//!
//! A leader takes `state` while it holds `log`; nobody who holds `state` waits for anything. So there is no cycle.
//!
//! Followers sleep on the event of their own group: finishing a group wakes exactly them, and they take no lock on
//! waking. A lone writer finds no group, no leader and no sleeper, and does everything on its own thread.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::MapError;
use crate::map::{ConcurrentMap, Operation};
use crate::raw::event::Event;
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicUsize, Ordering};

use super::Sync;
use super::core::{Core, Status};
use super::error::Failure;
use super::frame::{payload_sum, write_frame};

/// A group this large is not waited for any longer.
const FULL: usize = if cfg!(raceguard_stress) { 256 } else { 1 << 20 };

/// New records wait while the open group is larger than this.
const TOO_FULL: usize = if cfg!(raceguard_stress) { 1024 } else { 16 << 20 };

/// What the writers of one group share.
#[derive(Debug, Default)]
pub(super) struct Batch {
    done: Event,
    /// Raised when the group is so large that its leader need not wait for more.
    pub(super) full: Event,
    /// How many records are in the group.
    joined: AtomicUsize,
    outcome: OnceLock<Result<(), Failure>>,
    /// What user code threw while the record with this sequence number was applied.
    panics: Mutex<Vec<(u64, Box<dyn Any + Send>)>>,
}

impl Batch {
    pub(super) fn is_done(&self) -> bool {
        self.done.is_raised()
    }

    /// Sleeps until the group is durable and applied, or failed.
    pub(super) fn wait(&self) -> Result<(), MapError> {
        self.done.wait();
        match self.outcome.get().expect("set before the event") {
            Ok(()) => Ok(()),
            Err(failure) => Err(failure.clone().into()),
        }
    }

    /// As `wait`, for some time only; whether the group is over.
    pub(super) fn wait_timeout(&self, timeout: Duration) -> bool {
        self.done.wait_timeout(timeout)
    }

    /// What user code threw when this record was applied.
    pub(super) fn panic_of(&self, sequence: u64) -> Option<Box<dyn Any + Send>> {
        let mut panics = self.panics.lock();
        let index = panics.iter().position(|(of, _)| *of == sequence)?;
        Some(panics.swap_remove(index).1)
    }

    fn finish(&self, outcome: Result<(), Failure>) {
        // Only the leader finishes, once; its guard does so after a panic, if it had not yet.
        if self.outcome.set(outcome).is_ok() {
            self.done.raise();
        }
    }
}

/// The operations of one record.
#[derive(Debug)]
pub(super) enum Record<K, V> {
    One(Operation<K, V>),
    Many(Vec<Operation<K, V>>),
}

/// The hashes of the keys of one record.
#[derive(Debug)]
pub(super) enum Hashes {
    One(u64),
    Many(Vec<u64>),
}

impl Hashes {
    pub(super) fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(hash) => std::slice::from_ref(hash),
            Self::Many(hashes) => hashes,
        }
    }
}

/// A record in a group.
#[derive(Debug)]
struct Logged<K, V> {
    sequence: u64,
    hashes: Hashes,
    /// Taken out when it is applied.
    record: Option<Record<K, V>>,
    /// Whether its writer has gone, so that the leader has to clean up after it.
    behind: bool,
}

/// The frames of a group, and what they do.
#[derive(Debug)]
struct Buffers<K, V> {
    bytes: Vec<u8>,
    records: Vec<Logged<K, V>>,
}

impl<K, V> Default for Buffers<K, V> {
    fn default() -> Self {
        Self { bytes: Vec::new(), records: Vec::new() }
    }
}

/// The group that records join.
#[derive(Debug)]
struct Group<K, V> {
    buffers: Buffers<K, V>,
    first_sequence: u64,
    batch: Arc<Batch>,
}

impl<K, V> Group<K, V> {
    fn new(buffers: Buffers<K, V>) -> Self {
        Self { buffers, first_sequence: 0, batch: Arc::default() }
    }
}

/// What the lock `state` guards.
#[derive(Debug)]
pub(super) struct State<K, V> {
    group: Group<K, V>,
    /// Buffers of an earlier group.
    spare: Buffers<K, V>,
    pub(super) next_sequence: u64,
    /// All records up to this one are durable. Behind the truth where the log syncs: see `join`.
    durable: u64,
    /// How many records a leader has finished with, and how many of those it could not write.
    finished: u64,
    pub(super) failed_records: u64,
    pub(super) failure: Option<Failure>,
    pub(super) closed: bool,
}

impl<K, V> State<K, V> {
    pub(super) fn new(next_sequence: u64, durable: u64) -> Self {
        Self {
            group: Group::new(Buffers::default()),
            spare: Buffers::default(),
            next_sequence,
            durable,
            finished: next_sequence - 1,
            failed_records: 0,
            failure: None,
            closed: false,
        }
    }

    pub(super) fn refuse(&self) -> Result<(), MapError> {
        if self.closed {
            return Err(MapError::Closed);
        }
        self.failure.clone().map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// How many records are on their way.
    pub(super) fn under_way(&self) -> u64 {
        self.next_sequence - 1 - self.finished
    }

    /// The open group, if any record has joined it.
    pub(super) fn open_batch(&self) -> Option<Arc<Batch>> {
        (!self.group.buffers.records.is_empty()).then(|| Arc::clone(&self.group.batch))
    }

    /// The open group, if the writer of its first record has gone.
    pub(super) fn leaderless(&self) -> Option<Arc<Batch>> {
        let first = self.group.buffers.records.first()?;
        first.behind.then(|| Arc::clone(&self.group.batch))
    }

    fn too_full(&self) -> Option<Arc<Batch>> {
        (self.group.buffers.bytes.len() >= TOO_FULL).then(|| Arc::clone(&self.group.batch))
    }
}

/// The place of one record.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) batch: Arc<Batch>,
    pub(super) sequence: u64,
    /// Whether its writer has to lead the group.
    pub(super) leads: bool,
}

impl<K, V, M> Core<K, V, M> {
    /// Waits while so much is on its way that memory would fill up. To be called without a stripe: the leader that
    /// makes room may need one.
    pub(super) fn wait_for_room(&self) -> Result<(), MapError> {
        loop {
            let full = {
                let state = self.state.lock();
                state.refuse()?;
                state.too_full()
            };
            match full {
                Some(batch) => batch.wait()?,
                None => return Ok(()),
            }
        }
    }

    /// Refuses all writes from now on.
    pub(super) fn fail(&self, failure: &Failure) {
        self.state.lock().failure.get_or_insert_with(|| failure.clone());
        self.set_status(Status::Failed);
    }

    /// Marks the end of a log that is complete, and gives back what it had reserved. With nobody writing any more.
    pub(super) fn finish_log(&self) -> Result<(), Failure> {
        let mut log = self.log.lock();
        let (sequence, failed) = {
            let state = self.state.lock();
            (state.next_sequence, state.failure.is_some())
        };
        if failed {
            // What is in the file is unknown: opening will find out.
            return Ok(());
        }
        let mut mark = Vec::new();
        if !self.syncs() {
            log.sync()?;
        }
        write_frame(&mut mark, sequence, sequence - 1, &[], payload_sum(self.salt, &[]), self.salt);
        log.append(&mark, sequence).and_then(|()| log.finish())
    }

    /// Adds a record to the open group.
    pub(super) fn join(
        &self,
        payload: &[u8],
        (hashes, record): (Hashes, Record<K, V>),
        behind: bool,
    ) -> Result<Ticket, MapError> {
        let sum = payload_sum(self.salt, payload);
        let mut state = self.state.lock();
        state.refuse()?;
        let sequence = state.next_sequence;
        state.next_sequence += 1;
        let known = state.durable;
        let group = &mut state.group;
        let first = group.buffers.records.is_empty();
        if first {
            group.first_sequence = sequence;
        }
        // Where each group is synced before the next is written, all before this group will be durable by then.
        let durable = if self.syncs() { group.first_sequence - 1 } else { known };
        write_frame(&mut group.buffers.bytes, sequence, durable, payload, sum, self.salt);
        group.buffers.records.push(Logged { sequence, hashes, record: Some(record), behind });
        // ORDERING: Relaxed: a count to wait by; what it counts is guarded by the lock.
        group.batch.joined.store(group.buffers.records.len(), Ordering::Relaxed);
        if group.buffers.bytes.len() >= FULL {
            group.batch.full.raise();
        }
        let batch = Arc::clone(&group.batch);
        drop(state);
        if first && behind {
            self.flusher.raise();
        }
        Ok(Ticket { batch, sequence, leads: first && !behind })
    }
}

impl<K: std::hash::Hash + Eq + Clone, V: Clone, M: ConcurrentMap<K, V>> Core<K, V, M> {
    /// Writes, applies and finishes the open group. To be called once for each group.
    pub(super) fn lead(&self, batch: &Arc<Batch>) {
        let guard = Unfinished { core: self, batch };
        if let Sync::Group(delay) = self.sync {
            batch.full.wait_timeout(delay);
        }
        let (mut log, contended) = match self.log.try_lock() {
            Some(log) => (log, false),
            None => (self.log.lock(), true),
        };
        if self.sync == Sync::Always {
            // ORDERING: Relaxed: see `join`.
            log.pace.gather(contended, || batch.joined.load(Ordering::Relaxed));
        }
        let start = Instant::now();
        let (mut group, failure) = self.take_group();
        let last = group.first_sequence + group.buffers.records.len() as u64 - 1;
        let written = match failure {
            Some(failure) => Err(failure),
            None => log.append(&group.buffers.bytes, group.first_sequence),
        };
        if let Err(failure) = &written {
            // Before the next leader gets the log, so that it does not write behind a hole.
            self.fail(failure);
        }
        let durable = if self.syncs() { last } else { log.durable() };
        log.pace.note(group.buffers.records.len(), start.elapsed());
        self.note_extent(log.extent());
        let mut applied = self.applied.lock();
        drop(log);
        let outcome = written.and_then(|()| {
            *applied = last;
            self.apply_group(&mut group)
        });
        drop(applied);
        self.finish_group(batch, &group, durable, outcome);
        drop(guard);
        self.clean_up_behind(&group);
        self.recycle(group);
    }

    fn take_group(&self) -> (Group<K, V>, Option<Failure>) {
        let mut state = self.state.lock();
        let spare = std::mem::take(&mut state.spare);
        let group = std::mem::replace(&mut state.group, Group::new(spare));
        (group, state.failure.clone())
    }

    /// Applies the records to the map in memory, in order.
    fn apply_group(&self, group: &mut Group<K, V>) -> Result<(), Failure> {
        for logged in &mut group.buffers.records {
            let Some(record) = logged.record.take() else { continue };
            match catch_unwind(AssertUnwindSafe(|| self.apply_record(record))) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(self.fell_behind(&error)),
                Err(panic) => {
                    group.batch.panics.lock().push((logged.sequence, panic));
                    self.apply_again(logged)?;
                }
            }
        }
        Ok(())
    }

    fn apply_record(&self, record: Record<K, V>) -> Result<(), MapError> {
        match record {
            Record::One(Operation::Insert(key, value)) => self.map.insert(key, value).map(drop),
            Record::One(Operation::InsertIfAbsent(key, value)) => {
                self.map.insert_if_absent(key, value).map(drop)
            }
            Record::One(Operation::Remove(key)) => self.map.remove(&key).map(drop),
            Record::Many(operations) => self.map.apply(operations).map(drop),
        }
    }

    /// User code panicked while a record was applied, which is durable already. The map in memory must not lack it:
    /// its keys and values are in the overlay still, unless a later record replaced them, which then will be applied.
    fn apply_again(&self, logged: &Logged<K, V>) -> Result<(), Failure> {
        let attempt = || -> Result<(), MapError> {
            for hash in logged.hashes.as_slice() {
                for operation in self.pending_operations(*hash, logged.sequence) {
                    self.apply_record(Record::One(operation))?;
                }
            }
            Ok(())
        };
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(self.fell_behind(&error)),
            Err(_) => Err(self.fell_behind("user code panicked again and again")),
        }
    }

    /// The log holds what the map in memory lacks: only reading the log again can mend that.
    fn fell_behind(&self, cause: &(impl ToString + ?Sized)) -> Failure {
        Failure::new("applying what is in", self.folder.clone(), cause)
    }

    fn finish_group(&self, batch: &Batch, group: &Group<K, V>, durable: u64, outcome: Result<(), Failure>) {
        let count = group.buffers.records.len() as u64;
        {
            let mut state = self.state.lock();
            state.durable = state.durable.max(durable);
            state.finished += count;
            state.failed_records += if outcome.is_err() { count } else { 0 };
        }
        if let Err(failure) = &outcome {
            self.fail(failure);
        }
        batch.finish(outcome);
    }

    /// Takes the records of writers that did not wait out of the overlay. After finishing: nobody waits for it.
    fn clean_up_behind(&self, group: &Group<K, V>) {
        for logged in group.buffers.records.iter().filter(|logged| logged.behind) {
            for hash in logged.hashes.as_slice() {
                self.forget_pending(*hash, logged.sequence);
            }
        }
    }

    fn recycle(&self, group: Group<K, V>) {
        let mut buffers = group.buffers;
        buffers.bytes.clear();
        buffers.records.clear();
        if buffers.bytes.capacity() <= 2 * FULL {
            self.state.lock().spare = buffers;
        }
    }
}

/// Fails a group whose leader panicked, so that its followers do not sleep for ever.
struct Unfinished<'a, K, V, M> {
    core: &'a Core<K, V, M>,
    batch: &'a Batch,
}

impl<K, V, M> Drop for Unfinished<'_, K, V, M> {
    fn drop(&mut self) {
        if !self.batch.is_done() {
            let failure = Failure::new("writing", self.core.folder.clone(), "the file layer panicked");
            self.core.fail(&failure);
            self.batch.finish(Err(failure));
        }
    }
}
