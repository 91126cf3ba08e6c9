//! One table: its buckets, its overflow buckets, and the table that its entries move to.

use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::bucket::{Bucket, Word, tag_of};
use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crate::raw::table_memory::{GiveBack, ZeroedSlice};

/// Buckets of the smallest table.
pub(super) const MIN_BUCKETS: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 4 };
/// Overflow buckets are made this many at a time, at first and at most.
const FIRST_OVERFLOW: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 4 };
const LAST_OVERFLOW: usize = 1024;

/// A power of two of buckets.
#[derive(Debug)]
pub(super) struct Table<E> {
    mask: usize,
    /// Given back by `drop`.
    buckets: ManuallyDrop<ZeroedSlice<Bucket<E>>>,
    /// Where the entries move to: null until a resize starts, [`CLOSED`](Self::closed_mark) when the map is closed.
    next: AtomicPtr<Table<E>>,
    /// Buckets that a writer has undertaken to move, and those that were moved.
    pub(super) claimed: AtomicUsize,
    pub(super) moved: AtomicUsize,
    overflow: Mutex<Overflow<E>>,
    give_back: Arc<GiveBack>,
}

#[derive(Debug)]
struct Overflow<E> {
    chunks: Vec<ZeroedSlice<Bucket<E>>>,
    /// How many of the last chunk are in use.
    used: usize,
}

/// What is behind a table.
pub(super) enum Next<'a, E> {
    None,
    Table(&'a Table<E>),
    Closed,
}

/// A mark for "closed" in place of a pointer to a table. Never dereferenced.
pub(super) fn closed_mark<E>() -> *mut Table<E> {
    ptr::without_provenance_mut(align_of::<Table<E>>())
}

impl<E> Table<E> {
    pub(super) fn new(buckets: usize, give_back: &Arc<GiveBack>) -> Self {
        debug_assert!(buckets.is_power_of_two());
        Self {
            mask: buckets - 1,
            buckets: ManuallyDrop::new(ZeroedSlice::new(buckets)),
            next: AtomicPtr::new(ptr::null_mut()),
            claimed: AtomicUsize::new(0),
            moved: AtomicUsize::new(0),
            overflow: Mutex::new(Overflow { chunks: Vec::new(), used: 0 }),
            give_back: Arc::clone(give_back),
        }
    }

    /// Number of buckets, without overflow.
    pub(super) fn len(&self) -> usize {
        self.mask + 1
    }

    pub(super) fn mask(&self) -> usize {
        self.mask
    }

    /// Bytes that it keeps.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.len() * size_of::<Bucket<E>>()
    }

    #[inline]
    pub(super) fn bucket_at(&self, index: usize) -> &Bucket<E> {
        debug_assert!(index <= self.mask);
        // SAFETY: the array has `mask + 1` elements.
        unsafe { self.buckets.get_unchecked(index & self.mask) }
    }

    /// The bucket that a hash belongs to.
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the mask is no wider than a pointer")]
    pub(super) fn bucket_of(&self, hash: u64) -> &Bucket<E> {
        self.bucket_at(hash as usize & self.mask)
    }

    #[inline]
    pub(super) fn next<'a>(&self) -> Next<'a, E>
    where
        E: 'a,
    {
        // ORDERING: Acquire pairs with the Release in `set_next`: the next table is initialized.
        let next = self.next.load(Ordering::Acquire);
        if next == closed_mark() {
            return Next::Closed;
        }
        // SAFETY: null, or a table that lives longer than this one: it is retired later.
        unsafe { next.as_ref() }.map_or(Next::None, Next::Table)
    }

    /// Hangs a table (or the closed mark) behind this one; false if there is something already.
    pub(super) fn set_next(&self, next: *mut Table<E>) -> bool {
        // ORDERING: Release publishes the table.
        self.next.compare_exchange(ptr::null_mut(), next, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Puts an entry into the first free lane of the chain that starts with the locked bucket `root`, whose word is
    /// `word`. Returns the word to unlock the root with, and whether the root was full.
    pub(super) fn add(&self, root: &Bucket<E>, word: Word, hash: u64, entry: *mut E) -> (Word, bool) {
        let tag = tag_of(hash);
        if let Some(lane) = word.first_empty() {
            root.set_entry(lane, entry);
            return (word.with_tag(lane, tag), false);
        }
        let mut last = root;
        while let Some(bucket) = last.next() {
            if let Some(lane) = bucket.word().first_empty() {
                bucket.set_entry(lane, entry);
                bucket.set_word(bucket.word().with_tag(lane, tag));
                return (word, true);
            }
            last = bucket;
        }
        let bucket = self.overflow_bucket();
        {
            // SAFETY: an empty overflow bucket of this table that nobody else has.
            let bucket = unsafe { bucket.as_ref() };
            bucket.set_entry(0, entry);
            bucket.set_word(bucket.word().with_tag(0, tag));
        }
        last.link(bucket);
        (word, true)
    }

    fn overflow_bucket(&self) -> NonNull<Bucket<E>> {
        let mut overflow = self.overflow.lock();
        let full = overflow.chunks.last().is_none_or(|chunk| chunk.len() == overflow.used);
        if full {
            let len =
                overflow.chunks.last().map_or(FIRST_OVERFLOW, |last| (last.len() * 2).min(LAST_OVERFLOW));
            overflow.chunks.push(ZeroedSlice::new(len));
            overflow.used = 0;
        }
        let at = overflow.used;
        overflow.used += 1;
        let chunk = overflow.chunks.last().expect("a chunk was pushed if there was none");
        NonNull::from(&chunk[at])
    }
}

impl<E> Drop for Table<E> {
    fn drop(&mut self) {
        // SAFETY: the buckets are taken once, here, and nobody uses a table that is dropped.
        unsafe { ManuallyDrop::take(&mut self.buckets).give_back(&self.give_back) };
    }
}

/// A bucket and its overflow buckets.
pub(super) fn chain<E>(root: &Bucket<E>) -> impl Iterator<Item = &Bucket<E>> {
    std::iter::successors(Some(root), |bucket| bucket.next())
}
