//! One cache line of the table: tags, flags, pointers to entries, and the lock.

use std::ptr::{self, NonNull};

use crate::raw::sync::Waiting;
use crate::raw::sync::atomic::{AtomicPtr, AtomicU64, Ordering};
use crate::raw::table_memory::ZeroDefault;

/// Entries per bucket.
pub(super) const LANES: usize = 6;

const LOCKED: u64 = 1 << 63;
const MOVED: u64 = 1 << 62;
const LOW_BITS: u64 = 0x0000_0101_0101_0101;
const HIGH_BITS: u64 = LOW_BITS << 7;

/// The word of a bucket: byte `i` is the tag of lane `i`, 0 for an empty lane; the two highest bits are flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

/// The tag of a hash: its highest byte, but never 0. The table is indexed by the lowest bits.
#[inline]
pub(super) fn tag_of(hash: u64) -> u8 {
    let [.., high] = hash.to_le_bytes();
    high.max(1)
}

impl Word {
    #[inline]
    pub(super) fn is_moved(self) -> bool {
        self.0 & MOVED != 0
    }

    fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    /// Lanes that may have this tag, in ascending order; all that do, and seldom one that does not.
    #[inline]
    pub(super) fn matches(self, tag: u8) -> Lanes {
        let differences = self.0 ^ (u64::from(tag) * LOW_BITS);
        Lanes(differences.wrapping_sub(LOW_BITS) & !differences & HIGH_BITS)
    }

    /// Lanes with an entry.
    #[inline]
    pub(super) fn occupied(self) -> Lanes {
        // A byte that is not 0 has its high bit set, or carries into it when 0x7F is added to the rest.
        let rest = self.0 & (LOW_BITS * 0x7F);
        Lanes(((rest + LOW_BITS * 0x7F) | self.0) & HIGH_BITS)
    }

    /// Whether a lane has an entry.
    #[inline]
    pub(super) fn is_occupied(self, lane: usize) -> bool {
        self.0 >> (lane * 8) & 0xFF != 0
    }

    /// The first lane without an entry.
    pub(super) fn first_empty(self) -> Option<usize> {
        Lanes(!self.occupied().0 & HIGH_BITS).next()
    }

    pub(super) fn with_tag(self, lane: usize, tag: u8) -> Self {
        let shift = lane * 8;
        Self(self.0 & !(0xFF << shift) | u64::from(tag) << shift)
    }

    fn unlocked(self) -> Self {
        Self(self.0 & !LOCKED)
    }
}

/// A set of lanes, as the high bits of their bytes.
#[derive(Debug)]
pub(super) struct Lanes(u64);

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let lane = (self.0.trailing_zeros() / 8) as usize;
        self.0 &= self.0 - 1;
        Some(lane)
    }
}

/// A bucket, or an overflow bucket, of which the flags are not used.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Bucket<E> {
    word: AtomicU64,
    slots: [AtomicPtr<E>; LANES],
    next: AtomicPtr<Bucket<E>>,
}

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
const _: () = assert!(size_of::<Bucket<u8>>() == 64);

impl<E> Default for Bucket<E> {
    fn default() -> Self {
        Self {
            word: AtomicU64::new(0),
            slots: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }
}

// SAFETY: a word of 0 and null pointers; nothing to drop.
unsafe impl<E> ZeroDefault for Bucket<E> {}

impl<E> Bucket<E> {
    #[inline]
    pub(super) fn word(&self) -> Word {
        // ORDERING: Acquire pairs with the Release in `set_word`: the pointers of the tags that are seen are there, and
        // after the mark of a move, the second table with the entries in it.
        Word(self.word.load(Ordering::Acquire))
    }

    /// The entry of a lane, if it still has one.
    #[inline]
    pub(super) fn entry(&self, lane: usize) -> *mut E {
        // ORDERING: Acquire pairs with the Release in `set_entry`: the entry's contents are there.
        self.slots[lane].load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn next<'a>(&self) -> Option<&'a Bucket<E>>
    where
        E: 'a,
    {
        // ORDERING: Acquire pairs with the Release in `link`.
        // SAFETY: null or an overflow bucket of the same table; the caller's table lives as long as its pin.
        unsafe { self.next.load(Ordering::Acquire).as_ref() }
    }

    /// Holder of the lock only.
    #[inline]
    pub(super) fn set_entry(&self, lane: usize, entry: *mut E) {
        // ORDERING: Release publishes the entry's contents.
        self.slots[lane].store(entry, Ordering::Release);
    }

    /// Holder of the lock only; on a root bucket this unlocks.
    #[inline]
    pub(super) fn set_word(&self, word: Word) {
        // ORDERING: Release publishes the pointers that the tags belong to, and what was done under the lock.
        self.word.store(word.unlocked().0, Ordering::Release);
    }

    /// Marks a locked bucket as moved for ever, and unlocks it.
    pub(super) fn set_moved(&self, word: Word) {
        self.set_word(Word(word.0 | MOVED));
    }

    /// Holder of the lock only.
    pub(super) fn link(&self, overflow: NonNull<Bucket<E>>) {
        // ORDERING: Release publishes the overflow bucket's contents.
        self.next.store(overflow.as_ptr(), Ordering::Release);
    }

    /// Locks the bucket and returns its word without the lock flag; `None` when it was moved.
    #[inline]
    pub(super) fn lock(&self) -> Option<Word> {
        // ORDERING: Relaxed: only a guess for the exchange below.
        let word = Word(self.word.load(Ordering::Relaxed));
        if !word.is_locked() && !word.is_moved() && self.try_lock(word) {
            return Some(word);
        }
        self.lock_contended()
    }

    #[inline]
    fn try_lock(&self, word: Word) -> bool {
        // ORDERING: Acquire pairs with the Release in `set_word`: the last holder's work is visible.
        self.word.compare_exchange(word.0, word.0 | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[cold]
    fn lock_contended(&self) -> Option<Word> {
        let mut waiting = Waiting::default();
        loop {
            let word = self.word();
            if word.is_moved() {
                return None;
            }
            if !word.is_locked() && self.try_lock(word) {
                return Some(word);
            }
            waiting.wait();
        }
    }
}

#[cfg(all(test, not(raceguard_loom)))]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_in_their_lanes() {
        let mut word = Word(LOCKED | MOVED);
        assert_eq!(word.first_empty(), Some(0));
        assert_eq!(word.occupied().count(), 0);
        for (lane, tag) in [(0, 1), (1, 0x80), (2, 0xFF), (3, 1), (4, 0x81), (5, 0x7F)] {
            word = word.with_tag(lane, tag);
            assert!(word.matches(tag).any(|found| found == lane), "lane {lane} of {word:x?}");
            assert_eq!(word.occupied().collect::<Vec<_>>(), (0..=lane).collect::<Vec<_>>());
            assert_eq!(word.first_empty(), (lane < 5).then_some(lane + 1));
            assert!((0..LANES).all(|other| word.is_occupied(other) == (other <= lane)));
        }
        assert!(word.matches(1).all(|lane| [0, 1, 3, 4].contains(&lane)));
        word = word.with_tag(2, 0);
        assert_eq!(word.first_empty(), Some(2));
        assert_eq!(word.occupied().collect::<Vec<_>>(), [0, 1, 3, 4, 5]);
        assert!(word.is_locked() && word.is_moved() && !word.unlocked().is_locked());
    }
}
