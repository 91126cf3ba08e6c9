//! [`Strategy`]: the strategies as data, with what each one can promise.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A strategy of this crate, by the name of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Strategy {
    /// [`MutexMap`](crate::MutexMap)
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
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
