//! Vector clocks: what a goroutine, or a sync object, knows of every slot.
//!
//! A clock is a reference-counted block that is changed only while there is one reference to it. So a release,
//! which hands the goroutine's clock to a sync object, is one more reference, and the copy is made by the next
//! acquire that learns something new. The first [`LOW`] slots lie in the block; all others in a persistent radix
//! tree ([`crate::clock_tree`]), whose nodes are shared between clocks that agree.
//!
//! The owner's own current epoch is never in its clock: it is kept beside it (in the goroutine, and as the
//! releasing epoch in a sync object), so that passing from one epoch to the next leaves the clock untouched.

use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::clock_tree::Tree;
use crate::memory;

/// Entries in the block itself: header and entries of a full block fill 256 bytes.
pub const LOW: usize = 56;

/// Clocks up to this many entries are copied, not shared.
const SMALL: usize = 24;

#[repr(C)]
struct Block {
    references: AtomicU32,
    len: u32,
    capacity: u32,
    _reserved: u32,
    high: Tree,
}
const HEADER: usize = size_of::<Block>();
const _: () = assert!(HEADER + 4 * LOW == 256);

/// A vector clock. Empty at first, which takes no memory.
pub struct Clock(*mut Block);

// SAFETY: blocks are changed only by the holder of their single reference; counts are atomic.
unsafe impl Send for Clock {}

impl Clock {
    /// A clock that knows nothing.
    pub const fn new() -> Self {
        Self(null_mut())
    }

    /// Another reference to the same entries.
    #[inline]
    pub fn share(&self) -> Self {
        if let Some(block) = self.block() {
            block.references.fetch_add(1, Ordering::Relaxed);
        }
        Self(self.0)
    }

    /// Becomes equal to `other`. A small clock is copied into the block at hand, which is cheaper than counting
    /// references and copying at the next change; a large one is shared.
    pub fn assign(&mut self, other: &Self) {
        let theirs = other.low();
        let (small, mine) = (theirs.len() <= SMALL && other.high().is_empty(), self.block());
        let reusable = mine.is_some_and(|mine| {
            // ORDERING: as in `own`.
            mine.references.load(Ordering::Acquire) == 1
                && mine.capacity as usize >= theirs.len()
                && mine.high.is_empty()
        });
        if self.is_same(other) {
            return;
        }
        if !small {
            *self = other.share();
            return;
        }
        if !reusable {
            *self = Self::new();
        }
        if theirs.is_empty() {
            *self = Self::new();
            return;
        }
        let entries = self.own(theirs.len());
        entries[..theirs.len()].copy_from_slice(theirs);
        entries[theirs.len()..].fill(0);
    }

    /// Whether two clocks are the same block, and so have equal entries.
    #[inline]
    pub fn is_same(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }

    #[inline(always)]
    fn block(&self) -> Option<&Block> {
        // SAFETY: a non-null pointer is a live block, kept alive by this reference.
        unsafe { self.0.as_ref() }
    }

    #[inline(always)]
    fn low(&self) -> &[u32] {
        match self.block() {
            // SAFETY: `len` entries are initialised behind the header.
            Some(block) => unsafe {
                core::slice::from_raw_parts(self.0.cast::<u8>().add(HEADER).cast::<u32>(), block.len as usize)
            },
            None => &[],
        }
    }

    /// What is known of `slot`: its epochs up to this one happened before.
    #[inline(always)]
    pub fn get(&self, slot: u32) -> u32 {
        let low = self.low();
        if (slot as usize) < low.len() {
            return low[slot as usize];
        }
        if (slot as usize) < LOW { 0 } else { self.get_high(slot as usize - LOW) }
    }

    #[inline(never)]
    fn get_high(&self, at: usize) -> u32 {
        self.block().map_or(0, |block| block.high.get(at))
    }

    /// Learns that the epochs of `slot` up to `clock` happened before. True if that was news.
    pub fn raise(&mut self, slot: u32, clock: u32) -> bool {
        if self.get(slot) >= clock {
            return false;
        }
        if (slot as usize) < LOW {
            self.own(slot as usize + 1)[slot as usize] = clock;
        } else {
            self.own_high().set(slot as usize - LOW, clock);
        }
        true
    }

    /// Learns all that `other` knows. True if anything was news.
    pub fn join(&mut self, other: &Self) -> bool {
        if self.is_same(other) || other.0.is_null() {
            return false;
        }
        if self.0.is_null() {
            *self = other.share();
            return true;
        }
        let theirs = other.low();
        let mine = self.low();
        let news = theirs.iter().enumerate().any(|(i, &clock)| clock > mine.get(i).copied().unwrap_or(0));
        if news {
            for (mine, &clock) in self.own(theirs.len()).iter_mut().zip(theirs) {
                *mine = (*mine).max(clock);
            }
        }
        match other.block() {
            Some(theirs) if !theirs.high.is_empty() && !theirs.high.is_same(self.high()) => {
                self.own_high().join(&theirs.high) | news
            }
            _ => news,
        }
    }

    fn high(&self) -> &Tree {
        static EMPTY: Tree = Tree::new();
        self.block().map_or(&EMPTY, |block| &block.high)
    }

    fn own_high(&mut self) -> &mut Tree {
        self.own(0);
        // SAFETY: `own` has made the block exclusively ours.
        unsafe { &mut (*self.0).high }
    }

    /// The entries of the block as an exclusively owned slice of at least `len`.
    fn own(&mut self, len: usize) -> &mut [u32] {
        let old_len = self.low().len();
        let len = len.max(old_len);
        let reusable = self.block().is_some_and(|block| {
            // ORDERING: Acquire pairs with the Release decrement of whoever shared the block until now.
            block.references.load(Ordering::Acquire) == 1 && block.capacity as usize >= len
        });
        if !reusable {
            self.replace_block(len);
        }
        // SAFETY: the block is live, ours alone, and has capacity for `len` entries, of which the part behind the
        // old length is zeroed here.
        unsafe {
            let entries = self.0.cast::<u8>().add(HEADER).cast::<u32>();
            if len > old_len {
                entries.add(old_len).write_bytes(0, len - old_len);
                (*self.0).len = len as u32;
            }
            core::slice::from_raw_parts_mut(entries, len)
        }
    }

    /// Puts a fresh copy of the block, large enough for `len` entries, in its place.
    fn replace_block(&mut self, len: usize) {
        let bytes = (HEADER + 4 * len).next_power_of_two().min(HEADER + 4 * LOW);
        let new = memory::allocate(bytes).as_ptr().cast::<Block>();
        let low = self.low();
        let high = self.high().share();
        // SAFETY: `new` is fresh memory of the size asked for.
        unsafe {
            new.write(Block {
                references: AtomicU32::new(1),
                len: low.len() as u32,
                capacity: ((bytes - HEADER) / 4) as u32,
                _reserved: 0,
                high,
            });
            new.cast::<u8>().add(HEADER).cast::<u32>().copy_from_nonoverlapping(low.as_ptr(), low.len());
        }
        *self = Self(new);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Clock {
    #[inline]
    fn drop(&mut self) {
        let Some(block) = self.block() else { return };
        // ORDERING: Release so that our reads are done before another holder changes or frees the block; Acquire
        // for the one who frees it.
        if block.references.fetch_sub(1, Ordering::AcqRel) == 1 {
            // SAFETY: that was the last reference.
            unsafe {
                let bytes = HEADER + 4 * block.capacity as usize;
                self.0.drop_in_place();
                memory::free(NonNull::new_unchecked(self.0.cast()), bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// A small deterministic generator: the tests need variety, not quality.
    struct Numbers(u64);
    impl Numbers {
        fn below(&mut self, bound: u32) -> u32 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((self.0 >> 33) as u32) % bound
        }
    }

    #[test]
    fn agrees_with_a_plain_map_under_random_operations() {
        let mut numbers = Numbers(7);
        let mut clocks: Vec<(Clock, HashMap<u32, u32>)> =
            (0..8).map(|_| (Clock::new(), HashMap::new())).collect();
        for step in 0..20_000 {
            let (a, b) = (numbers.below(8) as usize, numbers.below(8) as usize);
            let slot = if step % 3 == 0 { numbers.below(3000) } else { numbers.below(70) };
            match numbers.below(4) {
                0 | 1 => {
                    let clock = numbers.below(1000) + 1;
                    let news = clocks[a].0.raise(slot, clock);
                    let entry = clocks[a].1.entry(slot).or_default();
                    assert_eq!(news, clock > *entry);
                    *entry = clock.max(*entry);
                }
                2 => {
                    let (other, map) = (clocks[b].0.share(), clocks[b].1.clone());
                    let news = clocks[a].0.join(&other);
                    let mut expected = false;
                    for (slot, clock) in map {
                        let entry = clocks[a].1.entry(slot).or_default();
                        expected |= clock > *entry;
                        *entry = clock.max(*entry);
                    }
                    assert!(news == expected || (!expected && clocks[a].1.values().all(|&c| c == 0)));
                }
                _ if step % 2 == 0 => clocks[a] = (clocks[b].0.share(), clocks[b].1.clone()),
                _ => {
                    let (other, map) = (clocks[b].0.share(), clocks[b].1.clone());
                    clocks[a].0.assign(&other);
                    clocks[a].1 = map;
                }
            }
            assert_eq!(clocks[a].0.get(slot), clocks[a].1.get(&slot).copied().unwrap_or(0));
        }
        for (clock, map) in &clocks {
            for slot in 0..3100 {
                assert_eq!(clock.get(slot), map.get(&slot).copied().unwrap_or(0));
            }
        }
    }

    #[test]
    fn a_shared_clock_does_not_change_under_its_holders() {
        let mut mine = Clock::new();
        mine.raise(3, 5);
        mine.raise(500, 6);
        let theirs = mine.share();
        mine.raise(3, 9);
        mine.raise(500, 9);
        assert_eq!((theirs.get(3), theirs.get(500)), (5, 6));
        assert_eq!((mine.get(3), mine.get(500)), (9, 9));
    }
}
