//! Shadow memory: where the records of an application address lie.
//!
//! | per 8 bytes of the program | holds | region |
//! |---|---|---|
//! | cell, 2 words | two records, or one record and an overflow reference | [`CELLS`] |
//! | 2 × u32 | the calling context of each of the two records | [`CONTEXTS`] |
//! | u32 | the calling context that allocated the object starting here | [`ALLOCATIONS`] |
//! | u32 | the sync object at this address | [`SYNCS`] |
//!
//! and a byte of flags per 8 KB page. Go's race build keeps its heap in [`HEAP_START`]..[`HEAP_END`]; the data
//! segment of the program is the only other range with a shadow. All regions are linear in the address, reserved
//! without being committed, and mapped as Go announces memory (`__tsan_map_shadow`). A *line* is 64 bytes of the
//! program, eight cells; bit `LOCK` of its first word excludes others while any cell of it is changed.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::lock::Backoff;
use crate::record::{LOCK, Record};
use crate::sys;

/// First address of Go's heap in race builds (runtime/malloc.go, `sysReserve` hints under raceenabled).
pub const HEAP_START: usize = 0xc0_0000_0000;
/// First address behind it.
pub const HEAP_END: usize = 0xe0_0000_0000;

/// Cells of the heap.
pub const CELLS: usize = 0x2000_0000_0000;
const DATA_CELLS: usize = 0x2400_0000_0000;
/// Contexts, two u32 per cell: `cell / 2 + CONTEXTS_BIAS`.
pub const CONTEXTS: usize = CELLS / 2 + CONTEXTS_BIAS;
const CONTEXTS_BIAS: usize = 0x2000_0000_0000;
/// Allocation contexts, a u32 per cell: `cell / 4 + ALLOCATIONS_BIAS`.
pub const ALLOCATIONS: usize = CELLS / 4 + ALLOCATIONS_BIAS;
const ALLOCATIONS_BIAS: usize = 0x3000_0000_0000;
/// Indices of sync objects, a u32 per cell: `cell / 4 + SYNCS_BIAS`.
pub const SYNCS: usize = CELLS / 4 + SYNCS_BIAS;
const SYNCS_BIAS: usize = 0x3400_0000_0000;
const FLAGS_BIAS: usize = 0x3e00_0000_0000;
const FLAGS_SHIFT: usize = 14;

/// `cell = (address & !7) * 2 + HEAP_BIAS` for heap addresses.
pub const HEAP_BIAS: usize = CELLS - 2 * HEAP_START;
/// Bytes of the program per line.
pub const LINE: usize = 64;
/// Bytes of cells per line.
const LINE_CELLS: usize = 2 * LINE;
/// Bytes of the program per page of flags; Go's page size.
pub const PAGE: usize = 8192;

/// Some record was written on this page since it was last cleared.
pub const TOUCHED: u8 = 1;
/// Some cell of this page refers to an overflow set.
pub const OVERFLOWED: u8 = 2;
/// Some sync object lies on this page.
pub const HAS_SYNC: u8 = 4;

static DATA_BIAS: AtomicUsize = AtomicUsize::new(0);
static DATA_START: AtomicUsize = AtomicUsize::new(0);
static DATA_END: AtomicUsize = AtomicUsize::new(0);

/// `cell = (address & !7) * 2 + data_bias()` for addresses of the data segment.
pub fn data_bias() -> usize {
    DATA_BIAS.load(Ordering::Relaxed)
}

/// Whether `address` lies in the heap or in the data segment: only those have a shadow.
pub fn has_shadow(address: usize) -> bool {
    is_heap(address)
        || (DATA_START.load(Ordering::Relaxed)..DATA_END.load(Ordering::Relaxed)).contains(&address)
}

/// Whether `address` lies in the range of Go's heap.
#[inline(always)]
pub fn is_heap(address: usize) -> bool {
    address.wrapping_sub(HEAP_START) < HEAP_END - HEAP_START
}

/// Maps the shadow of a range that Go is going to use. The first range is the data segment, all later ones heap.
pub fn map(start: usize, size: usize) {
    if !is_heap(start) {
        DATA_BIAS.store(DATA_CELLS.wrapping_sub(2 * start), Ordering::Relaxed);
        DATA_START.store(start, Ordering::Relaxed);
        DATA_END.store(start + size, Ordering::Relaxed);
    }
    let first = Cell::of(start).0;
    let bytes = 2 * size;
    map_region(first, bytes);
    map_region(first / 2 + CONTEXTS_BIAS, bytes / 2);
    map_region(first / 4 + SYNCS_BIAS, bytes / 4);
    if is_heap(start) {
        map_region(first / 4 + ALLOCATIONS_BIAS, bytes / 4);
    }
}

/// Maps the page flags, once, before anything else.
pub fn map_flags() {
    let heap = CELLS >> FLAGS_SHIFT;
    map_region(heap + FLAGS_BIAS, (HEAP_END - HEAP_START) / PAGE);
    map_region((DATA_CELLS >> FLAGS_SHIFT) + FLAGS_BIAS, 1 << 24);
}

fn map_region(start: usize, bytes: usize) {
    let first = start & !4095;
    let end = (start + bytes).next_multiple_of(4096);
    match sys::map_at(first, end - first) {
        Ok(()) => {}
        // Neighbouring ranges share their border pages: map what is missing page by page.
        Err(sys::EEXIST) if end - first > 4096 => {
            for page in [first, end - 4096] {
                let _ = sys::map_at(page, 4096);
            }
            if end - first > 8192 && sys::map_at(first + 4096, end - first - 8192).is_err() {
                out_of_address_space();
            }
        }
        Err(sys::EEXIST) => {}
        Err(_) => out_of_address_space(),
    }
}

fn out_of_address_space() -> ! {
    sys::fatal(
        "cannot reserve shadow memory for the Go heap",
        "a limit on address space (ulimit -v) or on memory overcommit stands in the way; `raceguard doctor` shows it",
    )
}

/// The shadow of eight bytes of the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cell(usize);

impl Cell {
    /// The cell of the word that holds `address`, which must have a shadow.
    #[inline(always)]
    pub fn of(address: usize) -> Self {
        let bias = if is_heap(address) { HEAP_BIAS } else { data_bias() };
        Self((address & !7).wrapping_mul(2).wrapping_add(bias))
    }

    /// The next cell.
    #[inline(always)]
    pub fn next(self) -> Self {
        Self(self.0 + 16)
    }

    #[inline(always)]
    fn word(&self, index: usize) -> &AtomicU64 {
        // SAFETY: cells are made only from addresses with a mapped shadow, and shadow is never unmapped.
        unsafe { &*((self.0 + 8 * index) as *const AtomicU64) }
    }

    /// Reads both words, the lock bit removed.
    #[inline(always)]
    pub fn load(self) -> (Record, Record) {
        let first = self.word(0).load(Ordering::Relaxed) & !LOCK;
        (Record(first), Record(self.word(1).load(Ordering::Relaxed)))
    }

    /// Reads the second word anew, ordered after all that was read through it.
    #[inline(always)]
    pub fn reload_second(self) -> Record {
        core::sync::atomic::fence(Ordering::Acquire);
        Record(self.word(1).load(Ordering::Relaxed))
    }

    /// Writes both words. The line must be locked; the lock bit of its first cell stays set.
    #[inline(always)]
    pub fn store(self, first: Record, second: Record) {
        let lock = if self.0 % LINE_CELLS == 0 { LOCK } else { 0 };
        self.word(1).store(second.0, Ordering::Relaxed);
        self.word(0).store(first.0 | lock, Ordering::Relaxed);
    }

    /// The contexts of the two records.
    #[inline(always)]
    pub fn context(&self, index: usize) -> &AtomicU32 {
        // SAFETY: mapped together with the cell.
        unsafe { &*((self.0 / 2 + CONTEXTS_BIAS + 4 * index) as *const AtomicU32) }
    }

    /// The context that allocated the object that starts at this word. Heap only.
    #[inline(always)]
    pub fn allocation(&self) -> &AtomicU32 {
        // SAFETY: mapped together with the cell for heap ranges; callers check `is_heap`.
        unsafe { &*((self.0 / 4 + ALLOCATIONS_BIAS) as *const AtomicU32) }
    }

    /// The index of the sync object at this word, 0 for none.
    #[inline(always)]
    pub fn sync(&self) -> &AtomicU32 {
        // SAFETY: mapped together with the cell.
        unsafe { &*((self.0 / 4 + SYNCS_BIAS) as *const AtomicU32) }
    }

    /// The flags of the page.
    #[inline(always)]
    pub fn flags(&self) -> &AtomicU8 {
        // SAFETY: the flags of the whole heap and of 128 GB of data are mapped at the start.
        unsafe { &*(((self.0 >> FLAGS_SHIFT) + FLAGS_BIAS) as *const AtomicU8) }
    }

    /// Sets flags of the page, with a write only when one is missing.
    #[inline(always)]
    pub fn mark(self, flags: u8) {
        if self.flags().load(Ordering::Relaxed) & flags != flags {
            self.flags().fetch_or(flags, Ordering::Relaxed);
        }
    }

    /// Locks the line of this cell until the guard is dropped.
    #[inline(always)]
    pub fn lock_line(self) -> LineGuard {
        let first = Self(self.0 & !(LINE_CELLS - 1));
        let word = first.word(0);
        let value = word.load(Ordering::Relaxed) & !LOCK;
        // ORDERING: Acquire pairs with the Release in the guard's drop.
        if word.compare_exchange(value, value | LOCK, Ordering::Acquire, Ordering::Relaxed).is_err() {
            lock_contended(word);
        }
        LineGuard(first)
    }

    /// Clears `words` cells from here on. Nobody else may be using them; the caller knows of no overflow sets.
    pub fn clear(self, words: usize) {
        // SAFETY: the range belongs to an object that is being allocated, whose whole shadow is mapped, and other
        // goroutines touch these cells only through records of that object. The first cell of a shared line, which
        // holds the lock of its neighbours, is cleared by the caller under that lock.
        unsafe { core::ptr::write_bytes(self.0 as *mut u8, 0, words * 16) };
    }
}

#[cold]
fn lock_contended(word: &AtomicU64) {
    let mut backoff = Backoff::default();
    loop {
        let value = word.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in the guard's drop.
        if value & LOCK == 0
            && word.compare_exchange(value, value | LOCK, Ordering::Acquire, Ordering::Relaxed).is_ok()
        {
            return;
        }
        backoff.wait();
    }
}

/// A locked line.
pub struct LineGuard(Cell);

impl Drop for LineGuard {
    #[inline(always)]
    fn drop(&mut self) {
        let word = self.0.word(0);
        let value = word.load(Ordering::Relaxed);
        // ORDERING: Release pairs with the Acquire of the next holder.
        word.store(value & !LOCK, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_do_not_meet() {
        let last = Cell(CELLS + 2 * (HEAP_END - HEAP_START));
        let regions = [
            (CELLS, last.0),
            (DATA_CELLS, DATA_CELLS + (1 << 40)),
            (CONTEXTS, last.0 / 2 + CONTEXTS_BIAS),
            (DATA_CELLS / 2 + CONTEXTS_BIAS, DATA_CELLS / 2 + CONTEXTS_BIAS + (1 << 39)),
            (ALLOCATIONS, last.0 / 4 + ALLOCATIONS_BIAS),
            (SYNCS, last.0 / 4 + SYNCS_BIAS),
            (DATA_CELLS / 4 + SYNCS_BIAS, DATA_CELLS / 4 + SYNCS_BIAS + (1 << 38)),
            (FLAGS_BIAS, FLAGS_BIAS + (0x4000_0000_0000 >> FLAGS_SHIFT)),
        ];
        for (i, a) in regions.iter().enumerate() {
            assert!(a.0 < a.1 && a.1 < 0x5000_0000_0000);
            for b in &regions[i + 1..] {
                assert!(a.1 <= b.0 || b.1 <= a.0, "{a:x?} meets {b:x?}");
            }
        }
    }
}
