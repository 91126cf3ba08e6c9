//! What waits to be sent, on the disk.
//!
//! Entries are appended to segments, files of a few megabytes; an entry counts once it was flushed to the disk. A segment is
//! removed when the server has all of it. When there is no room for an entry, this goes, in this order:
//!
//! 1. profiles and goroutine dumps, the oldest first;
//! 2. those of the entry itself;
//! 3. then nothing more is taken: files wait to be read.
//!
//! What was dropped leaves its numbers behind, so that it is counted once.

mod segment;

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use raceguard_server::origin::Origin;

use super::entry::{Class, Entry, Part};
use super::error::AgentError;
use super::position::FilePosition;
use super::state::{Counts, State};
use segment::Segment;

/// How often positions that came with no records are kept.
const SAVE_EVERY: Duration = Duration::from_secs(2);

/// Lines that are to be spooled, of one stream.
#[derive(Debug)]
pub struct Lines {
    /// The stream and the number of the first line; `None` for this agent's own stream of the origin.
    pub place: Option<(String, u64)>,
    /// How much it hurts to lose them.
    pub class: Class,
    /// The program they are from.
    pub origin: Origin,
    /// The lines, each with its newline.
    pub text: Vec<u8>,
}

/// One step: lines, and how far files were read to get them.
#[derive(Debug, Default)]
pub struct Step {
    /// The lines.
    pub lines: Vec<Lines>,
    /// How far files were read; `None` for those that are gone.
    pub files: BTreeMap<String, Option<FilePosition>>,
    /// Bytes of files that vanished before they were read.
    pub unread_bytes: u64,
}

/// The spool and the state beside it.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    limit: u64,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Keeps other agents away.
    _lock: File,
}

#[derive(Debug)]
struct Inner {
    state: State,
    segments: VecDeque<Segment>,
    next_segment: u64,
    /// When the state was saved last, and up to which entry it said that all was sent.
    saved: Instant,
    saved_sent: u64,
    dirty: bool,
}

/// How full the spool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Entries that wait.
    pub entries: u64,
    /// Bytes on the disk.
    pub bytes: u64,
}

impl Spool {
    /// Opens the spool in a folder, and makes both if they are not there.
    pub fn open(folder: &Path, limit: u64) -> Result<Self, AgentError> {
        let refused = |source| AgentError::Folder { folder: folder.to_owned(), source };
        let segments_folder = folder.join("spool");
        fs::create_dir_all(&segments_folder).map_err(refused)?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(refused)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(AgentError::InUse { folder: folder.to_owned() }),
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let mut state = State::load(folder)?;
        let damaged_before = state.counts.damaged;
        let (mut segments, mut next_segment) = (VecDeque::new(), 1);
        for number in segment::numbers(&segments_folder).map_err(refused)? {
            next_segment = number + 1;
            let (segment, entries, damaged) = Segment::recover(&segments_folder, number, state.applied)?;
            state.counts.damaged += damaged;
            for entry in &entries {
                state.apply(entry);
            }
            segments.push_back(segment);
        }
        if state.counts.damaged > damaged_before {
            // Numbers of records that were lost may have been sent; they must not name others.
            state.rename()?;
        }
        state.sent = state.sent.min(state.applied);
        state.save(folder)?;
        let (saved, saved_sent) = (Instant::now(), state.sent);
        let mut inner = Inner { state, segments, next_segment, saved, saved_sent, dirty: false };
        inner.remove_sent();
        let inner = Mutex::new(inner);
        Ok(Self { folder: folder.to_owned(), limit, inner, changed: Condvar::new(), _lock: lock })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered.
    pub fn state(&self) -> State {
        self.inner().state.clone()
    }

    /// A number for a source that no other has.
    pub fn new_source(&self) -> u64 {
        let mut inner = self.inner();
        inner.state.next_source += 1;
        inner.state.next_source - 1
    }

    /// How full it is.
    pub fn fill(&self) -> Fill {
        let inner = self.inner();
        Fill { entries: inner.state.applied - inner.state.sent, bytes: inner.bytes() }
    }

    /// Takes a step; it is durable when this returns. After an error nothing of it counts.
    pub fn append(&self, step: Step) -> Result<(), AgentError> {
        let mut inner = self.inner();
        let unread = step.unread_bytes;
        if step.lines.is_empty() {
            // A file that is new must be known at once: it may be renamed before it is seen again.
            let is_new = step.files.keys().any(|key| !inner.state.files.contains_key(key));
            inner.state.place(&step.files);
            inner.state.counts.unread_bytes += unread;
            inner.dirty |= !step.files.is_empty();
            let is_due = is_new || inner.dirty && inner.saved.elapsed() > SAVE_EVERY;
            return if is_due { inner.save(&self.folder) } else { Ok(()) };
        }
        let mut entry = inner.entry(step);
        let mut frame = entry.frame();
        inner.make_room(&self.folder, frame.len() as u64, self.limit)?;
        if inner.bytes() + frame.len() as u64 > self.limit && entry.has_bulk() {
            entry.drop_bulk();
            frame = entry.frame();
        }
        // One that is larger than the limit by itself would never fit: it is taken when nothing else waits.
        if inner.bytes() > 0 && inner.bytes() + frame.len() as u64 > self.limit {
            return Err(AgentError::Full { limit: self.limit });
        }
        let most = (self.limit / 8).clamp(64 << 10, 4 << 20);
        inner.active(&self.folder, most)?.append(&entry, &frame)?;
        inner.state.counts.unread_bytes += unread;
        inner.state.apply(&entry);
        drop(inner);
        self.changed.notify_all();
        Ok(())
    }

    /// The entries that come next to be sent, of about `bytes` bytes of text. Waits for one, at most for `wait`.
    pub fn next(&self, bytes: usize, wait: Duration) -> Result<Vec<Entry>, AgentError> {
        let inner = self.inner();
        let nothing = |inner: &mut Inner| inner.state.applied == inner.state.sent;
        let (mut inner, _) =
            self.changed.wait_timeout_while(inner, wait, nothing).unwrap_or_else(PoisonError::into_inner);
        let after = inner.state.sent;
        let (mut entries, mut size) = (Vec::new(), 0);
        for segment in inner.segments.iter_mut().filter(|segment| segment.last() > after) {
            segment.read_after(after, bytes, &mut size, &mut entries)?;
            if size >= bytes {
                break;
            }
        }
        if entries.is_empty() && inner.state.applied > after {
            // What should be there can't be read any more.
            inner.state.counts.damaged += 1;
            inner.state.sent = inner.state.applied;
        }
        Ok(entries)
    }

    /// Notes that the server has, or will never take, everything up to entry `number`.
    pub fn acknowledge(&self, number: u64, what: Counts) -> Result<(), AgentError> {
        let mut inner = self.inner();
        let counts = &mut inner.state.counts;
        counts.accepted += what.accepted;
        counts.duplicates += what.duplicates;
        counts.dead += what.dead;
        counts.dropped += what.dropped;
        inner.state.sent = number;
        inner.dirty = true;
        let is_done = inner.segments.front().is_some_and(|segment| segment.last() <= number);
        if (is_done && inner.segments.len() > 1) || inner.saved.elapsed() > SAVE_EVERY {
            inner.save(&self.folder)?;
        }
        Ok(())
    }

    /// Counts records that found no room.
    pub fn count_dropped(&self, records: u64) {
        let mut inner = self.inner();
        inner.state.counts.dropped += records;
        inner.dirty = true;
    }

    /// Keeps what is only in memory.
    pub fn save(&self) -> Result<(), AgentError> {
        self.inner().save(&self.folder)
    }

    /// Wakes who waits in [`next`](Self::next).
    pub fn wake(&self) {
        self.changed.notify_all();
    }
}

impl Inner {
    fn bytes(&self) -> u64 {
        self.segments.iter().map(Segment::bytes).sum()
    }

    fn entry(&self, step: Step) -> Entry {
        let mut next = self.state.streams.clone();
        let mut parts = Vec::new();
        for lines in step.lines {
            let (stream, first) = lines.place.unwrap_or_else(|| {
                let stream = own_stream(&self.state.agent, &lines.origin);
                let first = next.get(&stream).copied().unwrap_or_default();
                (stream, first)
            });
            let part = Part::new(stream, first, lines.class, lines.origin, &lines.text);
            next.insert(part.stream.clone(), part.first + part.lines);
            parts.push(part);
        }
        Entry {
            number: self.state.applied + 1,
            parts,
            files: step.files,
            next_source: self.state.next_source,
        }
    }

    /// Drops what may be dropped, the oldest first, until `needed` bytes fit.
    fn make_room(&mut self, folder: &Path, needed: u64, limit: u64) -> Result<(), AgentError> {
        if self.bytes() + needed > limit {
            self.save(folder)?;
        }
        while self.bytes() + needed > limit {
            let Some(segment) = self.segments.iter_mut().find(|segment| segment.has_bulk()) else { break };
            segment.drop_bulk()?;
        }
        Ok(())
    }

    /// The segment that is appended to.
    fn active(&mut self, folder: &Path, most: u64) -> Result<&mut Segment, AgentError> {
        if self.segments.back().is_none_or(|last| last.bytes() >= most || last.is_sealed()) {
            let segment = Segment::create(&folder.join("spool"), self.next_segment)?;
            self.next_segment += 1;
            self.segments.push_back(segment);
        }
        Ok(self.segments.back_mut().unwrap_or_else(|| unreachable!("one was just added")))
    }

    /// Writes the state; segments that it makes superfluous go.
    fn save(&mut self, folder: &Path) -> Result<(), AgentError> {
        self.state.save(folder)?;
        (self.saved, self.saved_sent, self.dirty) = (Instant::now(), self.state.sent, false);
        self.remove_sent();
        Ok(())
    }

    /// Removes segments of which all was sent, as the saved state says too.
    fn remove_sent(&mut self) {
        while let Some(first) = self.segments.front()
            && first.last() <= self.saved_sent
        {
            first.remove();
            self.segments.pop_front();
        }
    }
}

/// The name of this agent's stream of an origin.
fn own_stream(agent: &str, origin: &Origin) -> String {
    let names = [&origin.service, &origin.version, &origin.instance, &origin.environment];
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_bytes());
        hasher.update(&[0]);
    }
    let service: String = origin.service.chars().take(60).collect();
    format!("{agent}/{}/{service}", &hasher.finalize().to_hex()[..12])
}

#[cfg(test)]
mod tests;
