//! The first words of a bucket: lock, version, flags and tags in one [`Header`], and the pointer to the next bucket of
//! the chain.
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
//! that no writer was there in between (32 bits of version: to be wrong, a reader would have to be held up for exactly
//! a multiple of 2^32 writes of one bucket, at least half a minute of nothing else). Follows H.-J. Boehm, "Can seqlocks get along with
//! programming language memory models?" (MSPC 2012): the data are copied by relaxed atomic loads, then a fence.

use crate::raw::sync::atomic::{AtomicPtr, AtomicU64, Ordering, fence};
use crate::raw::sync::{self};

/// The lock is taken. No other bit is then set.
pub(super) const LOCKED: u64 = 1;
/// The entries are in the next table.
pub(super) const MOVED: u64 = 2;
/// The map was closed.
pub(super) const CLOSED: u64 = 4;
/// In a near overflow bucket: it is part of a chain.
const CLAIMED: u64 = 1;
/// A reader or writer must look closer.
pub(super) const SPECIAL: u64 = LOCKED | MOVED | CLOSED;
const VERSION: u64 = 1 << 32;

/// What begins every bucket. All zero is an unlocked bucket with nothing in it.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Head {
    header: Header,
    /// The first overflow bucket. Written under the lock of the chain's head.
    pub(super) next: AtomicPtr<Head>,
}

/// Lock, version, flags and tags of a chain. In an overflow bucket, its tags alone.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Header(AtomicU64);

impl Head {
    /// An unlocked bucket with nothing in it.
    pub(super) fn new() -> Self {
        Self { header: Header(AtomicU64::new(0)), next: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// Of a chain's head.
    #[inline]
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// The tags of an overflow bucket. What an optimistic reader gets counts only if the chain's header is then still
    /// the same.
    #[inline]
    pub(super) fn tags(&self) -> u64 {
        // ORDERING: Relaxed: owners of the chain's lock are ordered by it, readers check the chain's header.
        self.header.0.load(Ordering::Relaxed)
    }

    /// Sets the tags of an overflow bucket. For the owner of the chain's lock.
    #[inline]
    pub(super) fn set_tags(&self, tags: u64) {
        // ORDERING: Relaxed: as in `tags`.
        self.header.0.store(tags, Ordering::Relaxed);
    }

    /// Takes a near overflow bucket for a chain, unless another one has it.
    pub(super) fn claim(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `disclaim`: the chain that had it is done with it.
        self.header.0.compare_exchange(0, CLAIMED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Whether this is a near overflow bucket, and some chain's.
    pub(super) fn is_claimed(&self) -> bool {
        self.tags() & CLAIMED != 0
    }

    /// Gives a near overflow bucket back.
    pub(super) fn disclaim(&self) {
        // ORDERING: Release pairs with the Acquire in `claim`.
        self.header.0.store(0, Ordering::Release);
    }

    /// The next bucket of the chain, on the same terms as `tags`.
    #[inline]
    pub(super) fn next(&self) -> *mut Self {
        // ORDERING: Relaxed for the same reasons as in `tags`; a bucket reached through an outdated pointer is still
        // memory of its table (see `overflow`).
        self.next.load(Ordering::Relaxed)
    }

    /// Sets the next bucket of the chain. For the owner of the chain's lock.
    #[inline]
    pub(super) fn set_next(&self, next: *mut Self) {
        // ORDERING: Relaxed: as in `tags`.
        self.next.store(next, Ordering::Relaxed);
    }
}

impl Header {
    /// Takes the lock and returns the header as it was.
    #[inline]
    pub(super) fn lock(&self) -> u64 {
        self.try_lock().unwrap_or_else(|| self.lock_contended())
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(super) fn try_lock(&self) -> Option<u64> {
        // ORDERING: Acquire pairs with the Release in `unlock`: we see what the last owner did.
        let header = self.0.swap(LOCKED, Ordering::Acquire);
        // ORDERING: Release fence: pairs with the fence in `is_still`. A reader that sees anything we write from here on
        // also sees that the header is no longer what it was.
        fence(Ordering::Release);
        (header != LOCKED).then_some(header)
    }

    #[cold]
    fn lock_contended(&self) -> u64 {
        loop {
            self.wait();
            if let Some(header) = self.try_lock() {
                return header;
            }
        }
    }

    /// Gives the lock back. `header` is what `lock` returned, with the owner's changes.
    #[inline]
    pub(super) fn unlock(&self, header: u64) {
        debug_assert!(header & LOCKED == 0);
        let header = header.wrapping_add(VERSION);
        // ORDERING: Release pairs with the Acquire in `lock`, and with the one in `read`. The swap of a thread that found
        // the lock taken comes before this store: nothing can come between a swap and what it replaced, and that was
        // our own swap or one of the same kind. loom does not know that rule for stores, only for swaps.
        if cfg!(raceguard_loom) {
            self.0.swap(header, Ordering::Release);
        } else {
            self.0.store(header, Ordering::Release);
        }
    }

    /// The header now, to begin an optimistic read unless it is [`SPECIAL`].
    #[inline]
    pub(super) fn read(&self) -> u64 {
        // ORDERING: Acquire pairs with the Release in `unlock`: the slots hold at least what that owner wrote.
        self.0.load(Ordering::Acquire)
    }

    /// Whether nobody had the lock since `read` returned `header`. Call it after the copying and before any use of the
    /// copy.
    #[inline]
    pub(super) fn is_still(&self, header: u64) -> bool {
        // ORDERING: Acquire fence: orders the copying before the load; pairs with the Release fence in `lock`.
        fence(Ordering::Acquire);
        self.0.load(Ordering::Relaxed) == header
    }

    /// Waits until the lock is free, which it may be no longer on return. Owners run closures of the caller, so it can
    /// take long: spin, then let others run, then sleep.
    #[cold]
    pub(super) fn wait(&self) {
        let mut waiting = sync::Waiting::default();
        // ORDERING: Relaxed: who then takes the lock or reads the header acquires.
        while self.0.load(Ordering::Relaxed) == LOCKED {
            waiting.wait();
        }
    }
}

/// Asks the processor to fetch a cache line that may be needed.
#[inline]
pub(super) fn prefetch(line: *const Head) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, which faults at no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(line.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = line;
}
