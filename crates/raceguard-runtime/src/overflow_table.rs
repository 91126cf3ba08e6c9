//! The part of an overflow set that is looked up by slot: plain reads and atomics.
//!
//! Open addressing, at most half full. Of an access that cannot race with what the table holds, only its own slot's
//! records matter; the others are looked at when it can, or when the table is rebuilt.
//!
//! All functions are called with the line of the owning cell locked.

use core::ptr::NonNull;

use crate::overflow::{Entry, Verdict};
use crate::record::{LOCK, Record};
use crate::{memory, slots};

/// Orphaned reads of the same bytes that are kept.
const ORPHANS_KEPT: u8 = 2;

/// Plain reads and atomics by slot: open addressing, at most half full. `capacity` records follow, then as many
/// contexts.
#[repr(C)]
pub(crate) struct Table {
    reads: u32,
    atomics: u32,
    used: u32,
    capacity: u32,
}
const TABLE_HEADER: usize = size_of::<Table>();

pub(crate) fn is_plain_read(record: Record) -> bool {
    !record.is_write() && !record.is_atomic()
}

/// What a removed read leaves behind, so that searches go on past it. It has no bytes, hence counts as empty.
const TOMBSTONE: Record = Record(LOCK);

/// A table, by its block.
#[derive(Clone, Copy)]
pub(crate) struct SlotTable(pub(crate) NonNull<Table>);

impl SlotTable {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let block = memory::allocate(TABLE_HEADER + 12 * capacity).cast::<Table>();
        // SAFETY: fresh memory of this size; zeroed records are empty.
        unsafe {
            block.write(Table { reads: 0, atomics: 0, used: 0, capacity: capacity as u32 });
            block.cast::<u8>().add(TABLE_HEADER).write_bytes(0, 12 * capacity);
        }
        Self(block)
    }

    #[expect(clippy::mut_from_ref, reason = "the line lock makes the table exclusively ours")]
    fn header(&self) -> &mut Table {
        // SAFETY: a live table, reached only with the line locked.
        unsafe { &mut *self.0.as_ptr() }
    }

    pub(crate) fn capacity(self) -> usize {
        self.header().capacity as usize
    }

    fn place(self, index: usize) -> (*mut Record, *mut u32) {
        let records = self.0.as_ptr().cast::<u8>().wrapping_add(TABLE_HEADER);
        (records.wrapping_add(8 * index).cast(), records.wrapping_add(8 * self.capacity() + 4 * index).cast())
    }

    pub(crate) fn get(self, index: usize) -> Entry {
        let (record, context) = self.place(index);
        // SAFETY: callers stay below the capacity.
        unsafe { (*record, *context) }
    }

    fn set(self, index: usize, entry: Entry) {
        let (record, context) = self.place(index);
        // SAFETY: callers stay below the capacity.
        unsafe { (*record, *context) = entry };
    }

    /// The places where a record of `slot` can be, in order; the table always has an empty place behind them.
    fn chain(self, slot: u32) -> impl Iterator<Item = usize> {
        let start = (slot.wrapping_mul(0x9e37_79b1) >> 7) as usize;
        (start..start + self.capacity()).map(move |index| index & (self.capacity() - 1))
    }

    pub(crate) fn len(self) -> usize {
        (self.header().reads + self.header().atomics) as usize
    }

    /// Whether records of other slots than its own can race with the access `new`.
    pub(crate) fn concerns(self, new: Record) -> bool {
        let header = self.header();
        new == Record::ALL || (new.is_write() && header.reads > 0) || (!new.is_atomic() && header.atomics > 0)
    }

    fn count(self, record: Record, by: i32) {
        let header = self.header();
        let counter = if record.is_atomic() { &mut header.atomics } else { &mut header.reads };
        *counter = counter.wrapping_add_signed(by);
    }

    /// Adds a record; the answer is where the table is now.
    pub(crate) fn insert(self, entry: Entry, outdated: &impl Fn(Record) -> bool) -> Self {
        let full = (self.header().used + 1) * 2 > self.header().capacity;
        let table = if full { self.rebuild(outdated) } else { self };
        table.put(entry);
        table
    }

    fn put(self, entry: Entry) {
        for index in self.chain(entry.0.slot()) {
            let old = self.get(index).0;
            if old.is_empty() {
                self.set(index, entry);
                self.count(entry.0, 1);
                self.header().used += u32::from(old != TOMBSTONE);
                return;
            }
        }
    }

    /// A fresh table of the records that are not outdated; of orphaned reads only as many as are worth keeping.
    fn rebuild(self, outdated: &impl Fn(Record) -> bool) -> Self {
        let mut orphans = Orphans::default();
        for index in 0..self.capacity() {
            self.judge(index, &mut |(record, _)| {
                let goes = outdated(record) || !orphans.is_worth_keeping(record);
                if goes { Verdict::Replace(Record::EMPTY) } else { Verdict::Keep }
            });
        }
        let new = Self::with_capacity((self.len() * 4).next_power_of_two().max(64));
        for index in 0..self.capacity() {
            let entry = self.get(index);
            if !entry.0.is_empty() {
                new.put(entry);
            }
        }
        self.free();
        new
    }

    fn judge(self, index: usize, judge: &mut impl FnMut(Entry) -> Verdict) {
        let entry = self.get(index);
        if entry.0.is_empty() {
            return;
        }
        if let Verdict::Replace(record) = judge(entry) {
            let gone = record.is_empty();
            self.set(index, if gone { (TOMBSTONE, 0) } else { (record, entry.1) });
            if gone {
                self.count(entry.0, -1);
            }
        }
    }

    pub(crate) fn visit(self, judge: &mut impl FnMut(Entry) -> Verdict) {
        (0..self.capacity()).for_each(|index| self.judge(index, judge));
    }

    pub(crate) fn visit_slot(self, slot: u32, judge: &mut impl FnMut(Entry) -> Verdict) {
        for index in self.chain(slot) {
            let record = self.get(index).0;
            if record == Record::EMPTY {
                break;
            }
            if record.slot() == slot {
                self.judge(index, judge);
            }
        }
    }

    pub(crate) fn free(self) {
        let bytes = TABLE_HEADER + 12 * self.capacity();
        // SAFETY: allocated with this size; the set's reference goes with this call.
        unsafe { memory::free(self.0.cast(), bytes) };
    }
}

/// Counts orphaned reads by their bytes.
pub(crate) struct Orphans([u8; 256]);

impl Default for Orphans {
    fn default() -> Self {
        Self([0; 256])
    }
}

impl Orphans {
    /// Whether to keep a record: all but surplus orphaned reads.
    pub(crate) fn is_worth_keeping(&mut self, record: Record) -> bool {
        if !is_plain_read(record) || !slots::is_orphan(record.slot(), record.clock()) {
            return true;
        }
        let seen = &mut self.0[record.mask() as usize];
        *seen = seen.saturating_add(1);
        *seen <= ORPHANS_KEPT
    }
}
