//! The core of `ReadMostlyMap`: a table that readers use without a lock, and one under a mutex for keys that are new.
//!
//! # Algorithm
//!
//! This is Go's `sync.Map` as it was up to Go 1.23 (`src/sync/map.go`), with memory reclaimed by [epochs](super::reclaim)
//! instead of a garbage collector, and with read-modify-writes that call their closure once.
//!
//! - The *read table* maps keys to entries. It never changes; readers follow one pointer to it. An [entry](entry) has an
//!   atomic pointer to its value, so keys that are in the table are read, replaced and removed without the mutex. A
//!   removed key leaves a tombstone: an entry without value.
//! - The *dirty table* is under the mutex. A new key goes there. It is made by the first new key after a promotion, with all
//!   entries of the read table that have a value; the tombstones are marked as *expunged*, which keeps writers from
//!   putting a value into an entry that the dirty table does not have.
//! - A lookup that misses the read table while there is a dirty one looks there, and counts a miss. When there have been
//!   as many misses as the dirty table has keys, it is promoted: it becomes the read table, and the old one is retired
//!   with its expunged entries. So tombstones are freed; if a table is mostly tombstones and no new key comes, the
//!   removals themselves start a promotion.
//!
//! # Invariants
//!
//! 1. A key of the read table has one entry, and that entry is in the dirty table too, if there is one, unless it is
//!    expunged. So what a reader finds in the read table is never out of date.
//! 2. An entry is expunged, and made usable again, under the mutex only.
//! 3. `amended` of a read table goes from false to true when the first key is added that the table does not have, before
//!    that key can be seen; a table that is not amended is the whole map.
//! 4. The values of entries that are not in the read table change under the mutex only.
//!
//! # Why it is linearizable
//!
//! Operations on a key of the read table take effect at their access to the value pointer of the one entry (1). A lookup
//! that finds neither the key nor `amended` takes effect at its load of `amended` (3). All others hold the mutex.

mod core;
mod entry;
mod whole;

pub(crate) use self::core::{Closed, Core};

#[cfg(test)]
mod tests;
