//! Reading entries of `Copy` types without taking a lock.

use std::hash::{BuildHasher, Hash};
use std::mem::MaybeUninit;

use crate::error::MapError;
use crate::map::Lookup;
use crate::raw::reclaim;

use super::chain::{Chain, State, state};
use super::core::{Buckets, Copied};
use super::header::{Head, LOCKED, SPECIAL};
use super::shape::{Entry, Shape};
use super::table::Root;
use super::words;

/// A reader that was disturbed so often takes the lock, so that writers cannot hold it up for ever.
const PATIENCE: usize = if cfg!(any(raceguard_stress, raceguard_shuttle, raceguard_loom)) { 2 } else { 64 };

/// What one optimistic attempt gave.
enum Attempt<T> {
    Done(T),
    /// A writer was there.
    Disturbed,
    /// The entries are elsewhere or gone, as the header says.
    Special(u64),
}

impl<K: Copy + Hash + Eq, V: Copy, S: BuildHasher> Buckets<K, V, S, Copied> {
    /// A copy of the value of `key`.
    #[inline]
    pub(crate) fn copy<Q: Lookup<K> + ?Sized>(&self, key: &Q) -> Result<Option<V>, MapError> {
        let hash = self.hash(key);
        let _guard = reclaim::pin();
        let table = self.root();
        // SAFETY: the table was reachable while we were pinned, and a hash shifted by its root is a bucket's number.
        match unsafe { find(table.bucket(table.number(hash)), hash, |found| key.matches(found)) } {
            Attempt::Done(found) => Ok(found),
            _ => Self::copy_disturbed(table, hash, key),
        }
    }

    /// Attempts again where a writer was in the way, at last under the lock, and follows moved entries to their table.
    /// The caller is pinned since before it read `table`.
    #[cold]
    fn copy_disturbed<Q: Lookup<K> + ?Sized>(
        mut table: Root<K, V>,
        hash: u64,
        key: &Q,
    ) -> Result<Option<V>, MapError> {
        let is_it = |found: &K| key.matches(found);
        let mut disturbed = 0;
        loop {
            // SAFETY: the table lives while we are pinned, and a hash shifted by its root is a bucket's number.
            let head = unsafe { table.bucket(table.number(hash)) };
            let state = if disturbed < PATIENCE {
                // SAFETY: a bucket of a table that lives.
                match unsafe { find(head, hash, is_it) } {
                    Attempt::Done(found) => return Ok(found),
                    Attempt::Special(header) if header & LOCKED == 0 => state(header),
                    Attempt::Disturbed | Attempt::Special(_) => {
                        disturbed += 1;
                        // SAFETY: as above.
                        unsafe { &*head }.header().wait();
                        continue;
                    }
                }
            } else {
                // SAFETY: as above.
                let chain = unsafe { Chain::lock(table, table.number(hash)) };
                if chain.state() == State::Open {
                    return Ok(chain.find(hash, is_it).map(|place| *chain.entry(&place).1));
                }
                chain.state()
            };
            if state == State::Closed {
                return Err(MapError::Closed);
            }
            // SAFETY: the header said that there is a next table, and we are pinned.
            table = unsafe { table.next() };
        }
    }
}

/// One attempt to copy the value of the entry for whose key `is_it` holds.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
#[inline]
unsafe fn find<K: Copy, V: Copy>(
    head: *mut Head,
    hash: u64,
    is_it: impl Fn(&K) -> bool,
) -> Attempt<Option<V>> {
    let tag = Shape::<K, V>::tag(hash);
    // SAFETY: by the caller.
    let header = unsafe { &*head }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    let mut bucket = head;
    let mut tags = before;
    loop {
        for lane in Shape::<K, V>::matching(tags, tag) {
            // SAFETY: a slot of a bucket of a table that lives.
            let copy = unsafe { words::load(Shape::<K, V>::slot(bucket, lane)) };
            if !header.is_still(before) {
                return Attempt::Disturbed;
            }
            // SAFETY: nobody wrote between the two looks at the header, so the tags told the truth: the slot held an
            // entry, and the copy is whole.
            let entry = unsafe { copy.assume_init() };
            if is_it(&entry.key) {
                return Attempt::Done(Some(entry.value));
            }
        }
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        bucket = unsafe { &*bucket }.next();
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        // SAFETY: as above.
        match unsafe { bucket.as_ref() } {
            None => return Attempt::Done(None),
            Some(next) => tags = next.tags(),
        }
    }
}

/// One attempt to copy all entries of a chain to `out`, which holds nothing of use if it fails.
///
/// # Safety
///
/// `head` is a bucket of a table that lives.
unsafe fn copy_all<K: Copy, V: Copy>(
    head: *mut Head,
    out: &mut Vec<MaybeUninit<Entry<K, V>>>,
) -> Attempt<()> {
    out.clear();
    // SAFETY: by the caller.
    let header = unsafe { &*head }.header();
    let before = header.read();
    if before & SPECIAL != 0 {
        return Attempt::Special(before);
    }
    let mut bucket = head;
    let mut tags = before;
    loop {
        for lane in Shape::<K, V>::occupied(tags) {
            // SAFETY: a slot of a bucket of a table that lives.
            out.push(unsafe { words::load(Shape::<K, V>::slot(bucket, lane)) });
        }
        // SAFETY: buckets live as long as their table, also when they have left the chain.
        bucket = unsafe { &*bucket }.next();
        // Looked at for each bucket: only an unchanged chain is sure to have an end.
        if !header.is_still(before) {
            return Attempt::Disturbed;
        }
        // SAFETY: as above.
        match unsafe { bucket.as_ref() } {
            None => return Attempt::Done(()),
            Some(next) => tags = next.tags(),
        }
    }
}

/// Copies all entries of the bucket with this number to `out`. Says whether they are there.
///
/// # Safety
///
/// The table lives, and `number` is one of its buckets.
pub(super) unsafe fn copy_bucket<K: Copy, V: Copy>(
    table: Root<K, V>,
    number: usize,
    out: &mut Vec<MaybeUninit<Entry<K, V>>>,
) -> State {
    for _ in 0..PATIENCE {
        // SAFETY: by the caller.
        let head = unsafe { table.bucket(number) };
        // SAFETY: a bucket of a table that lives.
        match unsafe { copy_all(head, out) } {
            Attempt::Done(()) => return State::Open,
            Attempt::Special(header) if header & LOCKED == 0 => return state(header),
            // SAFETY: as above.
            Attempt::Disturbed | Attempt::Special(_) => unsafe { &*head }.header().wait(),
        }
    }
    out.clear();
    // SAFETY: by the caller.
    let chain = unsafe { Chain::lock(table, number) };
    chain.for_each(|key, value| out.push(MaybeUninit::new(Entry { key: *key, value: *value })));
    chain.state()
}
