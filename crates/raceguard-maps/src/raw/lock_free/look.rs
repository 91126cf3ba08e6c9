//! A bucket as one thread sees it without the lock: what a walk compares and copies.

use std::ptr::{self, NonNull};

use super::bucket::{Bucket, LANES, Word};
use crate::raw::prefetch;

/// The word and the pointers of a bucket, each loaded once, in this order.
#[derive(Debug)]
pub(super) struct Look<E> {
    word: Word,
    slots: [*mut E; LANES],
    overflow: bool,
}

// Not derived, for that would ask the same of `E`.
impl<E> PartialEq for Look<E> {
    fn eq(&self, other: &Self) -> bool {
        // All of them, instead of up to the first that differs: buckets seldom change between two looks.
        let same =
            self.slots.iter().zip(&other.slots).fold(true, |same, (one, other)| same & ptr::eq(*one, *other));
        same && self.word == other.word && self.overflow == other.overflow
    }
}

impl<E> Look<E> {
    #[inline]
    pub(super) fn at(bucket: &Bucket<E>) -> Self {
        let word = bucket.word();
        let slots = std::array::from_fn(|lane| bucket.entry(lane));
        Self { word, slots, overflow: bucket.next().is_some() }
    }

    pub(super) fn is_moved(&self) -> bool {
        self.word.is_moved()
    }

    /// More entries lie in an overflow bucket, which a look does not follow.
    pub(super) fn is_part(&self) -> bool {
        self.overflow
    }

    /// Appends the entries, and asks the processor to load them.
    #[inline]
    pub(super) fn append_to(&self, found: &mut Vec<NonNull<E>>) {
        found.reserve(LANES);
        let start = found.len();
        let mut count = 0;
        let room = found.spare_capacity_mut();
        // How many lanes are in use differs from bucket to bucket, so that the processor cannot guess a branch: each lane
        // is written, and those that are empty are written over.
        for (lane, slot) in self.slots.iter().enumerate() {
            let entry = if self.word.is_occupied(lane) { *slot } else { ptr::null_mut() };
            let there = !entry.is_null();
            let entry = NonNull::new(entry).unwrap_or(NonNull::dangling());
            prefetch::to_read(if there {
                entry.as_ptr().cast_const().cast::<u8>()
            } else {
                ptr::from_ref(self).cast()
            });
            room[count].write(entry);
            count += usize::from(there);
        }
        // SAFETY: so many were written.
        unsafe { found.set_len(start + count) };
    }
}
