//! Shadow memory: where the records of an application address lie.
//!
//! | per 8 bytes of the program | holds | region |
//! |---|---|---|
//! | u64 in each of [`LANES`] lanes | a record; the last lane can hold a reference to an overflow set | [`FIRST`], and every [`LANE`] behind it |
//! | u32 in each lane | the calling context of that record | [`CONTEXTS`], and every `LANE_CONTEXT` behind it |
//! | u32 | the sync object at this address | [`SYNCS`] |
//!
//! a u32 per 16 bytes with the calling context that allocated the object starting there ([`ALLOCATIONS`]), and a byte
//! of flags per page. A lane is used only where the ones before it are. Most memory is used by one goroutine at a
//! time and has one record a word: the other lanes are never touched there, so they take no memory.
//!
//! Go's race build keeps its heap in [`HEAP_START`]..[`HEAP_END`]; the data segment of the program is the only other
//! range with a shadow. All regions are linear in the address, reserved without being committed, and mapped as Go
//! announces memory (`__tsan_map_shadow`). A *line* is 64 bytes of the program, eight cells; bit `LOCK` of its first
//! record excludes others while any cell of it is changed.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use crate::lock::{Backoff, SpinLock};
use crate::record::{LOCK, Record};
use crate::{budget, sys};

/// First address of Go's heap in race builds (runtime/malloc.go, `sysReserve` hints under raceenabled).
pub const HEAP_START: usize = 0xc0_0000_0000;
/// First address behind it.
pub const HEAP_END: usize = 0xe0_0000_0000;

/// First records of the heap, as far apart as the words of the program.
pub const FIRST: usize = 0x2000_0000_0000;
const DATA_FIRST: usize = 0x2100_0000_0000;
/// How many records a cell holds itself.
pub const LANES: usize = 4;
/// From a record to the one in the next lane.
pub const LANE: usize = 0x0200_0000_0000;
/// Contexts of the first lane: `cell / 2 + CONTEXTS_BIAS`.
pub const CONTEXTS: usize = FIRST / 2 + CONTEXTS_BIAS;
const CONTEXTS_BIAS: usize = 0x2000_0000_0000;
const LANE_CONTEXT: usize = 0x0100_0000_0000;
/// Allocation contexts: `cell / 16 * 4 + ALLOCATIONS_BIAS`.
pub const ALLOCATIONS: usize = FIRST / 4 + ALLOCATIONS_BIAS;
const ALLOCATIONS_BIAS: usize = 0x3000_0000_0000;
/// Indices of sync objects: `cell / 2 + SYNCS_BIAS`.
pub const SYNCS: usize = FIRST / 2 + SYNCS_BIAS;
const SYNCS_BIAS: usize = 0x2a00_0000_0000;
/// Flags of the page that an address up to [`HEAP_END`] lies on, if its cell is `address + HEAP_BIAS`:
/// `(address >> PAGE_SHIFT) + FLAGS`.
pub const FLAGS: usize = 0x3e00_0000_0000;
const FLAGS_BIAS: usize = FLAGS - (HEAP_BIAS >> PAGE_SHIFT);

/// `cell = (address & !7) + HEAP_BIAS` for addresses of the heap, and of data below [`LOW_END`].
pub const HEAP_BIAS: usize = FIRST - HEAP_START;
/// The data segments of programs that are linked to a fixed address end before this one.
const LOW_END: usize = 1 << 32;
/// Bytes of the program, and of first records, per line.
pub const LINE: usize = 64;
/// Bytes of the program per byte of flags, and a page of the system: whether the memory of its records is in use is exact.
pub const PAGE: usize = 1 << PAGE_SHIFT;
/// See [`PAGE`].
pub const PAGE_SHIFT: usize = 12;
/// Some record was written to the first lane of this page since it was last cleared; the bits above are for the
/// other lanes.
pub const TOUCHED: u8 = 1;
/// The flags of all lanes.
pub const ALL_LANES: u8 = (1 << LANES) - 1;
/// The memory of the page's first lane, or of its other lanes, has been counted ([`budget`]).
const COUNTED: u8 = 0x10;
const COUNTED_MORE: u8 = 0x20;
/// Some cell of this page refers to an overflow set.
pub const OVERFLOWED: u8 = 0x40;
/// Some sync object lies on this page.
pub const HAS_SYNC: u8 = 0x80;

/// See [`data_bias`].
pub static DATA_BIAS: AtomicUsize = AtomicUsize::new(0);
/// First address of the data segment.
pub static DATA_START: AtomicUsize = AtomicUsize::new(0);
/// Bytes of the data segment; 0 until it is known.
pub static DATA_SIZE: AtomicUsize = AtomicUsize::new(0);

/// `cell = (address & !7) + data_bias()` for addresses of the data segment.
pub fn data_bias() -> usize {
    DATA_BIAS.load(Ordering::Relaxed)
}

/// Whether `address` lies in the heap or in the data segment: only those have a shadow.
pub fn has_shadow(address: usize) -> bool {
    let in_data = address.wrapping_sub(DATA_START.load(Ordering::Relaxed));
    is_heap(address) || in_data < DATA_SIZE.load(Ordering::Relaxed)
}

/// Whether `address` lies in the range of Go's heap.
#[inline(always)]
pub fn is_heap(address: usize) -> bool {
    address.wrapping_sub(HEAP_START) < HEAP_END - HEAP_START
}

/// Maps the shadow of a range that Go is going to use. The first range is the data segment, all later ones heap.
pub fn map(start: usize, size: usize) {
    if !is_heap(start) {
        let bias = if start + size <= LOW_END {
            HEAP_BIAS
        } else {
            // Lines of the shadow have to be lines of the program, wherever the segment starts.
            DATA_FIRST.wrapping_sub(start & !(PAGE - 1))
        };
        DATA_BIAS.store(bias, Ordering::Relaxed);
    }
    RANGES.lock().add(start, size);
    let first = Cell::of(start).0;
    let contexts = first / 2 + CONTEXTS_BIAS;
    for lane in 0..LANES {
        map_region(first + lane * LANE, size);
        map_region(contexts + lane * LANE_CONTEXT, size / 2);
    }
    map_region(first / 2 + SYNCS_BIAS, size / 2);
    if is_heap(start) {
        map_region(first / 4 + ALLOCATIONS_BIAS, size / 4);
    } else {
        DATA_START.store(start, Ordering::Relaxed);
        DATA_SIZE.store(size, Ordering::Relaxed);
    }
}

/// The ranges that have a shadow, neighbours merged.
static RANGES: SpinLock<Ranges> = SpinLock::new(Ranges { len: 0, ranges: [(0, 0); Ranges::MOST] });

struct Ranges {
    len: usize,
    ranges: [(usize, usize); Self::MOST],
}

impl Ranges {
    /// Go's arenas follow each other with few gaps.
    const MOST: usize = 256;

    fn add(&mut self, start: usize, size: usize) {
        let known = &mut self.ranges[..self.len];
        if let Some(last) = known.iter_mut().find(|range| range.0 + range.1 == start) {
            last.1 += size;
        } else if self.len < Self::MOST {
            self.ranges[self.len] = (start, size);
            self.len += 1;
        }
    }
}

/// Calls `action` with start and size, in whole pages, of every range that has a shadow. False if there are too many
/// to know them all.
pub fn for_each_range(mut action: impl FnMut(usize, usize)) -> bool {
    let (len, ranges) = {
        let ranges = RANGES.lock();
        (ranges.len, ranges.ranges)
    };
    for (start, size) in &ranges[..len] {
        let first = start & !(PAGE - 1);
        action(first, (start + size).next_multiple_of(PAGE) - first);
    }
    len < Ranges::MOST
}

/// Maps the page flags, once, before anything else.
pub fn map_flags() {
    map_region(FLAGS, (HEAP_END >> PAGE_SHIFT) + PAGE);
    map_region((DATA_FIRST >> PAGE_SHIFT) + FLAGS_BIAS, 1 << 24);
}

/// Maps whole pages of shadow around a part of it.
fn map_region(start: usize, bytes: usize) {
    let first = start & !(PAGE - 1);
    let end = (start + bytes).next_multiple_of(PAGE);
    match sys::map_at(first, end - first) {
        Ok(()) => {}
        // Neighbouring ranges share their border pages: map what is missing page by page.
        Err(sys::EEXIST) => {
            for page in [first, end - PAGE] {
                let _ = sys::map_at(page, PAGE);
            }
            if end - first > 2 * PAGE && sys::map_at(first + PAGE, end - first - 2 * PAGE).is_err() {
                out_of_address_space();
            }
        }
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
        Self((address & !7).wrapping_add(bias))
    }

    /// The next cell.
    #[inline(always)]
    pub fn next(self) -> Self {
        Self(self.0 + 8)
    }

    #[inline(always)]
    fn word(&self, lane: usize) -> &AtomicU64 {
        // SAFETY: cells are made only from addresses with a mapped shadow, and shadow is never unmapped.
        unsafe { &*((self.0 + lane * LANE) as *const AtomicU64) }
    }

    /// The record in `lane`, the lock bit removed. Empty lanes follow upon the first empty one: do not look at those,
    /// to leave their memory untouched.
    #[inline(always)]
    pub fn load(self, lane: usize) -> Record {
        let word = self.word(lane).load(Ordering::Relaxed);
        Record(if lane == 0 { word & !LOCK } else { word })
    }

    /// The record in `lane`, whose memory is left alone if nothing on the page was ever written to it: reading would
    /// cost a page fault now, and another one at the first write.
    #[inline(always)]
    pub fn load_if_used(self, lane: usize, flags: u8) -> Record {
        if flags & TOUCHED << lane == 0 { Record::EMPTY } else { self.load(lane) }
    }

    /// Whether there is any record.
    #[inline(always)]
    pub fn is_used(self) -> bool {
        self.load_if_used(0, self.flags().load(Ordering::Relaxed)) != Record::EMPTY
    }

    /// Reads the last lane anew, ordered after all that was read through it.
    #[inline(always)]
    pub fn reload_last(self) -> Record {
        core::sync::atomic::fence(Ordering::Acquire);
        self.load(LANES - 1)
    }

    /// Writes a record. The line must be locked; the lock bit of its first cell stays set.
    #[inline(always)]
    pub fn store(self, lane: usize, record: Record) {
        let lock = if lane == 0 && self.0.is_multiple_of(LINE) { LOCK } else { 0 };
        self.word(lane).store(record.0 | lock, Ordering::Relaxed);
        if lane > 0 {
            self.mark(TOUCHED << lane);
        }
    }

    /// The record that the eight cells of the line from here on all have in `lane`.
    #[inline(always)]
    pub fn load_line(self, lane: usize) -> Option<Record> {
        let record = self.load(lane);
        let mut difference = 0;
        for word in 1..LINE / 8 {
            difference |= Self(self.0 + 8 * word).load(lane).0 ^ record.0;
        }
        (difference == 0).then_some(record)
    }

    /// Writes one record to the eight cells of the line from here on, which must be locked and stays so.
    #[inline(always)]
    pub fn store_line(self, lane: usize, record: Record) {
        for word in 1..LINE / 8 {
            Self(self.0 + 8 * word).word(lane).store(record.0, Ordering::Relaxed);
        }
        self.store(lane, record);
    }

    /// Writes one context to the eight cells of the line from here on, which must be locked.
    #[inline(always)]
    pub fn set_context_of_line(self, lane: usize, context: u32) {
        for word in 0..LINE / 8 {
            Self(self.0 + 8 * word).context(lane).store(context, Ordering::Relaxed);
        }
    }

    /// Writes a record and its context. The line must be locked.
    #[inline(always)]
    pub fn set(self, lane: usize, record: Record, context: u32) {
        self.context(lane).store(context, Ordering::Relaxed);
        self.store(lane, record);
    }

    /// The calling context of the record in `lane`.
    #[inline(always)]
    pub fn context(&self, lane: usize) -> &AtomicU32 {
        // SAFETY: mapped together with the cell.
        unsafe { &*((self.0 / 2 + CONTEXTS_BIAS + lane * LANE_CONTEXT) as *const AtomicU32) }
    }

    /// The context that allocated an object that starts in the 16 bytes around this word. Heap only.
    #[inline(always)]
    fn allocation(&self) -> &AtomicU32 {
        // SAFETY: mapped together with the cell for heap ranges; callers check `is_heap`.
        unsafe { &*(((self.0 >> 4 << 2) + ALLOCATIONS_BIAS) as *const AtomicU32) }
    }

    /// The index of the sync object at this word, 0 for none.
    #[inline(always)]
    pub fn sync(&self) -> &AtomicU32 {
        // SAFETY: mapped together with the cell.
        unsafe { &*((self.0 / 2 + SYNCS_BIAS) as *const AtomicU32) }
    }

    /// The flags of the page.
    #[inline(always)]
    pub fn flags(&self) -> &AtomicU8 {
        // SAFETY: the flags of the whole heap and of 64 GB of data are mapped at the start.
        unsafe { &*(((self.0 >> PAGE_SHIFT) + FLAGS_BIAS) as *const AtomicU8) }
    }

    /// Sets flags of the page, with a write only when one is missing.
    #[inline(always)]
    pub fn mark(self, flags: u8) {
        if self.flags().load(Ordering::Relaxed) & flags != flags {
            self.mark_newly(flags);
        }
    }

    /// Makes the first lane's memory of the page writable before anybody reads it. A page that is read first is mapped
    /// twice: as the system's page of zeroes, and again by the first write, which then interrupts the other processors.
    #[inline(always)]
    pub fn prepare_page(self) {
        if !self.is_prepared() {
            self.prepare_new_page();
        }
    }

    /// Whether anything was allocated by a goroutine, or accessed, on this page.
    #[inline(always)]
    pub fn is_prepared(self) -> bool {
        self.flags().load(Ordering::Relaxed) & COUNTED != 0
    }

    #[cold]
    fn prepare_new_page(self) {
        let start = Self(self.0 & !(PAGE - 1));
        // Writes a zero in place of a zero, so that it does not matter who else writes. Adding nothing would be
        // compiled to a mere read.
        let _ = start.word(0).compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
        let _ = start.context(0).compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
        self.set_flags(COUNTED);
    }

    #[cold]
    fn mark_newly(self, flags: u8) {
        if flags & TOUCHED != 0 {
            self.prepare_page();
        }
        let more = flags & ALL_LANES & !TOUCHED != 0;
        self.set_flags(if more { flags | COUNTED_MORE } else { flags });
    }

    fn set_flags(self, flags: u8) {
        // ORDERING: Release, for `sync_object::find`.
        let newly = flags & !self.flags().fetch_or(flags, Ordering::Release);
        for counted in [COUNTED, COUNTED_MORE] {
            if newly & counted != 0 {
                budget::add_shadow(PAGE + PAGE / 2);
            }
        }
    }

    /// Locks the line of this cell until the guard is dropped.
    #[inline(always)]
    pub fn lock_line(self) -> LineGuard {
        let first = Self(self.0 & !(LINE - 1));
        let word = first.word(0);
        let value = word.load(Ordering::Relaxed);
        // ORDERING: Acquire pairs with the Release in the guard's drop.
        if value & LOCK != 0
            || word.compare_exchange(value, value | LOCK, Ordering::Acquire, Ordering::Relaxed).is_err()
        {
            lock_contended(word);
        }
        LineGuard(first)
    }

    /// Whether somebody holds the lock of this cell's line now.
    #[inline(always)]
    pub fn line_is_locked(self) -> bool {
        // ORDERING: Acquire pairs with the Release in the guard's drop.
        Self(self.0 & !(LINE - 1)).word(0).load(Ordering::Acquire) & LOCK != 0
    }

    /// As [`Self::lock_line`], but gives up when somebody else holds the lock.
    #[inline(always)]
    pub fn try_lock_line(self) -> Option<LineGuard> {
        let first = Self(self.0 & !(LINE - 1));
        let word = first.word(0);
        let value = word.load(Ordering::Relaxed) & !LOCK;
        // ORDERING: Acquire pairs with the Release in the guard's drop.
        let locked = word.compare_exchange(value, value | LOCK, Ordering::Acquire, Ordering::Relaxed).is_ok();
        locked.then(|| LineGuard(first))
    }

    /// Clears `words` records of a lane from here on. Nobody else may be using them; the caller knows of no overflow
    /// sets, and holds the lock of the line if other objects share it.
    pub fn clear(self, lane: usize, words: usize) {
        let start = self.0 + lane * LANE;
        if words >= 32 {
            // SAFETY: the cells of an object, mapped together with it, which nobody uses.
            return unsafe { (start as *mut u64).write_bytes(0, words) };
        }
        for at in (start..start + 8 * words).step_by(8) {
            // SAFETY: the cells of an object, mapped together with it.
            unsafe { (*(at as *const AtomicU64)).store(0, Ordering::Relaxed) };
        }
    }
}

/// Gives the memory of all records of some whole pages of the program back. They hold no overflow sets, and nobody uses
/// them.
pub fn discard(start: usize, size: usize) {
    let mut used = 0;
    for page in (start..start + size).step_by(PAGE) {
        let forget = ALL_LANES | OVERFLOWED | COUNTED | COUNTED_MORE;
        let flags = Cell::of(page).flags().fetch_and(!forget, Ordering::Relaxed);
        used |= flags;
        let counted = u32::from(flags & COUNTED != 0) + u32::from(flags & COUNTED_MORE != 0);
        budget::remove_shadow(counted as usize * (PAGE + PAGE / 2));
    }
    let first = Cell::of(start).0;
    for lane in (0..LANES).filter(|lane| used & TOUCHED << lane != 0 || *lane == 0) {
        sys::discard(first + lane * LANE, size);
        sys::discard(first / 2 + CONTEXTS_BIAS + lane * LANE_CONTEXT, size / 2);
    }
}

/// Bits of an allocation entry that say where in the 16 bytes the object starts.
const START_BITS: u32 = 4;

/// Remembers that the object at `address` was allocated in `context`; 0 for unknown. Heap only.
#[inline]
pub fn set_allocation(address: usize, context: u32) {
    let entry =
        if context >> (32 - START_BITS) == 0 { context << START_BITS | (address & 15) as u32 } else { 0 };
    Cell::of(address).allocation().store(entry, Ordering::Relaxed);
}

/// The context that allocated the object that starts at `object` and holds `address`, 0 if it is not known. Small
/// objects share 16 bytes, of which only the last one allocated is remembered.
pub fn allocation(object: usize, address: usize) -> u32 {
    let entry = Cell::of(object).allocation().load(Ordering::Relaxed);
    let start = (object & !15) + (entry & 15) as usize;
    if start >= object && start <= address { entry >> START_BITS } else { 0 }
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

impl LineGuard {
    /// Whether it is the line of `cell`.
    pub fn guards(&self, cell: Cell) -> bool {
        self.0.0 == cell.0 & !(LINE - 1)
    }
}

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
        let heap = HEAP_END - HEAP_START;
        let low_first = HEAP_BIAS;
        let data_flags = (DATA_FIRST >> PAGE_SHIFT) + FLAGS_BIAS;
        let mut regions = vec![
            (ALLOCATIONS, ALLOCATIONS + heap / 4),
            (SYNCS, SYNCS + heap / 2),
            (DATA_FIRST / 2 + SYNCS_BIAS, DATA_FIRST / 2 + SYNCS_BIAS + heap / 2),
            (FLAGS, FLAGS + (HEAP_END >> PAGE_SHIFT) + PAGE),
            (data_flags, data_flags + (1 << 24)),
            (low_first / 2 + SYNCS_BIAS, low_first / 2 + SYNCS_BIAS + LOW_END / 2),
        ];
        for lane in 0..LANES {
            for (start, size) in [(FIRST, heap), (DATA_FIRST, heap), (low_first, LOW_END)] {
                regions.push((start + lane * LANE, start + lane * LANE + size));
            }
            for (first, size) in [(FIRST, heap), (DATA_FIRST, heap), (low_first, LOW_END)] {
                let start = first / 2 + CONTEXTS_BIAS + lane * LANE_CONTEXT;
                regions.push((start, start + size / 2));
            }
        }
        for (i, a) in regions.iter().enumerate() {
            assert!(a.0 < a.1 && a.1 < 0x5000_0000_0000);
            for b in &regions[i + 1..] {
                assert!(a.1 <= b.0 || b.1 <= a.0, "{a:x?} meets {b:x?}");
            }
        }
    }
}
