//! Sets of records for the words whose history does not fit the two records of their cell.
//!
//! Concurrent readers, unordered atomic writes, and different bytes of one word with different histories need
//! more records than a cell holds. Nothing is ever evicted to make room: a set grows. A small set is one block of 64
//! bytes or more that is searched from end to end. When it is full, records that a newer one makes superfluous have
//! dropped, and of the reads that nobody can ever be ordered with (see [`crate::slots::is_orphan`]) two of a kind are enough,
//! because whatever races with one races with all. What still does not fit moves the plain reads and the atomics into a
//! table keyed by slot, so that thousands of live readers, or of goroutines at a spin lock, cost a lookup, not a search.
//!
//! All functions are called with the line of the owning cell locked.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use crate::overflow_table::{Orphans, SlotTable, Table, is_plain_read};
use crate::record::Record;
use crate::{budget, memory};

/// Block sizes of small sets in bytes, and how many records each holds.
const SIZES: [(usize, usize); 7] =
    [(64, 4), (128, 9), (256, 20), (512, 41), (1024, 84), (2048, 169), (4096, 340)];
/// From this size on plain reads are moved to the table before the block grows.
const SIZE_WITH_TABLE: usize = 2;

#[repr(C)]
struct Header {
    len: u16,
    size: u8,
    _reserved: [u8; 5],
    /// The reads table, if there is one.
    table: *mut Table,
}
const HEADER: usize = size_of::<Header>();
const _: () = {
    let mut index = 0;
    while index < SIZES.len() {
        assert!(HEADER + SIZES[index].1 * 12 <= SIZES[index].0);
        index += 1;
    }
};

/// A record and the calling context of its access.
pub type Entry = (Record, u32);

/// What to do with a record that was looked at.
pub enum Verdict {
    /// Nothing new.
    Keep,
    /// Keep only these bytes; a record without bytes goes.
    Replace(Record),
}

/// A set, by its block.
#[derive(Clone, Copy)]
pub struct Set(NonNull<Header>);

impl Set {
    /// The set that a cell's word refers to.
    pub fn of(reference: Record) -> Option<Self> {
        let at = reference.overflow_address()?;
        NonNull::new(at as *mut Header).map(Self)
    }

    /// A set of one record.
    pub fn new(first: Entry) -> Self {
        let set = Self::with_size(0);
        set.push_raw(first);
        set
    }

    fn with_size(size: u8) -> Self {
        let block = memory::allocate(SIZES[size as usize].0).cast::<Header>();
        // SAFETY: fresh memory, larger than the header.
        unsafe {
            block.write(Header { len: 0, size, _reserved: [0; 5], table: core::ptr::null_mut() });
        }
        Self(block)
    }

    /// The word to put into the cell.
    pub fn reference(self) -> Record {
        Record::overflow(self.0.as_ptr() as usize)
    }

    #[expect(clippy::mut_from_ref, reason = "the line lock makes the block exclusively ours")]
    fn header(&self) -> &mut Header {
        // SAFETY: a live block, reached only with the line locked.
        unsafe { &mut *self.0.as_ptr() }
    }

    fn capacity(self) -> usize {
        SIZES[self.header().size as usize].1
    }

    fn record(&self, index: usize) -> *mut Record {
        self.0.as_ptr().cast::<u8>().wrapping_add(HEADER + 8 * index).cast()
    }

    fn context(&self, index: usize) -> *mut u32 {
        self.0.as_ptr().cast::<u8>().wrapping_add(HEADER + 8 * self.capacity() + 4 * index).cast()
    }

    fn get(self, index: usize) -> Entry {
        // SAFETY: callers stay below the number of records.
        unsafe { (*self.record(index), *self.context(index)) }
    }

    fn set(self, index: usize, entry: Entry) {
        // SAFETY: callers stay below the capacity.
        unsafe {
            *self.record(index) = entry.0;
            *self.context(index) = entry.1;
        }
    }

    fn push_raw(self, entry: Entry) {
        let len = self.header().len;
        self.set(len as usize, entry);
        self.header().len = len + 1;
    }

    /// Whether the block has no room for another record.
    pub fn is_full(self) -> bool {
        self.header().len as usize == self.capacity()
    }

    /// Whether no record is left.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many records the set holds.
    pub fn len(self) -> usize {
        let table = self.table().map_or(0, SlotTable::len);
        self.header().len as usize + table
    }

    fn table(self) -> Option<SlotTable> {
        NonNull::new(self.header().table).map(SlotTable)
    }

    /// Looks at the records that the access `new` has to be compared with and changes or drops them as told: whatever lies
    /// in the block; of the table the records of its own slot, and all if some are of a kind that it can race with.
    pub fn visit(self, new: Record, mut judge: impl FnMut(Entry) -> Verdict) {
        let mut index = 0;
        while index < self.header().len as usize {
            match judge(self.get(index)) {
                Verdict::Keep => index += 1,
                Verdict::Replace(record) if record.is_empty() => {
                    let last = self.header().len - 1;
                    self.set(index, self.get(last as usize));
                    self.header().len = last;
                }
                Verdict::Replace(record) => {
                    self.set(index, (record, self.get(index).1));
                    index += 1;
                }
            }
        }
        let Some(table) = self.table() else { return };
        if table.concerns(new) {
            table.visit(&mut judge);
        } else {
            table.visit_slot(new.slot(), &mut judge);
        }
        if table.len() == 0 {
            table.free();
            self.header().table = core::ptr::null_mut();
        }
    }

    /// Looks at every record.
    pub fn visit_all(self, judge: impl FnMut(Entry) -> Verdict) {
        self.visit(Record::ALL, judge);
    }

    /// One of the records, whichever.
    pub fn any(self) -> Option<Entry> {
        let in_block = (self.header().len > 0).then(|| self.get(0));
        in_block.or_else(|| {
            let table = self.table()?;
            (0..table.capacity()).map(|index| table.get(index)).find(|entry| !entry.0.is_empty())
        })
    }

    /// Whether one of the first records of the set covers `new`. Called without the line lock: it may miss, and an
    /// answer counts only if the cell still refers to this set afterwards. Blocks are never unmapped, so a look at
    /// one that was freed meanwhile is stale, but harmless.
    #[inline]
    pub fn covers_racily(self, new: Record) -> bool {
        // SAFETY: the length is the first field of a block, and blocks stay mapped for ever.
        let len = unsafe { AtomicU16::from_ptr(self.0.as_ptr().cast()) }.load(Ordering::Acquire);
        (0..SIZES[0].1.min(usize::from(len))).any(|index| {
            // SAFETY: every block has room for this many records.
            let word = unsafe { AtomicU64::from_ptr(self.record(index).cast()) };
            Record(word.load(Ordering::Relaxed)).covers(new)
        })
    }

    /// Adds a record. Records that are `outdated` may go when room is needed. The set may move: the answer is where it is
    /// now.
    pub fn push(self, entry: Entry, outdated: impl Fn(Record) -> bool) -> Self {
        if self.len() >= SIZES[0].1 && !budget::allows_read_sets() {
            self.visit_all(|(record, _)| {
                if is_plain_read(record) { Verdict::Replace(Record::EMPTY) } else { Verdict::Keep }
            });
        }
        if let Some(table) = self.table().filter(|_| goes_to_table(entry.0)) {
            self.header().table = table.insert(entry, &outdated).0.as_ptr();
            return self;
        }
        if self.has_room_after(|| self.prune(&outdated)) {
            self.push_raw(entry);
            return self;
        }
        let size = self.header().size as usize;
        if size >= SIZE_WITH_TABLE {
            self.move_to_table(&outdated);
            if goes_to_table(entry.0) {
                return self.push(entry, outdated);
            }
            if !self.is_full() {
                self.push_raw(entry);
                return self;
            }
        }
        if size + 1 < SIZES.len() {
            return self.grow(entry);
        }
        // Nothing but plain writes that are all concurrent with each other: the location is known to be racy many
        // times over. The newest replaces one of them.
        self.set(self.header().len as usize - 1, entry);
        self
    }

    fn has_room_after(self, make_room: impl FnOnce()) -> bool {
        if self.is_full() {
            make_room();
        }
        !self.is_full()
    }

    /// A larger set with the same records and one more.
    fn grow(self, entry: Entry) -> Self {
        let larger = Self::with_size(self.header().size + 1);
        for index in 0..self.header().len as usize {
            larger.push_raw(self.get(index));
        }
        larger.header().table = self.header().table;
        self.free_block();
        larger.push_raw(entry);
        larger
    }

    /// Drops what is outdated, and of the orphaned reads of the same bytes all but [`ORPHANS_KEPT`].
    fn prune(self, outdated: &impl Fn(Record) -> bool) {
        let mut orphans = Orphans::default();
        self.visit_block(|(record, _)| {
            let goes = outdated(record) || !orphans.is_worth_keeping(record);
            if goes { Verdict::Replace(Record::EMPTY) } else { Verdict::Keep }
        });
    }

    fn move_to_table(self, outdated: &impl Fn(Record) -> bool) {
        let mut table = self.table().unwrap_or_else(|| SlotTable::with_capacity(64));
        self.visit_block(|entry| {
            if goes_to_table(entry.0) {
                table = table.insert(entry, outdated);
                return Verdict::Replace(Record::EMPTY);
            }
            Verdict::Keep
        });
        self.header().table = table.0.as_ptr();
    }

    fn visit_block(self, judge: impl FnMut(Entry) -> Verdict) {
        let table = core::mem::replace(&mut self.header().table, core::ptr::null_mut());
        self.visit(Record::EMPTY, judge);
        self.header().table = table;
    }

    /// Gives the memory of the whole set back.
    pub fn free(self) {
        if let Some(table) = self.table() {
            table.free();
        }
        self.free_block();
    }

    fn free_block(self) {
        let bytes = SIZES[self.header().size as usize].0;
        // The block's length reads as zero to whoever still looks at it without the lock.
        self.header().len = 0;
        self.header().table = core::ptr::null_mut();
        // SAFETY: allocated with this size; the cell's reference goes with this call.
        unsafe { memory::free(self.0.cast(), bytes) };
    }
}

fn goes_to_table(record: Record) -> bool {
    record.is_atomic() || !record.is_write()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ATOMIC, WRITE, epoch};
    use crate::slots;

    /// A read that somebody may come to know, so that it is nobody's orphan.
    fn read(slot: u32, clock: u32) -> Entry {
        slots::publish(slot, 1000);
        (Record::new(epoch(slot, clock), 0, 1), slot)
    }

    fn never(_: Record) -> bool {
        false
    }

    fn all(set: Set) -> Vec<Entry> {
        let mut entries = Vec::new();
        set.visit_all(|entry| {
            entries.push(entry);
            Verdict::Keep
        });
        entries.sort_by_key(|entry| entry.0.0);
        entries
    }

    #[test]
    fn a_set_grows_without_forgetting_and_keeps_contexts() {
        slots::init();
        let base = 3_000_000;
        let mut set = Set::new(read(base, 5));
        for slot in 1..3000 {
            set = set.push(read(base + slot, 5), never);
        }
        let entries = all(set);
        assert_eq!(entries.len(), 3000);
        assert!(entries.iter().all(|(record, context)| record.slot() == *context));
        set.free();
    }

    #[test]
    fn a_reader_replaces_its_own_read_wherever_it_lies() {
        slots::init();
        for readers in [3, 12, 18, 500] {
            let base = 3_100_000;
            let mut set = Set::new(read(base, 1));
            for slot in 1..readers {
                set = set.push(read(base + slot, 1), never);
            }
            for clock in 2..200 {
                let slot = base + 2;
                set.visit(read(slot, clock).0, |(record, _)| {
                    if record.slot() == slot { Verdict::Replace(Record::EMPTY) } else { Verdict::Keep }
                });
                set = set.push(read(slot, clock), never);
            }
            let entries = all(set);
            assert_eq!(entries.len(), readers as usize);
            assert!(entries.contains(&read(base + 2, 199)) && entries.contains(&read(base + 1, 1)));
            set.free();
        }
    }

    #[test]
    fn a_set_that_a_write_empties_is_empty() {
        slots::init();
        let mut set = Set::new(read(3_200_000, 1));
        for slot in 1..300 {
            set = set.push(read(3_200_000 + slot, 1), never);
        }
        set.visit_all(|_| Verdict::Replace(Record::EMPTY));
        assert_eq!(set.len(), 0);
        set.free();
    }

    #[test]
    fn of_orphaned_reads_two_are_kept() {
        slots::init();
        let orphan = |slot| (Record::new(epoch(slot, 1), 0, 1), slot);
        let mut set = Set::new(orphan(3_400_000)).push(read(3_400_500, 1), never);
        for slot in 1..400 {
            set = set.push(orphan(3_400_000 + slot), never);
        }
        assert!(set.len() < 20, "{}", set.len());
        assert!(all(set).contains(&read(3_400_500, 1)), "the one that is no orphan stays");
        set.free();
    }

    #[test]
    fn plain_writes_stay_in_the_block_and_are_bounded() {
        slots::init();
        let write = |slot: u32| (Record::new(epoch(3_300_000 + slot, 1), WRITE, 1), 0);
        let mut set = Set::new(read(3_300_000, 1));
        for slot in 1..300 {
            set = set.push(write(slot), never);
        }
        assert_eq!(set.len(), 300);
        for slot in 300..2000 {
            set = set.push(write(slot), never);
        }
        assert!(set.len() <= SIZES[6].1 + 1);
        assert!(all(set).contains(&read(3_300_000, 1)), "the read is not lost");
        set.free();
    }

    #[test]
    fn atomics_are_kept_until_they_are_outdated() {
        slots::init();
        let atomic = |slot: u32| (Record::new(epoch(3_500_000 + slot, 1), WRITE | ATOMIC, 1), 0);
        let mut set = Set::new(atomic(0));
        for slot in 1..5000 {
            set = set.push(atomic(slot), never);
        }
        assert_eq!(set.len(), 5000);
        for slot in 5000..20_000 {
            set = set.push(atomic(slot), |record| record.slot() < 3_504_000);
        }
        assert_eq!(set.len(), 16_000);
        let mut seen = 0;
        set.visit(atomic(7000).0, |_| {
            seen += 1;
            Verdict::Keep
        });
        assert!(seen < 30, "an atomic is compared with its own slot's records and the block: {seen}");
        set.free();
    }
}
