//! [`Observation`]: what was counted, summed over all threads.

use super::histogram::Durations;

/// The kinds of operations that are counted apart.
///
/// ```
/// use raceguard_maps::Kind;
/// use raceguard_maps::layers::observed::Group;
///
/// assert_eq!((Kind::InsertIfAbsent.name(), Kind::InsertIfAbsent.group()), ("insert_if_absent", Group::Write));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `get`, `get_with`, `contains_key`.
    Get,
    /// `insert`, also in a batch.
    Insert,
    /// `insert_if_absent`, also in a batch.
    InsertIfAbsent,
    /// `update`.
    Update,
    /// `compute`.
    Compute,
    /// `remove`, `remove_if`, also in a batch.
    Remove,
    /// `retain`, `clear`.
    Retain,
    /// `len`, `is_empty`, `shard_lens`.
    Len,
    /// `for_each`.
    ForEach,
    /// `snapshot`.
    Snapshot,
    /// `apply`, once per batch. Its operations are counted too.
    Apply,
}

/// Operations whose durations go into one histogram.
///
/// ```
/// use raceguard_maps::Kind;
/// use raceguard_maps::layers::observed::Group;
///
/// assert_eq!(Kind::Snapshot.group(), Group::Whole);
/// let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
/// assert_eq!(names.len(), 4);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// [`Kind::Get`].
    Read,
    /// Inserting and removing.
    Write,
    /// [`Kind::Update`] and [`Kind::Compute`].
    ReadModifyWrite,
    /// What looks at all entries, and batches.
    Whole,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome {
    Hit,
    Miss,
    Error,
    Batched,
}

/// How often one kind of operation was called.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, Kind, MutexMap, Observed};
///
/// let map: Observed<MutexMap<&str, u32>> = Observed::new(MutexMap::new());
/// map.get(&"a")?;
/// let reads = map.observation().of(Kind::Get);
/// assert_eq!((reads.hits, reads.misses, reads.errors, reads.done()), (0, 1, 0, 1));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationCount {
    /// Which kind.
    pub kind: Kind,
    /// The key was there before (for batches and whole-map operations: all that did not fail).
    pub hits: u64,
    /// The key was absent before.
    pub misses: u64,
    /// It returned an error.
    pub errors: u64,
    /// It was part of a batch, so that nothing is known of the key.
    pub batched: u64,
}

/// What an [`Observed`](super::Observed) map has counted.
///
/// ```
/// use raceguard_maps::{ConcurrentMap, MutexMap, Observed};
///
/// let map = Observed::new(MutexMap::new());
/// map.insert("a", 1)?;
/// map.remove(&"a")?;
/// let seen = map.observation();
/// assert_eq!((seen.keys_created, seen.keys_removed, seen.threads), (1, 1, 1));
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observation {
    /// One for each [`Kind`], in the order of the kinds.
    pub operations: Vec<OperationCount>,
    /// One for each [`Group`], in their order. Of sampled operations only.
    pub durations: [Durations; Group::ALL.len()],
    /// Waits for locks that were not free at once, one for each operation that had to wait. All of them, not a
    /// sample. Of locks that the map's own strategy takes; what needs no lock, such as a read of `LockFreeMap`, has none.
    pub lock_waits: Durations,
    /// Keys that came into being. Those of batches are not known.
    pub keys_created: u64,
    /// Keys that went away. Those of batches are not known.
    pub keys_removed: u64,
    /// Entries in the snapshots that were taken.
    pub snapshot_entries: u64,
    /// Entries that writes copied to keep a snapshot as it was.
    pub copied_entries: u64,
    /// Threads that were seen, in sampled operations.
    pub threads: u32,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Get,
        Self::Insert,
        Self::InsertIfAbsent,
        Self::Update,
        Self::Compute,
        Self::Remove,
        Self::Retain,
        Self::Len,
        Self::ForEach,
        Self::Snapshot,
        Self::Apply,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Insert => "insert",
            Self::InsertIfAbsent => "insert_if_absent",
            Self::Update => "update",
            Self::Compute => "compute",
            Self::Remove => "remove",
            Self::Retain => "retain",
            Self::Len => "len",
            Self::ForEach => "for_each",
            Self::Snapshot => "snapshot",
            Self::Apply => "apply",
        }
    }

    /// The histogram that its durations go into.
    pub fn group(self) -> Group {
        match self {
            Self::Get => Group::Read,
            Self::Insert | Self::InsertIfAbsent | Self::Remove => Group::Write,
            Self::Update | Self::Compute => Group::ReadModifyWrite,
            Self::Retain | Self::Len | Self::ForEach | Self::Snapshot | Self::Apply => Group::Whole,
        }
    }
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::ReadModifyWrite, Self::Whole];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadModifyWrite => "read_modify_write",
            Self::Whole => "whole",
        }
    }
}

impl Outcome {
    pub(super) const COUNT: usize = 4;
}

impl OperationCount {
    /// All calls that did not fail.
    pub fn done(&self) -> u64 {
        self.hits + self.misses + self.batched
    }
}

impl Observation {
    /// The counts of one kind.
    pub fn of(&self, kind: Kind) -> OperationCount {
        let none = OperationCount { kind, hits: 0, misses: 0, errors: 0, batched: 0 };
        self.operations.iter().find(|count| count.kind == kind).copied().unwrap_or(none)
    }
}
