//! One table of buckets: its memory, how a hash finds its bucket, and what growth needs to know about it.
//!
//! A table is named by one word, its [`Root`]: the address of its first bucket, and in the low bits (buckets are
//! aligned) by how much a hash is shifted to number a bucket, and whether entries are moving to a next table. So one load
//! finds a bucket. Behind the last bucket lie the pointers to the overflow buckets, one for each bucket, which are looked
//! at only where a header says so, and the rest, [`Details`].
//!
//! Buckets are numbered by the high bits of the hash: so the hashes of a bucket are a range, and what is one bucket in a
//! table is a run of neighbours in a larger one. A move writes the next table from its start to its end.

// Numbers of buckets are the low bits of a hash: what is cut is not wanted.
#![allow(clippy::cast_possible_truncation)]

use std::marker::PhantomData;

use crate::raw::sync::Mutex;
use crate::raw::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use crossbeam_utils::CachePadded;

use super::header::Head;
use super::overflow::Overflow;
use super::shape::{LINE, Shape};
use crate::raw::prefetch;
use crate::raw::table_memory::{Block, GiveBack};

const SHIFT: usize = 63;
const MOVING: usize = 64;
const ADDRESS: usize = !(SHIFT | MOVING);
const ALIGN: usize = 128;

/// The fewest buckets are two to this power. At least one: a shift by all bits of a hash is none.
pub(super) const FEWEST_BITS: u32 =
    if cfg!(any(raceguard_stress, raceguard_shuttle, raceguard_loom)) { 1 } else { 2 };

/// The name of a table as one word; as long as it is current, or the thread that read it is pinned, the table lives.
#[derive(Debug)]
pub(super) struct Root<K, V>(*mut Head, PhantomData<*mut (K, V)>);

impl<K, V> Clone for Root<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for Root<K, V> {}

impl<K, V> PartialEq for Root<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

/// What operations on single entries do not need.
#[derive(Debug)]
pub(super) struct Details {
    memory: Block,
    /// The next table: set, under the map's resize lock, when entries begin to move there, and then never changed.
    pub(super) next: AtomicPtr<Head>,
    /// The first unit of moving that nobody has taken yet.
    pub(super) taken: CachePadded<AtomicUsize>,
    /// How many units are done.
    pub(super) done: CachePadded<AtomicUsize>,
    /// Units that a panicking `Hash` stopped, to be done again.
    pub(super) again: Mutex<Vec<usize>>,
    pub(super) overflow: Overflow,
}

impl<K, V> Root<K, V> {
    /// An empty table of `2^bits` buckets.
    pub(super) fn create(bits: u32) -> Self {
        let align = ALIGN.max(Shape::<K, V>::ALIGN);
        let buckets = 1_usize.checked_shl(bits).unwrap_or(usize::MAX);
        let size = buckets
            .checked_mul(Shape::<K, V>::STRIDE + size_of::<AtomicPtr<Head>>())
            .and_then(|size| size.checked_next_multiple_of(align_of::<Details>()))
            .and_then(|size| size.checked_add(size_of::<Details>()))
            .unwrap_or(usize::MAX);
        let memory = Block::zeroed(size, align);
        // The block is aligned for it.
        #[allow(clippy::cast_ptr_alignment)]
        let first = memory.start().cast::<Head>();
        let root = Self(first.map_addr(|address| address | (u64::BITS - bits) as usize), PhantomData);
        let details = Details {
            memory,
            next: AtomicPtr::new(std::ptr::null_mut()),
            taken: CachePadded::new(AtomicUsize::new(0)),
            done: CachePadded::new(AtomicUsize::new(0)),
            again: Mutex::new(Vec::new()),
            overflow: Overflow::new(Shape::<K, V>::STRIDE, align, buckets),
        };
        // SAFETY: the block has room for the buckets and what lies behind them, and is ours.
        unsafe {
            root.details_at().write(details);
            make_heads(first, buckets, Shape::<K, V>::STRIDE);
            make_pointers(root.pointers(), buckets);
        }
        root
    }

    /// Hands the memory of the table over without looking at its entries.
    ///
    /// # Safety
    ///
    /// Nobody uses the table any more.
    pub(super) unsafe fn free(self, to: &GiveBack) {
        // SAFETY: by the caller; the details were written by `create`, and are read once.
        unsafe {
            let details = self.details_at().read();
            let Details { memory, overflow, again, .. } = details;
            drop(again);
            overflow.free(to);
            to.add(memory);
        }
    }

    /// From the word that [`word`](Self::word) gave.
    #[inline]
    pub(super) fn from_word(word: *mut Head) -> Self {
        Self(word, PhantomData)
    }

    /// As a word to store.
    #[inline]
    pub(super) fn word(self) -> *mut Head {
        self.0
    }

    /// Whether entries are moving to a next table.
    #[inline]
    pub(super) fn is_moving(self) -> bool {
        self.0.addr() & MOVING != 0
    }

    /// The same table, marked as moving or not.
    pub(super) fn moving(self, moving: bool) -> Self {
        let set = if moving { MOVING } else { 0 };
        Self(self.0.map_addr(|address| address & !MOVING | set), PhantomData)
    }

    /// How many bits of a hash number a bucket.
    pub(super) fn bits(self) -> u32 {
        u64::BITS - (self.0.addr() & SHIFT) as u32
    }

    /// How many buckets there are.
    pub(super) fn buckets(self) -> usize {
        1 << self.bits()
    }

    /// The number of the bucket of a hash.
    #[inline]
    pub(super) fn number(self, hash: u64) -> usize {
        (hash >> (self.0.addr() & SHIFT)) as usize
    }

    /// The bucket with this number.
    ///
    /// # Safety
    ///
    /// The table lives, and `number < buckets()`.
    #[inline]
    pub(super) unsafe fn bucket(self, number: usize) -> *mut Head {
        // SAFETY: by the caller, within the block.
        unsafe { self.first().byte_add(number * Shape::<K, V>::STRIDE) }
    }

    /// Asks for the second line of a bucket that has two. Which of them is wanted is known only when the first has come:
    /// for a table that does not fit the cache, that would mean to wait for memory twice.
    #[inline]
    pub(super) fn prefetch_rest(bucket: *mut Head) {
        if Shape::<K, V>::STRIDE == 2 * LINE {
            prefetch::to_read(bucket.wrapping_byte_add(LINE));
        }
    }

    /// Where the first overflow bucket of a chain is named, if the header says that there is one.
    ///
    /// # Safety
    ///
    /// The table lives for `'t`, and `number < buckets()`.
    #[inline]
    pub(super) unsafe fn overflow_of<'t>(self, number: usize) -> &'t AtomicPtr<Head> {
        // SAFETY: by the caller, within the block.
        unsafe { &*self.pointers().add(number) }
    }

    /// Asks for the bucket that a walk comes to a little after the one with this number.
    #[inline]
    pub(super) fn prefetch_after(self, number: usize) {
        const AHEAD: usize = 12;
        let line = self.first().wrapping_byte_add((number + AHEAD) * Shape::<K, V>::STRIDE);
        prefetch::to_read(line);
        if Shape::<K, V>::STRIDE > LINE {
            prefetch::to_read(line.wrapping_byte_add(LINE));
        }
    }

    /// The pointers to overflow buckets, behind the last bucket.
    #[inline]
    fn pointers(self) -> *mut AtomicPtr<Head> {
        // Strides are multiples of the cache line.
        #[allow(clippy::cast_ptr_alignment)]
        self.first().wrapping_byte_add(self.buckets() * Shape::<K, V>::STRIDE).cast()
    }

    #[inline]
    fn first(self) -> *mut Head {
        self.0.map_addr(|address| address & ADDRESS)
    }

    /// # Safety
    ///
    /// The table lives for `'t`.
    pub(super) unsafe fn details<'t>(self) -> &'t Details {
        // SAFETY: by the caller; written by `create`, and shared from then on.
        unsafe { &*self.details_at() }
    }

    fn details_at(self) -> *mut Details {
        let behind = (self.buckets() * (Shape::<K, V>::STRIDE + size_of::<AtomicPtr<Head>>()))
            .next_multiple_of(align_of::<Details>());
        self.first().wrapping_byte_add(behind).cast()
    }

    /// The table to which the entries of this one move.
    ///
    /// # Safety
    ///
    /// The table lives and a header in it, or its root, said that entries move.
    pub(super) unsafe fn next(self) -> Self {
        // SAFETY: by the caller.
        // ORDERING: Acquire pairs with the Release in `begin_move`: the next table is set up.
        Self::from_word(unsafe { self.details() }.next.load(Ordering::Acquire))
    }
}

/// Makes buckets in zeroed memory: zeroes are fine, except for the atomics of the checkers.
///
/// # Safety
///
/// There is room for `count` heads, `stride` bytes apart, and nobody else uses it.
pub(super) unsafe fn make_heads(first: *mut Head, count: usize, stride: usize) {
    if cfg!(any(raceguard_shuttle, raceguard_loom)) {
        for number in 0..count {
            // SAFETY: by the caller.
            unsafe { first.byte_add(number * stride).write(Head::new()) };
        }
    }
}

/// As `make_heads`, for pointers that are null.
///
/// # Safety
///
/// There is room for `count` pointers, and nobody else uses it.
unsafe fn make_pointers(first: *mut AtomicPtr<Head>, count: usize) {
    if cfg!(any(raceguard_shuttle, raceguard_loom)) {
        for number in 0..count {
            // SAFETY: by the caller.
            unsafe { first.add(number).write(AtomicPtr::new(std::ptr::null_mut())) };
        }
    }
}
