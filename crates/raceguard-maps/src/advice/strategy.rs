//! [`Strategy`]: the strategies as data, with what each one can promise.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::consistency::Consistency;
use crate::map::ConcurrentMap;
use crate::{
    BucketMap, InlineMap, LockFreeMap, MutexMap, ReadMostlyMap, RwLockMap, SerialMap, ShardedMap,
    ShardedSnapshotMap, SnapshotMap,
};

/// A strategy of this crate, by the name of its type.
///
/// ```
/// use raceguard_maps::advice::Strategy;
///
/// assert_eq!(Strategy::InlineMap.to_string(), "InlineMap");
/// assert!(Strategy::InlineMap.needs_copy() && !Strategy::BucketMap.needs_copy());
/// assert!(Strategy::SnapshotMap.reads_never_wait());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Strategy {
    /// One lock.
    MutexMap,
    /// One reader-writer lock.
    RwLockMap,
    /// Shards with a lock each.
    ShardedMap,
    /// Go's `sync.Map`.
    ReadMostlyMap,
    /// Copy-on-write of the whole map.
    SnapshotMap,
    /// Copy-on-write of one shard.
    ShardedSnapshotMap,
    /// A single owner behind a channel.
    SerialMap,
    /// No locks.
    LockFreeMap,
    /// `Copy` keys and values in cache-line buckets, optimistic reads.
    InlineMap,
    /// Cache-line buckets with a lock each.
    BucketMap,
}

impl Strategy {
    /// All of them, from the plainest to the most particular: of two that measure alike, the earlier is taken.
    pub const ALL: [Self; 10] = [
        Self::MutexMap,
        Self::RwLockMap,
        Self::ShardedMap,
        Self::BucketMap,
        Self::InlineMap,
        Self::ReadMostlyMap,
        Self::LockFreeMap,
        Self::SnapshotMap,
        Self::ShardedSnapshotMap,
        Self::SerialMap,
    ];

    /// The name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::MutexMap => "MutexMap",
            Self::RwLockMap => "RwLockMap",
            Self::ShardedMap => "ShardedMap",
            Self::ReadMostlyMap => "ReadMostlyMap",
            Self::SnapshotMap => "SnapshotMap",
            Self::ShardedSnapshotMap => "ShardedSnapshotMap",
            Self::SerialMap => "SerialMap",
            Self::LockFreeMap => "LockFreeMap",
            Self::InlineMap => "InlineMap",
            Self::BucketMap => "BucketMap",
        }
    }

    /// What each of its methods promises.
    pub fn consistency(self) -> Consistency {
        fn of<M: ConcurrentMap<u64, u64>>() -> Consistency {
            M::CONSISTENCY
        }
        match self {
            Self::MutexMap => of::<MutexMap<u64, u64>>(),
            Self::RwLockMap => of::<RwLockMap<u64, u64>>(),
            Self::ShardedMap => of::<ShardedMap<u64, u64>>(),
            Self::ReadMostlyMap => of::<ReadMostlyMap<u64, u64>>(),
            Self::SnapshotMap => of::<SnapshotMap<u64, u64>>(),
            Self::ShardedSnapshotMap => of::<ShardedSnapshotMap<u64, u64>>(),
            Self::SerialMap => of::<SerialMap<u64, u64>>(),
            Self::LockFreeMap => of::<LockFreeMap<u64, u64>>(),
            Self::InlineMap => of::<InlineMap<u64, u64>>(),
            Self::BucketMap => of::<BucketMap<u64, u64>>(),
        }
    }

    /// Whether keys and values have to be `Copy`.
    pub fn needs_copy(self) -> bool {
        self == Self::InlineMap
    }

    /// Whether a read goes on while a writer stands still in the middle of a write.
    pub fn reads_never_wait(self) -> bool {
        matches!(self, Self::SnapshotMap | Self::ShardedSnapshotMap | Self::LockFreeMap)
    }

    /// Whether a read writes to no memory that other threads look at, not even to take a lock.
    pub fn reads_write_nothing(self) -> bool {
        matches!(
            self,
            Self::SnapshotMap
                | Self::ShardedSnapshotMap
                | Self::LockFreeMap
                | Self::ReadMostlyMap
                | Self::InlineMap
        )
    }

    /// Whether a caller's closure runs while all other operations wait, for reads and for writes.
    pub(crate) fn closures_run_alone(self) -> (bool, bool) {
        match self {
            Self::MutexMap | Self::SerialMap => (true, true),
            Self::RwLockMap | Self::SnapshotMap => (false, true),
            _ => (false, false),
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
