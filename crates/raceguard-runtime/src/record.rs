//! One recorded access in one word: who (slot), when (clock), what (write, atomic) and which bytes (mask).
//!
//! ```text
//! 63            42 41                 11 10     9        8      7      0
//! [ slot: 22 bits | clock: 31 bits      | write | atomic | lock | mask  ]
//! ```
//!
//! Slot and clock together are FastTrack's epoch. The lock bit belongs to the shadow line, not to the access, and
//! is set only in the first word of a line while somebody changes that line. Slot [`OVERFLOW_SLOT`] never belongs
//! to a goroutine: it marks a reference to a set of records (see `overflow`).

/// Bits of the byte mask.
pub const MASK_BITS: u64 = 0xff;
/// The line lock, in the first word of a shadow line.
pub const LOCK: u64 = 1 << 8;
/// The access was an atomic operation.
pub const ATOMIC: u64 = 1 << 9;
/// The access was a write.
pub const WRITE: u64 = 1 << 10;
const CLOCK_SHIFT: u32 = 11;
const SLOT_SHIFT: u32 = 42;
/// The largest clock value of a slot; its owner then moves to another slot.
pub const MAX_CLOCK: u32 = (1 << (SLOT_SHIFT - CLOCK_SHIFT)) - 1;
/// The slot number that marks an overflow reference.
pub const OVERFLOW_SLOT: u32 = (1 << (64 - SLOT_SHIFT)) - 1;
/// How many slots goroutines can have.
pub const MAX_SLOTS: u32 = OVERFLOW_SLOT;

const _: () = assert!(MAX_CLOCK == 0x7fff_ffff && MAX_SLOTS > 4_000_000);

/// The epoch word of a goroutine: slot and clock in place, everything else zero.
#[inline(always)]
pub const fn epoch(slot: u32, clock: u32) -> u64 {
    ((slot as u64) << SLOT_SHIFT) | ((clock as u64) << CLOCK_SHIFT)
}

/// A recorded access, or an empty place (zero), or an overflow reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record(pub u64);

impl Record {
    /// No access.
    pub const EMPTY: Self = Self(0);
    /// Stands for an access that concerns every record; never recorded.
    pub const ALL: Self = Self(u64::MAX);

    /// A record of goroutine epoch `epoch`, with `kind` a combination of [`WRITE`] and [`ATOMIC`].
    #[inline(always)]
    pub const fn new(epoch: u64, kind: u64, mask: u8) -> Self {
        Self(epoch | kind | mask as u64)
    }

    /// Whether no access is recorded here. A record without bytes says nothing.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.0 & MASK_BITS == 0 && self.slot() != OVERFLOW_SLOT
    }

    /// Slot of the goroutine.
    #[inline(always)]
    pub const fn slot(self) -> u32 {
        (self.0 >> SLOT_SHIFT) as u32
    }

    /// Clock of the goroutine's slot when it accessed.
    #[inline(always)]
    pub const fn clock(self) -> u32 {
        (self.0 >> CLOCK_SHIFT) as u32 & MAX_CLOCK
    }

    /// The bytes of the word that were accessed.
    #[inline(always)]
    pub const fn mask(self) -> u8 {
        self.0 as u8
    }

    /// Whether it was a write.
    #[inline(always)]
    pub const fn is_write(self) -> bool {
        self.0 & WRITE != 0
    }

    /// Whether it was an atomic operation.
    #[inline(always)]
    pub const fn is_atomic(self) -> bool {
        self.0 & ATOMIC != 0
    }

    /// The same access without the bytes of `mask`.
    #[inline(always)]
    pub const fn without(self, mask: u8) -> Self {
        let left = self.0 & !(mask as u64);
        Self(if left & MASK_BITS == 0 { 0 } else { left })
    }

    /// Two accesses that are the same but for their bytes.
    #[inline(always)]
    pub const fn same_but_mask(self, other: Self) -> bool {
        (self.0 ^ other.0) & !MASK_BITS == 0
    }

    /// Whether this record already says all that `new` (of the same goroutine) would say: the same epoch, at
    /// least its bytes, and at least as strong a kind (a write says more than a read, a plain access more than an
    /// atomic one).
    #[inline(always)]
    pub const fn covers(self, new: Self) -> bool {
        let missing = new.0 & (MASK_BITS | WRITE);
        let weaker = self.0 & ATOMIC;
        (self.0 ^ new.0) & (!(MASK_BITS | WRITE | ATOMIC) | missing | weaker) == 0
    }

    /// Whether two unordered accesses of these kinds to common bytes are a race.
    #[inline(always)]
    pub const fn conflicts(self, other: Self) -> bool {
        self.mask() & other.mask() != 0
            && (self.is_write() || other.is_write())
            && !(self.is_atomic() && other.is_atomic())
    }

    /// Whether an access `new` that happens after this one makes this one superfluous for their common bytes:
    /// whatever races with this one from now on also races with `new`.
    #[inline(always)]
    pub const fn is_subsumed_by(self, new: Self) -> bool {
        (self.0 ^ new.0) & (self.0 & WRITE | new.0 & ATOMIC) == 0
    }

    /// A reference to an overflow set at `address` (64-byte aligned).
    #[inline(always)]
    pub const fn overflow(address: usize) -> Self {
        Self(((OVERFLOW_SLOT as u64) << SLOT_SHIFT) | (address as u64 >> 6))
    }

    /// The address of the overflow set that this word refers to.
    #[inline(always)]
    pub const fn overflow_address(self) -> Option<usize> {
        if self.slot() == OVERFLOW_SLOT {
            Some(((self.0 & ((1 << SLOT_SHIFT) - 1)) << 6) as usize)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back() {
        let record = Record::new(epoch(4_000_000, MAX_CLOCK), WRITE, 0x81);
        assert_eq!((record.slot(), record.clock(), record.mask()), (4_000_000, MAX_CLOCK, 0x81));
        assert!(record.is_write() && !record.is_atomic() && !record.is_empty());
    }

    #[test]
    fn overflow_references_come_back_and_are_not_empty() {
        let reference = Record::overflow(0x7fff_ffff_ffc0);
        assert_eq!(reference.overflow_address(), Some(0x7fff_ffff_ffc0));
        assert!(!reference.is_empty());
        assert_eq!(Record::new(epoch(1, 1), 0, 1).overflow_address(), None);
    }

    #[test]
    fn a_write_covers_a_read_of_the_same_epoch_but_not_the_reverse() {
        let write = Record::new(epoch(3, 7), WRITE, 0xff);
        let read = Record::new(epoch(3, 7), 0, 0x01);
        assert!(write.covers(read) && !read.covers(write));
        assert!(!write.covers(Record::new(epoch(3, 8), 0, 0x01)), "another epoch");
        let atomic = Record::new(epoch(3, 7), WRITE | ATOMIC, 0xff);
        assert!(!atomic.covers(read) && write.covers(atomic), "plain is stronger than atomic");
    }

    #[test]
    fn atomics_never_conflict_with_each_other() {
        let atomic = Record::new(epoch(1, 1), WRITE | ATOMIC, 1);
        let plain = Record::new(epoch(2, 1), 0, 1);
        assert!(!atomic.conflicts(Record::new(epoch(2, 1), WRITE | ATOMIC, 1)));
        assert!(atomic.conflicts(plain) && !plain.conflicts(Record::new(epoch(3, 1), 0, 1)));
        assert!(!atomic.conflicts(Record::new(epoch(2, 1), 0, 2)), "other bytes");
    }
}
