//! Where things lie in a bucket of entries `(K, V)`, and the tags that find a slot without looking at keys.
//!
//! ```text
//! byte 0          8        16        32        48        64
//!      +----------+---------+---------+---------+---------+
//!      | header   | next    | slot 0  | slot 1  | slot 2  |     u64 -> u64: three entries in one cache line
//!      +----------+---------+---------+---------+---------+
//! ```
//!
//! Small entries get up to six slots in a line; larger ones as many lines as three slots need. The header has 24 bits
//! for tags, so a tag has 8 bits with three slots, 6 with four, 4 with five or six, and begins that many bits from the
//! lowest one. A tag of zero is an empty slot.

// Lanes and bits are small numbers, and half words are cut on purpose.
#![allow(clippy::cast_possible_truncation)]

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::header::Head;

/// The shape of buckets that hold `(K, V)`.
#[derive(Debug)]
pub(super) struct Shape<K, V>(PhantomData<(K, V)>);

/// One slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<K, V> {
    pub(super) key: K,
    pub(super) value: V,
}

/// A cache line.
pub(super) const LINE: usize = 64;
const FEWEST_SLOTS: usize = 3;
const MOST_SLOTS: usize = 6;

const TAGS_WIDTH: u32 = 24;
/// The bits of a header that can hold tags, whatever the shape.
pub(super) const TAGS: u64 = 0xFFFF_FFF0;

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

impl<K, V> Shape<K, V> {
    const ENTRY: usize = size_of::<Entry<K, V>>();
    const FIRST_SLOT: usize = size_of::<Head>().next_multiple_of(align_of::<Entry<K, V>>());

    /// Alignment of a bucket.
    pub(super) const ALIGN: usize = larger(LINE, align_of::<Entry<K, V>>());
    /// Bytes from one bucket to the next.
    pub(super) const STRIDE: usize =
        (Self::FIRST_SLOT + FEWEST_SLOTS * Self::ENTRY).next_multiple_of(Self::ALIGN);
    /// Slots of a bucket.
    pub(super) const SLOTS: usize = {
        let room = (Self::STRIDE - Self::FIRST_SLOT) / if Self::ENTRY == 0 { 1 } else { Self::ENTRY };
        if room > MOST_SLOTS { MOST_SLOTS } else { room }
    };
    /// Entries per bucket, on average, above which a table grows: two thirds of the slots.
    pub(super) const LOAD: usize = Self::SLOTS * 2 / 3;

    const TAG_BITS: u32 = TAGS_WIDTH / Self::SLOTS as u32;
    /// The lowest bit of every lane that has a slot.
    const ONES: u64 = {
        let mut ones = 0;
        let mut lane = 0;
        while lane < Self::SLOTS as u32 {
            ones |= 1 << ((lane + 1) * Self::TAG_BITS);
            lane += 1;
        }
        ones
    };
    /// All but the highest bit of every lane.
    const LOW: u64 = Self::ONES * ((1 << (Self::TAG_BITS - 1)) - 1);
    const HIGH: u64 = Self::ONES << (Self::TAG_BITS - 1);

    /// The tag of a hash. Taken from its high bits, as the bucket is taken from the low ones.
    #[inline]
    pub(super) fn tag(hash: u64) -> u64 {
        (hash >> (64 - Self::TAG_BITS)).max(1)
    }

    /// The slots whose tag is `tag`.
    #[inline]
    pub(super) fn matching(word: u64, tag: u64) -> Lanes<K, V> {
        let differs = word ^ (tag * Self::ONES);
        // A lane's highest bit is set below unless all its bits are zero; no carry crosses lanes.
        let nonzero = ((differs & Self::LOW) + Self::LOW) | differs;
        Lanes(!nonzero & Self::HIGH, PhantomData)
    }

    /// A bit in the lane of the first slot whose tag is `tag`: its highest. Cheaper than `matching`.
    #[inline]
    fn first_bit(word: u64, tag: u64) -> Option<u32> {
        // In half a word: what lies above the tags is of no use here, and constants are shorter.
        let differs = (word ^ (tag * Self::ONES)) as u32;
        // Borrows go upwards, from the first lane that is zero: the others may be wrong.
        let zero = differs.wrapping_sub(Self::ONES as u32) & !differs & Self::HIGH as u32;
        (zero != 0).then(|| zero.trailing_zeros())
    }

    /// Whether no slot has the tag `tag`.
    #[inline]
    pub(super) fn has_none(word: u64, tag: u64) -> bool {
        Self::first_bit(word, tag).is_none()
    }

    /// The first slot with the tag `tag` in the bucket at `bucket`, whose tags are those in `word`.
    ///
    /// # Safety
    ///
    /// `bucket` is a bucket of this shape.
    #[inline]
    pub(super) unsafe fn first_slot(
        bucket: *mut Head,
        word: u64,
        tag: u64,
    ) -> Option<(usize, NonNull<Entry<K, V>>)> {
        let bit = Self::first_bit(word, tag)?;
        let lane = Self::lane(bit);
        let slot = if Self::ENTRY.is_multiple_of(Self::TAG_BITS as usize) {
            // Lanes are as far apart as tags have bits: no division, which matters for what has to wait for memory.
            let bytes = (bit - (2 * Self::TAG_BITS - 1)) as usize * (Self::ENTRY / Self::TAG_BITS as usize);
            // SAFETY: a multiple of the size of an entry, within the bucket.
            unsafe { bucket.byte_add(Self::FIRST_SLOT + bytes).cast() }
        } else {
            // SAFETY: by the caller.
            unsafe { Self::slot(bucket, lane) }
        };
        // SAFETY: no bucket lies at address zero.
        Some((lane, unsafe { NonNull::new_unchecked(slot) }))
    }

    #[inline]
    fn lane(bit: u32) -> usize {
        (bit as usize / Self::TAG_BITS as usize).wrapping_sub(1)
    }

    #[inline]
    fn shift(lane: usize) -> u32 {
        (lane as u32 + 1) * Self::TAG_BITS
    }

    /// The slots that hold nothing.
    #[inline]
    pub(super) fn empty(word: u64) -> Lanes<K, V> {
        Self::matching(word, 0)
    }

    /// The slots that hold an entry.
    #[inline]
    pub(super) fn occupied(word: u64) -> Lanes<K, V> {
        Lanes(Self::empty(word).0 ^ Self::HIGH, PhantomData)
    }

    /// `word` with `tag` in `lane`, which was empty.
    #[inline]
    pub(super) fn with_tag(word: u64, lane: usize, tag: u64) -> u64 {
        word | tag << Self::shift(lane)
    }

    /// `word` with `lane` empty.
    #[inline]
    pub(super) fn without_tag(word: u64, lane: usize) -> u64 {
        word & !(((1 << Self::TAG_BITS) - 1) << Self::shift(lane))
    }

    /// Whether `lane` holds an entry.
    #[inline]
    pub(super) fn is_occupied(word: u64, lane: usize) -> bool {
        Self::tag_at(word, lane) != 0
    }

    /// The tag in `lane`.
    #[inline]
    pub(super) fn tag_at(word: u64, lane: usize) -> u64 {
        word >> Self::shift(lane) & ((1 << Self::TAG_BITS) - 1)
    }

    /// The slot `lane` of the bucket at `bucket`.
    ///
    /// # Safety
    ///
    /// `bucket` is a bucket of this shape and `lane < SLOTS`.
    #[inline]
    pub(super) unsafe fn slot(bucket: *mut Head, lane: usize) -> *mut Entry<K, V> {
        // SAFETY: within the bucket, and aligned since the bucket is.
        unsafe { bucket.byte_add(Self::FIRST_SLOT).cast::<Entry<K, V>>().add(lane) }
    }
}

/// A set of slots, as an iterator over their numbers.
#[derive(Debug)]
pub(super) struct Lanes<K, V>(u64, PhantomData<(K, V)>);

impl<K, V> Iterator for Lanes<K, V> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = Shape::<K, V>::lane(self.0.trailing_zeros());
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_two_words_fill_a_cache_line_by_threes() {
        assert_eq!(Shape::<u64, u64>::STRIDE, 64);
        assert_eq!(Shape::<u64, u64>::SLOTS, 3);
    }

    #[test]
    fn every_size_of_entry_has_slots_within_its_bucket() {
        fn check<K, V>() {
            let (shape, entry) = ((Shape::<K, V>::STRIDE, Shape::<K, V>::SLOTS), size_of::<Entry<K, V>>());
            assert!((3..=6).contains(&shape.1), "{shape:?}");
            assert!(Shape::<K, V>::FIRST_SLOT + shape.1 * entry <= shape.0, "{shape:?}");
        }
        check::<(), ()>();
        check::<u8, ()>();
        check::<u32, u32>();
        check::<u64, [u8; 9]>();
        check::<String, String>();
        check::<u128, [u64; 100]>();
    }

    #[test]
    fn tags_come_back_from_their_lanes() {
        fn check<K, V>() {
            let mut word = 0;
            for lane in 0..Shape::<K, V>::SLOTS {
                word = Shape::<K, V>::with_tag(word, lane, lane as u64 + 1);
            }
            assert_eq!(word & !TAGS, 0);
            assert_eq!(Shape::<K, V>::empty(word).count(), 0);
            for lane in 0..Shape::<K, V>::SLOTS {
                let tag = lane as u64 + 1;
                assert_eq!(Shape::<K, V>::tag_at(word, lane), tag);
                assert_eq!(Shape::<K, V>::matching(word, tag).collect::<Vec<_>>(), [lane]);
                let first = Shape::<K, V>::first_bit(word | !TAGS, tag);
                assert_eq!(first.map(Shape::<K, V>::lane), Some(lane));
                let without = Shape::<K, V>::without_tag(word, lane);
                assert!(Shape::<K, V>::has_none(without, tag));
                assert_eq!(Shape::<K, V>::empty(without).collect::<Vec<_>>(), [lane]);
                assert_eq!(Shape::<K, V>::occupied(without).count(), Shape::<K, V>::SLOTS - 1);
            }
        }
        check::<u64, u64>();
        check::<u64, [u8; 24]>();
        check::<u32, u32>();
        check::<u32, ()>();
    }

    #[test]
    fn a_tag_is_never_that_of_an_empty_slot() {
        assert_eq!(Shape::<u64, u64>::tag(0), 1);
        assert_eq!(Shape::<u64, u64>::tag(0xFF00), 1);
        assert_eq!(Shape::<u64, u64>::tag(u64::MAX), 0xFF);
    }
}
