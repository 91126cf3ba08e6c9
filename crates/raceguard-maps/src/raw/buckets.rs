//! A hash table of cache-line buckets, each with its own lock in its first word: the core of
//! [`BucketMap`](crate::BucketMap) and [`InlineMap`](crate::InlineMap).
//!
//! # Idea
//!
//! An operation on a map that does not fit the cache costs one cache miss if everything it needs lies together: the
//! lock, the means to find the slot, the key and the value. And two threads that use different keys do not disturb each
//! other if nothing they write is shared. So a bucket is one or two cache lines (several for large entries) with a
//! header word, a word of tags and three to seven slots for entries. The header is lock, version and flags at once; a
//! write takes the lock by one atomic swap and gives it back by a plain store. The second line is asked for together with
//! the first, so that nobody waits twice.
//!
//! Follows CLHT (David, Guerraoui, Trigonakis, "Asynchronized concurrency", ASPLOS 2015: a bucket in a cache line,
//! chained) and MapOf of the Go library xsync (tags, cooperative growth). Different from both: the lock and the version
//! are one word; entries of any type lie in the bucket, not behind pointers; buckets are numbered by the high bits of
//! the hash, so that a table is filled from its start to its end when entries move to it; the table also shrinks.
//!
//! # Parts
//!
//! - [`shape`]: where things lie; tags. [`header`]: the lock and the version. [`words`]: copying that may be torn.
//! - [`chain`]: a locked bucket. [`overflow`]: where the rest of a chain lies.
//! - [`table`]: a table. [`growth`]: moving from one to the next, and closing. [`count`]: how many entries there are.
//! - [`core`]: operations on one key. [`optimistic`]: reading without a lock. [`walk`]: going over all entries.
//!
//! # Invariants
//!
//! - An entry is in exactly one table: in the root if its bucket there is not marked as moved, else in the next one, and
//!   so on. A bucket is marked as moved once, after its entries were put into the next table, under its lock.
//! - All changes to a chain, and to a value in it, happen under the lock in its head's header. While it is taken, the
//!   header is `LOCKED`; after it, the version is another one.
//! - In a map whose entries are read without the lock (`Copied`), keys and values are `Copy`, are written by words, and
//!   nobody makes a `&mut` to them.
//! - Memory that an optimistic reader can reach through a pointer which is out of date, stays a bucket of the same shape
//!   until the reader is no longer pinned.
//! - User code runs under a bucket's lock where `core` and `walk` say so, and nothing is half-done then: a panic
//!   unlocks the bucket and leaves a whole chain.
//!
//! # Limits
//!
//! Many keys with the same high bits of the hash make one long chain, and growing does not help against that: with a
//! hasher that an adversary can predict, or that leaves those bits as they are in the key, operations get linear. Waiting
//! for a lock is not fair.
//!
//! A write that moves a unit may be the first to touch pages of the next table, which then wait for the kernel, and in a
//! virtual machine for the host. The memory of a table that has been left goes back in slices with the writes that come
//! after the move; what the last write leaves of it stays until the next one, or until the map goes. Moving is done by
//! writes alone: after the last write, what is left to move stays where it is, and readers take one step more for it.

mod chain;
mod core;
mod count;
mod growth;
mod header;
mod optimistic;
mod overflow;
mod shape;
mod table;
mod walk;
mod words;

#[cfg(all(test, raceguard_loom))]
mod model;
#[cfg(all(test, not(any(raceguard_loom, raceguard_shuttle))))]
mod tests;

pub(crate) use core::{Buckets, Copied, Locked};
