//! Going over all entries while others insert, remove, grow and shrink.
//!
//! # Why no entry is seen twice
//!
//! A walk goes over the bucket numbers of the table that is the root when it begins. A number stands for the hashes
//! that begin with its bits, whatever table they are in by now. If that bucket has moved, the walk goes over the same
//! hashes in the next table: over several buckets of a larger one, or over those entries of one bucket of a smaller one
//! whose hash begins so. Each hash belongs to one number, and each number is dealt with once, one bucket after the other,
//! each at one instant. An entry that stays is in exactly one of those buckets at that instant, so it is seen exactly
//! once; one that is removed and put back has the same hash, so it is not seen again.

use std::hash::{BuildHasher, Hash};
use std::mem::MaybeUninit;

use crate::error::MapError;
use crate::raw::reclaim;

use super::chain::{Chain, State};
use super::core::{Buckets, Copied, Locked};
use super::optimistic::copy_bucket;
use super::shape::Entry;
use super::table::Root;

/// The hashes whose first `bits` bits are `prefix`.
#[derive(Debug, Clone, Copy)]
struct Hashes {
    prefix: usize,
    bits: u32,
}

impl Hashes {
    fn contains(self, hash: u64) -> bool {
        hash >> (u64::BITS - self.bits) == self.prefix as u64
    }
}

/// Entries that a walk copies before it visits them.
const BATCH: usize = if cfg!(raceguard_stress) { 1 } else { 256 };

/// Does something with one bucket, and says whether the entries were there. The second argument says which of the
/// entries are meant, if not all.
type Visit<'v, K, V> = &'v mut dyn FnMut(Root<K, V>, usize, Option<Hashes>) -> State;

impl<K: Hash + Eq, V, S: BuildHasher, A> Buckets<K, V, S, A> {
    /// Calls `visit` for buckets until every hash has been dealt with. The caller is pinned.
    fn walk(
        &self,
        mut visit: impl FnMut(Root<K, V>, usize, Option<Hashes>) -> State,
    ) -> Result<(), MapError> {
        let table = self.root();
        let bits = table.bits();
        for prefix in 0..table.buckets() {
            table.prefetch_after(prefix);
            match visit(table, prefix, None) {
                State::Open => {}
                State::Closed => return Err(MapError::Closed),
                // SAFETY: the bucket was marked as moved, and the caller is pinned.
                State::Moved => walk_moved(unsafe { table.next() }, Hashes { prefix, bits }, &mut visit)?,
            }
        }
        Ok(())
    }

    /// Removes the entries for which `keep` is false and returns how many those were.
    pub(crate) fn retain(&self, mut keep: impl FnMut(&K, &V) -> bool) -> Result<usize, MapError> {
        let mut count = 0;
        {
            let guard = reclaim::pin();
            let mut removed = Vec::new();
            self.walk(|table, number, hashes| {
                // SAFETY: we are pinned, and a walk gives numbers of buckets.
                let mut chain = unsafe { Chain::lock(table, number) };
                let state = chain.state();
                chain.retain(|key, value| !self.is_meant(hashes, key) || keep(key, value), &mut removed);
                drop(chain);
                count += removed.len();
                if !removed.is_empty() {
                    self.subtract(&guard, removed.len());
                    removed.clear();
                }
                state
            })?;
        }
        if count > 0 {
            self.shrink_to_fit();
        }
        Ok(count)
    }

    fn is_meant(&self, hashes: Option<Hashes>, key: &K) -> bool {
        hashes.is_none_or(|hashes| hashes.contains(self.hash(key)))
    }
}

fn walk_moved<K, V>(table: Root<K, V>, hashes: Hashes, visit: Visit<'_, K, V>) -> Result<(), MapError> {
    let smaller = table.bits() < hashes.bits;
    let numbers = if smaller {
        let number = hashes.prefix >> (hashes.bits - table.bits());
        number..number + 1
    } else {
        let ratio_bits = table.bits() - hashes.bits;
        hashes.prefix << ratio_bits..(hashes.prefix + 1) << ratio_bits
    };
    for number in numbers {
        let part = Hashes { prefix: number, bits: table.bits() };
        // In a smaller table it is one bucket, of which only some entries are meant.
        let (part, filter) = if smaller { (hashes, Some(hashes)) } else { (part, None) };
        match visit(table, number, filter) {
            State::Open => {}
            State::Closed => return Err(MapError::Closed),
            // SAFETY: the bucket was marked as moved, and the caller of `walk` is pinned.
            State::Moved => walk_moved(unsafe { table.next() }, part, visit)?,
        }
    }
    Ok(())
}

impl<K: Hash + Eq, V, S: BuildHasher> Buckets<K, V, S, Locked> {
    /// Calls `visit` with every entry, under the lock of its bucket.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        let _guard = reclaim::pin();
        self.walk(|table, number, hashes| {
            // SAFETY: we are pinned, and a walk gives numbers of buckets.
            let chain = unsafe { Chain::lock(table, number) };
            chain.for_each(|key, value| {
                if self.is_meant(hashes, key) {
                    visit(key, value);
                }
            });
            chain.state()
        })
    }
}

impl<K: Copy + Hash + Eq, V: Copy, S: BuildHasher> Buckets<K, V, S, Copied> {
    /// Calls `visit` with a copy of every entry, under no lock.
    pub(crate) fn for_each_copy(&self, mut visit: impl FnMut(&K, &V)) -> Result<(), MapError> {
        let _guard = reclaim::pin();
        let mut copies = Vec::new();
        let mut visit_all = |copies: &mut Vec<MaybeUninit<Entry<K, V>>>| {
            for copy in copies.drain(..) {
                // SAFETY: `copy_bucket` leaves whole entries.
                let entry = unsafe { copy.assume_init() };
                visit(&entry.key, &entry.value);
            }
        };
        self.walk(|table, number, hashes| {
            let before = copies.len();
            // SAFETY: we are pinned, and a walk gives numbers of buckets.
            let state = unsafe { copy_bucket(table, number, &mut copies) };
            if hashes.is_some() {
                let meant = copies.split_off(before).into_iter();
                // SAFETY: as above.
                copies.extend(
                    meant.filter(|copy| self.is_meant(hashes, unsafe { &copy.assume_init_ref().key })),
                );
            }
            // Some buckets at once: how many entries each has cannot be predicted, which costs much per bucket.
            if copies.len() >= BATCH {
                visit_all(&mut copies);
            }
            state
        })?;
        visit_all(&mut copies);
        Ok(())
    }
}
