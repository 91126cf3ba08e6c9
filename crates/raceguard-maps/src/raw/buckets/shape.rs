//! Where things lie in a bucket of entries `(K, V)`, and the tags that find a slot without looking at keys.
//!
//! ```text
//! byte 0          8        16        32        48        64                            128
//!      +----------+---------+---------+---------+---------+---------+ ... +-------------+
//!      | header   | tags    | slot 0  | slot 1  | slot 2  | slot 3  |     | slot 6      |  u64 -> u64
//!      +----------+---------+---------+---------+---------+---------+ ... +-------------+
//! ```
//!
//! Seven slots, as many as there are tags of eight bits in a word, beside one that is not used. Tiny entries have one
//! cache line, with as many slots as it holds; large ones have three slots. A tag of zero is an empty slot. The first
//! empty slot is taken, so in a table that is not full most entries lie in the line of the header.

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
const MOST_SLOTS: usize = 7;
/// Bytes of the largest entries of which a bucket has seven.
const LARGE: usize = 64;
/// Bits of a tag.
const TAG_BITS: u32 = 8;
/// Tables of up to two to this power of buckets stay in a processor's cache: they are kept emptier, since two threads
/// that meet in one bucket cost more than memory does.
const SMALL_BITS: u32 = 10;

const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

impl<K, V> Shape<K, V> {
    const ENTRY: usize = size_of::<Entry<K, V>>();
    const FIRST_SLOT: usize = size_of::<Head>().next_multiple_of(align_of::<Entry<K, V>>());

    /// Alignment of a bucket.
    pub(super) const ALIGN: usize = larger(LINE, align_of::<Entry<K, V>>());
    /// Bytes from one bucket to the next.
    pub(super) const STRIDE: usize = {
        let slots = match Self::ENTRY {
            0..=8 => 1,
            9..=LARGE => MOST_SLOTS,
            _ => FEWEST_SLOTS,
        };
        (Self::FIRST_SLOT + slots * Self::ENTRY).next_multiple_of(Self::ALIGN)
    };
    /// Slots of a bucket.
    pub(super) const SLOTS: usize = {
        let room = (Self::STRIDE - Self::FIRST_SLOT) / if Self::ENTRY == 0 { 1 } else { Self::ENTRY };
        if room > MOST_SLOTS { MOST_SLOTS } else { room }
    };

    /// The lowest bit of every lane that has a slot.
    const ONES: u64 = {
        let mut ones = 0;
        let mut lane = 0;
        while lane < Self::SLOTS as u32 {
            ones |= 1 << (lane * TAG_BITS);
            lane += 1;
        }
        ones
    };
    /// All but the highest bit of every lane.
    const LOW: u64 = Self::ONES * ((1 << (TAG_BITS - 1)) - 1);
    const HIGH: u64 = Self::ONES << (TAG_BITS - 1);

    /// Entries in a table of `2^bits` buckets above which it grows: five for seven slots.
    pub(super) fn load(bits: u32) -> usize {
        let full = Self::SLOTS * 3 / 4;
        let each = if bits <= SMALL_BITS { (Self::SLOTS / 2).clamp(2, full) } else { full };
        1_usize.checked_shl(bits).map_or(usize::MAX, |buckets| buckets.saturating_mul(each))
    }

    /// The tag of a hash. Taken from its low bits, as the bucket is taken from the high ones.
    #[inline]
    pub(super) fn tag(hash: u64) -> u64 {
        (hash & 0xFF).max(1)
    }

    /// The slots whose tag is `tag`.
    #[inline]
    pub(super) fn matching(word: u64, tag: u64) -> Lanes<K, V> {
        let differs = word ^ (tag * Self::ONES);
        // A lane's highest bit is set below unless all its bits are zero; no carry crosses lanes.
        let nonzero = ((differs & Self::LOW) + Self::LOW) | differs;
        Lanes(!nonzero & Self::HIGH, PhantomData)
    }

    /// The first lane whose tag is `tag`. What comes of it has to wait for memory, and the units that calculate with
    /// integers have little room for what waits; those for vectors have some of their own.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    fn first_lane(word: u64, tag: u64) -> Option<usize> {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_cvtsi64_si128, _mm_movemask_epi8};
        let tags = (tag * (u64::MAX / 0xFF)).cast_signed();
        // SAFETY: SSE2 is part of x86-64.
        let same = unsafe {
            _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_cvtsi64_si128(word.cast_signed()), _mm_cvtsi64_si128(tags)))
        };
        // The upper halves are equal, being zero. Lanes without a slot are zero in `word`, which no tag is.
        let same = same.cast_unsigned() & 0xFF;
        (same != 0).then(|| same.trailing_zeros() as usize)
    }

    /// The first lane whose tag is `tag`.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    fn first_lane(word: u64, tag: u64) -> Option<usize> {
        let differs = word ^ (tag * Self::ONES);
        // Borrows go upwards, from the first lane that is zero: the others may be wrong.
        let zero = differs.wrapping_sub(Self::ONES) & !differs & Self::HIGH;
        (zero != 0).then(|| Self::lane(zero.trailing_zeros()))
    }

    /// Whether no slot has the tag `tag`.
    #[inline]
    pub(super) fn has_none(word: u64, tag: u64) -> bool {
        Self::first_lane(word, tag).is_none()
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
        let lane = Self::first_lane(word, tag)?;
        // SAFETY: by the caller; no bucket lies at address zero.
        Some((lane, unsafe { NonNull::new_unchecked(Self::slot(bucket, lane)) }))
    }

    #[inline]
    fn lane(bit: u32) -> usize {
        (bit / TAG_BITS) as usize
    }

    #[inline]
    fn shift(lane: usize) -> u32 {
        lane as u32 * TAG_BITS
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
        word & !(((1 << TAG_BITS) - 1) << Self::shift(lane))
    }

    /// Whether `lane` holds an entry.
    #[inline]
    pub(super) fn is_occupied(word: u64, lane: usize) -> bool {
        Self::tag_at(word, lane) != 0
    }

    /// The tag in `lane`.
    #[inline]
    pub(super) fn tag_at(word: u64, lane: usize) -> u64 {
        word >> Self::shift(lane) & ((1 << TAG_BITS) - 1)
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
    fn entries_of_two_words_fill_two_cache_lines_by_sevens() {
        assert_eq!(Shape::<u64, u64>::STRIDE, 128);
        assert_eq!(Shape::<u64, u64>::SLOTS, 7);
    }

    #[test]
    fn tables_grow_before_they_are_full() {
        fn check<K, V>() {
            for bits in 1..30 {
                let (load, slots) = (Shape::<K, V>::load(bits), Shape::<K, V>::SLOTS << bits);
                assert!(load >= slots / 3 && load <= slots * 3 / 4, "{load} of {slots}");
            }
        }
        check::<u64, u64>();
        check::<u32, u32>();
        check::<u64, [u64; 40]>();
        assert_eq!(Shape::<u64, u64>::load(64), usize::MAX);
    }

    #[test]
    fn every_size_of_entry_has_slots_within_its_bucket() {
        fn check<K, V>() {
            let (shape, entry) = ((Shape::<K, V>::STRIDE, Shape::<K, V>::SLOTS), size_of::<Entry<K, V>>());
            assert!((3..=7).contains(&shape.1), "{shape:?}");
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
            assert_eq!(Shape::<K, V>::empty(word).count(), 0);
            for lane in 0..Shape::<K, V>::SLOTS {
                let tag = lane as u64 + 1;
                assert_eq!(Shape::<K, V>::tag_at(word, lane), tag);
                assert_eq!(Shape::<K, V>::matching(word, tag).collect::<Vec<_>>(), [lane]);
                assert_eq!(Shape::<K, V>::first_lane(word, tag), Some(lane));
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
        assert_eq!(Shape::<u64, u64>::tag(0xABCD), 0xCD);
    }
}
