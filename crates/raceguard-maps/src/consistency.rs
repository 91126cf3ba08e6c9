//! What each method of a strategy promises to concurrent callers, as data: the table in the docs is made from it.

use std::fmt;

/// How a method relates to concurrent calls.
///
/// ```
/// use raceguard_maps::consistency::Promise;
/// use raceguard_maps::{ConcurrentMap, MutexMap, ShardedMap};
///
/// assert_eq!(<MutexMap<u8, u8> as ConcurrentMap<u8, u8>>::CONSISTENCY.snapshot, Promise::Linearizable);
/// assert_eq!(<ShardedMap<u8, u8> as ConcurrentMap<u8, u8>>::CONSISTENCY.snapshot, Promise::PerShard);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// The call takes effect at one instant between its start and its end (Herlihy and Wing, 1990).
    Linearizable,
    /// Each shard is seen at one instant, different shards at different ones: an entry that is there all the time is
    /// seen once, one that comes or goes meanwhile may be seen or not. A batch keeps its order for each key alone.
    PerShard,
    /// Each entry is seen at one instant, different entries at different ones: an entry that is there all the time is
    /// seen exactly once, one that comes or goes meanwhile at most once.
    PerEntry,
    /// The answer was true at some instant before the call's end, and no later answer to the same thread is older.
    Monotone,
    /// A count that concurrent calls may not have reached yet; exact when nobody writes.
    Approximate,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Linearizable => "linearizable",
            Self::PerShard => "per shard",
            Self::PerEntry => "per entry",
            Self::Monotone => "monotone",
            Self::Approximate => "approximate",
        })
    }
}

/// What a panic of the closure of [`update`](crate::ConcurrentMap::update) leaves.
///
/// ```
/// use std::panic::{AssertUnwindSafe, catch_unwind};
/// use raceguard_maps::{ConcurrentMap, SnapshotMap};
///
/// let map: SnapshotMap<&str, Vec<u32>> = SnapshotMap::new();
/// map.insert("a", vec![1])?;
/// let panicked = catch_unwind(AssertUnwindSafe(|| map.update(&"a", |list| {
///     list.clear();
///     panic!("half-way");
/// })));
/// assert!(panicked.is_err());
/// assert_eq!(map.get(&"a")?, Some(vec![1])); // `Unchanged`
/// # Ok::<(), raceguard_maps::MapError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdateOnPanic {
    /// What the closure had done until then: it worked in place.
    Partial,
    /// The old value: the closure worked on a clone.
    Unchanged,
}

impl fmt::Display for UpdateOnPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Partial => "what was done",
            Self::Unchanged => "the old value",
        })
    }
}

/// The promises of one strategy.
///
/// ```
/// use raceguard_maps::consistency::{Consistency, Promise, UpdateOnPanic};
/// use raceguard_maps::{ConcurrentMap, LockFreeMap};
///
/// let promised: Consistency = <LockFreeMap<u8, u8> as ConcurrentMap<u8, u8>>::CONSISTENCY;
/// assert_eq!((promised.read, promised.for_each), (Promise::Linearizable, Promise::PerEntry));
/// assert_eq!(promised.update_on_panic, UpdateOnPanic::Unchanged);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consistency {
    /// `get`, `get_with`, `contains_key`.
    pub read: Promise,
    /// `insert`, `insert_if_absent`, `update`, `compute`, `remove`, `remove_if`.
    pub write: Promise,
    /// `len`, `is_empty`.
    pub len: Promise,
    /// `for_each`.
    pub for_each: Promise,
    /// `snapshot`.
    pub snapshot: Promise,
    /// `retain`, `clear`.
    pub retain: Promise,
    /// `apply`: what others can see of a half-done batch.
    pub apply: Promise,
    /// What a panic in `update` leaves.
    pub update_on_panic: UpdateOnPanic,
}

impl Consistency {
    /// The promises of a map whose every method runs under one lock.
    pub const ONE_LOCK: Self = Self {
        read: Promise::Linearizable,
        write: Promise::Linearizable,
        len: Promise::Linearizable,
        for_each: Promise::Linearizable,
        snapshot: Promise::Linearizable,
        retain: Promise::Linearizable,
        apply: Promise::Linearizable,
        update_on_panic: UpdateOnPanic::Partial,
    };
}
