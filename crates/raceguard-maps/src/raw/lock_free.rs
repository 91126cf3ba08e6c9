//! The core of `LockFreeMap`: a hash table that readers walk without locks or atomic read-modify-writes.
//!
//! # Algorithm
//!
//! The table is an array of [buckets](bucket), one cache line each: a word with six one-byte tags and two flags, six
//! pointers to entries, and a pointer to an overflow bucket. Key and value lie in one allocation, the entry, which is
//! never changed after it was published: a write puts a new entry in its place. (CLHT of David, Guerraoui and
//! Trigonakis, ASPLOS 2015, and xsync's MapOf have this shape.)
//!
//! - A reader is [pinned](super::reclaim), compares all tags of a bucket at once, and follows the pointers of the lanes
//!   that match.
//! - A writer locks the bucket that the key belongs to, by one compare-and-swap on its word. The store that ends the
//!   write also publishes the new tags and unlocks. User closures run under this lock.
//! - An entry that was replaced or removed is retired and freed once no reader can hold it.
//! - Growing and shrinking is shared by all writers ([`resize`]): a second table is hung behind the first, and each write
//!   moves a few buckets. A moved bucket is marked; who meets the mark goes on in the second table.
//!
//! # Invariants
//!
//! 1. The lock of a bucket protects its chain of overflow buckets too. Only its holder changes tags, pointers and links.
//! 2. An entry does not change its lane or bucket while it is in a table; a key is in one lane at most.
//! 3. A bucket that is marked as moved never changes again, nor do the pointers in it: a reader that read the word before
//!    the mark reads on in a frozen picture, which is what the map held at the time of the move, within its call.
//! 4. The two buckets (or the one) that receive a bucket's entries are reached by nobody else before the mark is set
//!    when the table grows; when it shrinks they are locked.
//! 5. No user code runs while a bucket is moved: entries keep their hash.
//!
//! # Why reads and writes are linearizable
//!
//! A write takes effect when its store of the pointer (replace) or of the word (insert, remove) becomes visible; writes
//! of one key are ordered by the lock. A read that finds an entry takes effect when it loads the pointer, or, in a
//! bucket that was moved meanwhile, at the move. A read that finds nothing takes effect when it loads the word or the
//! pointer that shows the absence: by 2, a key that is there all the time is in one place all the time.
//!
//! # Progress
//!
//! Reads are lock-free, and wait-free as long as no resize ends during the read. Writes block each other per bucket.

pub(crate) mod bucket;
mod close;
mod core;
mod look;
mod resize;
mod scan;
mod table;

pub(crate) use core::{Closed, Core};

#[cfg(test)]
mod tests;
