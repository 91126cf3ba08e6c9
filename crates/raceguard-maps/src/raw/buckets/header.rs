//! The first words of a bucket: lock, version and flags in one [`Header`], and the tags of its slots.
//!
//! # The lock
//!
//! Taking it is one `swap` with [`LOCKED`]. What the swap returns, the owner keeps in a register and stores back, with
//! the next version, to unlock: one atomic read-modify-write for a whole write, where a lock word of its own next to a
//! version needs two or three. A thread that swaps while another has the lock replaces `LOCKED` by `LOCKED` and does
//! no harm.
//!
//! # Optimistic reads (a sequence lock)
//!
//! A reader loads the header, copies what it wants, and loads the header again. Equal and unlocked both times means
//! that no writer was there in between. (On 64 bits the version has 60; on 32 it has 28, and to be wrong, a reader would
//! have to be held up for exactly a multiple of 2^28 writes of one bucket.) Follows H.-J. Boehm, "Can seqlocks get along
//! with programming language memory models?" (MSPC 2012): the data are copied by relaxed atomic loads, then a fence.

use std::ptr;

use crate::raw::sync;
use crate::raw::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};

/// The lock is taken. No other bit is then set.
pub(super) const LOCKED: usize = 1;
/// The entries are in the next table.
pub(super) const MOVED: usize = 2;
/// The map was closed.
pub(super) const CLOSED: usize = 4;
/// There are overflow buckets.
pub(super) const CHAINED: usize = 8;
/// A reader or writer must look closer.
pub(super) const SPECIAL: usize = LOCKED | MOVED | CLOSED;
/// What a write adds.
pub(super) const VERSION: usize = 16;

/// What begins every bucket. All zero is an unlocked bucket with nothing in it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Head {
    /// Of a bucket of a table. An overflow bucket has the next one of its chain here.
    header: Header,
    tags: AtomicU64,
}

/// Lock, version and flags of a chain: a number, or in an overflow bucket an address.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Header(AtomicPtr<Head>);

impl Head {
    /// An unlocked bucket with nothing in it.
    pub(super) fn new() -> Self {
        Self { header: Header(AtomicPtr::new(ptr::null_mut())), tags: AtomicU64::new(0) }
    }

    /// Of a chain's head.
    #[inline]
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The tags of the slots. What an optimistic reader gets counts only if the chain's header is then still the same.
    #[inline]
    pub(super) fn tags(&self) -> u64 {
        // ORDERING: Relaxed: owners of the chain's lock are ordered by it, readers check the chain's header.
        self.tags.load(Ordering::Relaxed)
    }

    /// Sets the tags. For the owner of the chain's lock.
    #[inline]
    pub(super) fn set_tags(&self, tags: u64) {
        // ORDERING: Relaxed: as in `tags`.
        self.tags.store(tags, Ordering::Relaxed);
    }

    /// The bucket after this one, which is an overflow bucket; on the same terms as `tags`.
    #[inline]
    pub(super) fn next(&self) -> *mut Self {
        // ORDERING: Relaxed for the same reasons as in `tags`; a bucket reached through an outdated pointer is still
        // memory of its table (see `overflow`).
        self.header.0.load(Ordering::Relaxed)
    }

    /// Sets the bucket after this one, which is an overflow bucket. For the owner of the chain's lock.
    #[inline]
    pub(super) fn set_next(&self, next: *mut Self) {
        // ORDERING: Relaxed: as in `tags`.
        self.header.0.store(next, Ordering::Relaxed);
    }
}

impl Header {
    /// Takes the lock and returns the header as it was.
    #[inline]
    pub(super) fn lock(&self) -> usize {
        self.try_lock().unwrap_or_else(|| self.lock_contended())
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<usize> {
        // ORDERING: Acquire pairs with the Release in `unlock`: we see what the last owner did.
        let header = self.0.swap(number(LOCKED), Ordering::Acquire).addr();
        // ORDERING: Release fence: pairs with the fence in `is_still`. A reader that sees anything we write from here on
        // also sees that the header is no longer what it was.
        fence(Ordering::Release);
        (header != LOCKED).then_some(header)
    }

    #[cold]
    fn lock_contended(&self) -> usize {
        loop {
            self.wait();
            if let Some(header) = self.try_lock() {
                return header;
            }
        }
    }

    /// Gives the lock back. `header` is what `lock` returned, with the owner's changes.
    #[inline]
    pub(super) fn unlock(&self, header: usize) {
        debug_assert!(header & LOCKED == 0);
        let header = header.wrapping_add(VERSION);
        // ORDERING: Release pairs with the Acquire in `lock`, and with the one in `read`. The swap of a thread that found
        // the lock taken comes before this store: nothing can come between a swap and what it replaced, and that was
        // our own swap or one of the same kind. loom does not know that rule for stores, only for swaps.
        if cfg!(raceguard_loom) {
            self.0.swap(number(header), Ordering::Release);
        } else {
            self.0.store(number(header), Ordering::Release);
        }
    }

    /// The header now, to begin an optimistic read unless it is [`SPECIAL`].
    #[inline]
    pub(super) fn read(&self) -> usize {
        // ORDERING: Acquire pairs with the Release in `unlock`: the slots hold at least what that owner wrote.
        self.0.load(Ordering::Acquire).addr()
    }

    /// Whether nobody had the lock when `read` returned `header`, nor since. Call it after the copying and before any use
    /// of the copy.
    #[inline]
    pub(super) fn is_still(&self, header: usize) -> bool {
        // ORDERING: Acquire fence: orders the copying before the load; pairs with the Release fence in `lock`.
        fence(Ordering::Acquire);
        // A header that was locked is now another one, or still `LOCKED`, but never zero: each write adds a version.
        self.0.load(Ordering::Relaxed).addr() == header & !LOCKED
    }

    /// Waits until the lock is free, which it may be no longer on return. Owners run closures of the caller, so it can
    /// take long: spin, then let others run, then sleep.
    #[cold]
    pub(super) fn wait(&self) {
        let mut waiting = sync::Waiting::default();
        // ORDERING: Relaxed: who then takes the lock or reads the header acquires.
        while self.0.load(Ordering::Relaxed).addr() == LOCKED {
            waiting.wait();
        }
    }
}

/// A header as what its word holds.
#[inline]
fn number(header: usize) -> *mut Head {
    ptr::without_provenance_mut(header)
}
