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
//! for tags, so a tag has 8 bits with three slots, 6 with four, 4 with five or six. A tag of zero is an empty slot.

use std::marker::PhantomData;

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

const TAGS_AT: u32 = 4;
const TAGS_WIDTH: u32 = 24;
/// The bits of a header that hold tags.
pub(super) const TAGS: u64 = ((1 << TAGS_WIDTH) - 1) << TAGS_AT;

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
            ones |= 1 << (TAGS_AT + lane * Self::TAG_BITS);
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
        let nonzero = (differs & Self::LOW) + Self::LOW | differs;
        Lanes(!nonzero & Self::HIGH, PhantomData)
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
        word | tag << (TAGS_AT + lane as u32 * Self::TAG_BITS)
    }

    /// `word` with `lane` empty.
    #[inline]
    pub(super) fn without_tag(word: u64, lane: usize) -> u64 {
        word & !(((1 << Self::TAG_BITS) - 1) << (TAGS_AT + lane as u32 * Self::TAG_BITS))
    }

    /// The tag in `lane`.
    #[inline]
    pub(super) fn tag_at(word: u64, lane: usize) -> u64 {
        word >> (TAGS_AT + lane as u32 * Self::TAG_BITS) & ((1 << Self::TAG_BITS) - 1)
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
        let lane = (self.0.trailing_zeros() - TAGS_AT) / Shape::<K, V>::TAG_BITS;
        self.0 &= self.0 - 1;
        Some(lane as usize)
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
                let without = Shape::<K, V>::without_tag(word, lane);
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
