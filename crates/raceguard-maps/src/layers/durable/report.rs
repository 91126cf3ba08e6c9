//! [`LogReport`]: what was found in the folder of a log.

use std::fmt;
use std::path::PathBuf;

/// What reading a log found.
///
/// ```
/// use raceguard_maps::durable::{Durable, DurableOptions, Native};
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// limits.insert(1, 10)?;
/// limits.close()?;
///
/// // Reads a log without changing it, also one that is damaged.
/// let found = MutexMap::new();
/// let report = DurableOptions::<u64, u64>::new(Native, Native).inspect(folder, &found)?;
/// assert_eq!((report.damage.is_none(), found.get(&1)?), (true, Some(10)));
/// println!("{report}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogReport {
    /// The folder.
    pub folder: PathBuf,
    /// The snapshot that reading began with.
    pub snapshot: Option<SnapshotReport>,
    /// The segments, in order.
    pub segments: Vec<SegmentReport>,
    /// Sequence number of the last record that was read; 0 when there was none.
    pub last_sequence: u64,
    /// A write that a crash cut off: it was never acknowledged, so nothing is lost.
    pub torn_tail: Option<Damage>,
    /// Damage to what had been acknowledged. Reading ended there.
    pub damage: Option<Damage>,
}

/// The snapshot that reading began with.
///
/// ```
/// use raceguard_maps::durable::Durable;
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// limits.insert(1, 10)?;
/// limits.compact()?;
/// limits.close()?;
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// let snapshot = limits.report().snapshot.as_ref().expect("the compaction made one");
/// assert_eq!((snapshot.entries, snapshot.sequence), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotReport {
    /// Its file.
    pub file: String,
    /// It holds the effect of all records up to this one.
    pub sequence: u64,
    /// How many entries it holds.
    pub entries: u64,
}

/// One segment of a log.
///
/// ```
/// use raceguard_maps::durable::Durable;
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// limits.insert(1, 10)?;
/// limits.close()?;
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// let records: u64 = limits.report().segments.iter().map(|segment| segment.records).sum();
/// assert_eq!(records, 2); // the insertion, and the end by `close`
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// Its file.
    pub file: String,
    /// Sequence number of its first record.
    pub first_sequence: u64,
    /// How many of its records were read.
    pub records: u64,
    /// How many of its bytes those and its header are.
    pub bytes: u64,
}

/// Where a file stops making sense.
///
/// ```
/// use raceguard_maps::durable::{Durable, DurableOptions, Native, OpenError};
/// use raceguard_maps::{ConcurrentMap, MutexMap};
///
/// # let home = tempfile::tempdir()?;
/// # let folder = home.path();
/// let limits: Durable<u64, u64, _> = Durable::open(folder, MutexMap::new())?;
/// for key in 0..100 {
///     limits.insert(key, key)?;
/// }
/// limits.close()?;
///
/// // One bit in the middle of the log turns over.
/// let report = DurableOptions::<u64, u64>::new(Native, Native).inspect(folder, &MutexMap::new())?;
/// let path = folder.join(&report.segments[0].file);
/// let mut bytes = std::fs::read(&path)?;
/// bytes[usize::try_from(report.segments[0].bytes)? / 2] ^= 1;
/// std::fs::write(&path, bytes)?;
///
/// let refused = Durable::<u64, u64, _>::open(folder, MutexMap::new());
/// let Err(OpenError::Damaged(report)) = refused else { panic!("it is damaged") };
/// let damage = report.damage.expect("the report says where");
/// assert!(damage.records_behind > 40, "{damage}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// From this byte on.
    pub offset: u64,
    /// The record that was expected there; 0 in a snapshot.
    pub sequence: u64,
    /// What is wrong.
    pub reason: String,
    /// How many bytes follow in this file and in later ones.
    pub bytes_behind: u64,
    /// How many intact records are among those.
    pub records_behind: u64,
}

impl fmt::Display for LogReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log {}: ", self.folder.display())?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, "{} entries from {}, ", snapshot.entries, snapshot.file)?;
        }
        let records: u64 = self.segments.iter().map(|segment| segment.records).sum();
        write!(
            f,
            "{records} records from {} segments, the last is number {}",
            self.segments.len(),
            self.last_sequence
        )?;
        if let Some(tail) = &self.torn_tail {
            write!(f, "; an unacknowledged write was cut off at {tail}")?;
        }
        if let Some(damage) = &self.damage {
            write!(f, "; acknowledged records are damaged at {damage}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} byte {}: {} where record {} was expected, {} bytes with {} intact records behind it",
            self.file, self.offset, self.reason, self.sequence, self.bytes_behind, self.records_behind
        )
    }
}
