//! [`Limbo`]: what a data structure has unlinked and cannot free yet.
//!
//! Each structure owns its garbage, in one bag per thread that retires. So nothing outlives the structure: its drop
//! frees everything, and values need not be `'static`. A thread that ends leaves its bag behind; the next thread that
//! gets its slot goes on with it, and [`Limbo::collect`] reaches the bags of all threads.
//!
//! A bag fills up to a count of items or of bytes, is sealed with the epoch as stamp, and is freed by a later call of
//! the same thread (or by `collect`) once the epoch has moved on by [`GRACE`]. Freed memory goes
//! to a list of spare blocks first, so that a structure which replaces entries all the time does not go to the
//! allocator.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{self, AssertUnwindSafe};
use std::ptr::NonNull;
use std::thread::panicking;

use crossbeam_utils::CachePadded;

use super::biased::Biased;
use super::domain::{GRACE, Guard, domain, pin};
use crate::raw::prefetch;
use crate::raw::shelves::Shelves;
use crate::raw::sync::thread;

/// Items in a bag when it is sealed.
const BAG_ITEMS: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 256 };
/// Bytes in a bag when it is sealed, however few the items.
const BAG_BYTES: usize = 256 << 10;
/// Sealed bags of one thread beyond which idle threads are made to pass a fence.
const PATIENCE: usize = if cfg!(any(raceguard_stress, raceguard_loom)) { 1 } else { 8 };
/// Spare blocks of one thread, in items and in bytes.
const SPARE_ITEMS: usize = 32 * BAG_ITEMS;
const SPARE_BYTES: usize = 256 << 10;
/// How often `collect` lets others run while it waits for them.
const COLLECT_ROUNDS: u64 = if cfg!(any(raceguard_shuttle, raceguard_loom)) { 4 } else { 100 };
/// How often a brief `flush` tries: as often as the epoch must move, and once more to look.
const BRIEF_ROUNDS: u64 = GRACE + 1;

/// The garbage of one data structure, of type `T` allocated by [`Local::alloc`] or `Box`.
pub(crate) struct Limbo<T> {
    bags: Shelves<CachePadded<Biased<Bag<T>>>>,
}

// SAFETY: items are dropped by whichever thread collects, so they must be `Send`; nobody gets a reference to one.
unsafe impl<T: Send> Send for Limbo<T> {}
// SAFETY: as above; the bags have their own lock.
unsafe impl<T: Send> Sync for Limbo<T> {}

struct Bag<T> {
    fresh: Vec<NonNull<T>>,
    fresh_bytes: usize,
    sealed: VecDeque<Sealed<T>>,
    sealed_bytes: usize,
    spare: Vec<NonNull<T>>,
    /// An empty vector with capacity, for the next `fresh`.
    empty: Vec<NonNull<T>>,
}

struct Sealed<T> {
    items: Vec<NonNull<T>>,
    bytes: usize,
    stamp: u64,
}

impl<T> Default for Bag<T> {
    fn default() -> Self {
        Self {
            fresh: Vec::new(),
            fresh_bytes: 0,
            sealed: VecDeque::new(),
            sealed_bytes: 0,
            spare: Vec::new(),
            empty: Vec::new(),
        }
    }
}

impl<T> Bag<T> {
    fn seal(&mut self) {
        if self.fresh.is_empty() {
            return;
        }
        let items = std::mem::replace(&mut self.fresh, std::mem::take(&mut self.empty));
        let bytes = std::mem::take(&mut self.fresh_bytes);
        self.sealed_bytes += bytes;
        self.sealed.push_back(Sealed { items, bytes, stamp: domain().stamp() });
    }

    /// Takes out the oldest batch if its grace period is over.
    fn take_free(&mut self) -> Option<Vec<NonNull<T>>> {
        if !domain().is_over(self.sealed.front()?.stamp) {
            return None;
        }
        let batch = self.sealed.pop_front()?;
        self.sealed_bytes -= batch.bytes;
        Some(batch.items)
    }

    fn is_urgent(&self) -> bool {
        self.sealed.len() > PATIENCE || self.sealed_bytes > BAG_BYTES
    }

    /// Keeps the memory of dropped items as far as there is room; the rest stays in `blocks`.
    fn keep_spare(&mut self, blocks: &mut Vec<NonNull<T>>) {
        let room = SPARE_ITEMS.min(SPARE_BYTES / size_of::<T>().max(1)).saturating_sub(self.spare.len());
        self.spare.extend(blocks.drain(blocks.len().saturating_sub(room)..));
        if blocks.is_empty() && self.empty.capacity() == 0 {
            self.empty = std::mem::take(blocks);
        }
    }
}

impl<T> Limbo<T> {
    pub(crate) fn new() -> Self {
        Self { bags: Shelves::new() }
    }

    /// The calling thread's bag.
    #[inline]
    pub(crate) fn local<'a>(&'a self, guard: &'a Guard) -> Local<'a, T> {
        Local { bag: self.bags.get_or_add(guard.index()), _guard: guard }
    }

    /// Frees everything that can be freed now, of all threads, and returns how many items could not be.
    ///
    /// What was retired before is freed unless somebody stays pinned meanwhile; the calling thread must not be, nor
    /// hold a lock that the drop of an item needs.
    pub(crate) fn collect(&self) -> usize {
        let fences = domain().fences();
        for bag in self.bags.iter() {
            let _ = bag.claim(fences, Bag::seal);
        }
        let mut left = self.free_sealed();
        for _ in 0..COLLECT_ROUNDS {
            if left == 0 {
                break;
            }
            if !domain().try_advance(true) {
                thread::yield_now();
            }
            left = self.free_sealed();
        }
        left
    }

    /// Frees what the calling thread retired, unless somebody stays pinned meanwhile; the calling thread must not be.
    /// Cheaper than `collect`: other threads' bags stay as they are. Spare blocks go, too.
    pub(crate) fn flush(&self) {
        self.flush_within(COLLECT_ROUNDS);
    }

    /// As `flush`, but gives up at once if somebody stays pinned: for operations that should not wait.
    pub(crate) fn flush_briefly(&self) {
        self.flush_within(BRIEF_ROUNDS);
    }

    fn flush_within(&self, rounds: u64) {
        for _ in 0..rounds {
            let guard = pin();
            let local = self.local(&guard);
            if !local.has_garbage() {
                break;
            }
            local.turn_over(true);
            drop(guard);
            thread::yield_now();
        }
        self.local(&pin()).release_spare();
    }

    /// Drops and frees items of a structure that is not shared any more.
    ///
    /// # Safety
    ///
    /// Each was allocated by [`Local::alloc`] or `Box`, comes once, and was not retired.
    pub(crate) unsafe fn free_unshared(items: impl Iterator<Item = NonNull<T>>) {
        let mut items = items.peekable();
        let batches = std::iter::from_fn(|| {
            items.peek()?;
            Some(items.by_ref().take(BAG_ITEMS).collect())
        });
        free_batches(batches);
    }

    fn free_sealed(&self) -> usize {
        let fences = domain().fences();
        let mut left = 0;
        let mut free = Vec::new();
        for bag in self.bags.iter() {
            let held = bag.claim(fences, |bag| {
                free.extend(std::iter::from_fn(|| bag.take_free()));
                bag.fresh.len() + bag.sealed.iter().map(|sealed| sealed.items.len()).sum::<usize>()
            });
            left += held.unwrap_or(1);
        }
        free_batches(free);
        left
    }
}

impl<T> Drop for Limbo<T> {
    fn drop(&mut self) {
        let mut batches = Vec::new();
        for bag in self.bags.iter_mut() {
            let mut bag = std::mem::take(bag.get_mut());
            dealloc(&mut bag.spare);
            batches.extend(bag.sealed.into_iter().map(|sealed| sealed.items));
            batches.push(bag.fresh);
        }
        free_batches(batches);
    }
}

impl<T> fmt::Debug for Limbo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limbo").finish_non_exhaustive()
    }
}

/// The calling thread's bag of one structure.
pub(crate) struct Local<'a, T> {
    bag: &'a Biased<Bag<T>>,
    _guard: &'a Guard,
}

impl<T> Local<'_, T> {
    /// A block with this value, from the spare ones if there is one. To be freed by `retire`, `free` or `Box`.
    #[inline]
    pub(crate) fn alloc(&self, value: T) -> NonNull<T> {
        // SAFETY: the guard shows that this thread owns the slot that the bag belongs to.
        let spare = unsafe {
            self.bag.own(domain().fences(), |bag| {
                let spare = bag.spare.pop();
                // The next one may have been made by another thread, which still has the cache line as its writer.
                if let Some(next) = bag.spare.last() {
                    prefetch::to_write(next.as_ptr());
                }
                spare
            })
        };
        match spare {
            Some(block) => {
                // SAFETY: a spare block is a valid allocation for a `T` that nobody refers to.
                unsafe { block.write(value) };
                block
            }
            None => NonNull::from(Box::leak(Box::new(value))),
        }
    }

    /// Hands over an unlinked item: it is dropped when nobody can hold it any more. Drops of earlier items may run
    /// here, so the caller holds no lock.
    ///
    /// # Safety
    ///
    /// `item` was allocated by `alloc` or `Box`, no thread that pins itself from now on can reach it, and it is retired
    /// once.
    #[inline]
    pub(crate) unsafe fn retire(&self, item: NonNull<T>) {
        // SAFETY: passed on.
        unsafe { self.retire_sized(item, size_of::<T>()) };
    }

    /// As `retire`, for an item that keeps `bytes` of memory alive.
    ///
    /// # Safety
    ///
    /// As for `retire`.
    #[inline]
    pub(crate) unsafe fn retire_sized(&self, item: NonNull<T>, bytes: usize) {
        // SAFETY: as in `alloc`.
        let full = unsafe {
            self.bag.own(domain().fences(), |bag| {
                bag.fresh.push(item);
                bag.fresh_bytes += bytes;
                bag.fresh.len() >= BAG_ITEMS || bag.fresh_bytes >= BAG_BYTES
            })
        };
        if full {
            self.turn_over(false);
        }
    }

    /// Frees what can be freed of what this thread retired, and does its part so that the rest can be.
    pub(crate) fn poll(&self) {
        if self.has_garbage() {
            self.turn_over(false);
        }
    }

    fn has_garbage(&self) -> bool {
        let garbage = |bag: &mut Bag<T>| !bag.fresh.is_empty() || !bag.sealed.is_empty();
        // SAFETY: as in `alloc`.
        unsafe { self.bag.own(domain().fences(), garbage) }
    }

    /// Drops an item that was never shared and keeps its block.
    ///
    /// # Safety
    ///
    /// `item` was allocated by `alloc` or `Box`, and no other thread has seen it.
    pub(crate) unsafe fn take(&self, item: NonNull<T>) -> T {
        // SAFETY: ours alone.
        let value = unsafe { item.read() };
        self.recycle(vec![item]);
        value
    }

    /// Seals the bag and frees what can be freed. `urgent` makes idle threads pass a fence at once.
    #[cold]
    fn turn_over(&self, urgent: bool) {
        let fences = domain().fences();
        // SAFETY: as in `alloc`.
        let (waiting, much) = unsafe {
            self.bag.own(fences, |bag| {
                bag.seal();
                (bag.sealed.len(), bag.is_urgent())
            })
        };
        if waiting > 1 || much || urgent {
            domain().try_advance(much || urgent);
        }
        // SAFETY: as in `alloc`.
        while let Some(batch) = unsafe { self.bag.own(fences, Bag::take_free) } {
            let panicked = drop_items(&batch);
            self.recycle(batch);
            resume(panicked);
        }
    }

    /// Gives the spare blocks of this thread back to the allocator: each may be all that keeps a page from the system.
    pub(crate) fn release_spare(&self) {
        // SAFETY: as in `alloc`.
        let mut spare = unsafe { self.bag.own(domain().fences(), |bag| std::mem::take(&mut bag.spare)) };
        dealloc(&mut spare);
    }

    fn recycle(&self, mut blocks: Vec<NonNull<T>>) {
        // SAFETY: as in `alloc`.
        unsafe { self.bag.own(domain().fences(), |bag| bag.keep_spare(&mut blocks)) };
        dealloc(&mut blocks);
    }
}

/// Drops the items in place, all of them even if some panic. Returns the first panic.
fn drop_items<T>(items: &[NonNull<T>]) -> Option<Box<dyn Any + Send>> {
    let mut first = None;
    if std::mem::needs_drop::<T>() {
        let mut rest = items.iter();
        while rest.len() > 0 {
            let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
                for item in rest.by_ref() {
                    // SAFETY: its grace period is over, or the structure is being dropped: nobody else refers to it.
                    unsafe { item.drop_in_place() };
                }
            }));
            first = first.or(outcome.err());
        }
    }
    first
}

/// Lets a caught panic go on, unless that would end the process because there is one already.
fn resume(panicked: Option<Box<dyn Any + Send>>) {
    if let Some(payload) = panicked
        && !panicking()
    {
        panic::resume_unwind(payload);
    }
}

fn free_batches<T>(batches: impl IntoIterator<Item = Vec<NonNull<T>>>) {
    let mut first = None;
    for mut batch in batches {
        let panicked = drop_items(&batch);
        first = first.or(panicked);
        dealloc(&mut batch);
    }
    resume(first);
}

/// Frees the blocks of dropped items.
fn dealloc<T>(blocks: &mut Vec<NonNull<T>>) {
    for block in blocks.drain(..) {
        // SAFETY: allocated for a `T` by `Box`, and nobody refers to it.
        drop(unsafe { Box::from_raw(block.cast::<MaybeUninit<T>>().as_ptr()) });
    }
}
