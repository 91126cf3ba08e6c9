//! Zeroed memory for tables. Large blocks come from the kernel, cost nothing until they are touched, and go back to it in
//! slices: no operation pays for the zeroing of a whole table, nor for its end.
//!
//! Pages are small ones. Who first touches a huge page waits until all of it is zeroed: 0.1 ms, and in a virtual machine
//! whose host has not backed it, several milliseconds.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

use super::sync::Mutex;
use super::sync::atomic::{AtomicBool, Ordering};

/// From this size on a block gets pages of its own.
const OWN_PAGES: usize = 1 << 20;
/// How much of a block goes back to the kernel at once: it takes some ten microseconds.
const SLICE: usize = if cfg!(raceguard_stress) { 4 << 10 } else { 512 << 10 };

/// A zeroed block of memory, freed by [`Block::free`].
#[derive(Debug)]
pub(crate) struct Block {
    start: NonNull<u8>,
    /// What to give back: the start of the allocation, which may lie before the block, and its size.
    allocation: NonNull<u8>,
    size: usize,
    pages: bool,
}

// SAFETY: a block is memory, not bound to a thread.
unsafe impl Send for Block {}

impl Block {
    /// `size` zeroed bytes at a multiple of `align`, a power of two.
    pub(crate) fn zeroed(size: usize, align: usize) -> Self {
        if size >= OWN_PAGES
            && align <= pages::ALIGN
            && let Some(block) = pages::map(size)
        {
            return block;
        }
        // The system allocator gets zeroed pages for free only if it is asked for no more than its natural alignment.
        let Some(size) = size.checked_add(align) else { capacity_overflow(size) };
        let Ok(layout) = Layout::from_size_align(size, NATURAL) else { capacity_overflow(size) };
        // SAFETY: the size is not zero: `align` is at least one.
        let allocation = unsafe { alloc::alloc_zeroed(layout) };
        let Some(allocation) = NonNull::new(allocation) else { alloc::handle_alloc_error(layout) };
        // SAFETY: less than `align` bytes further, which were allocated on top.
        let start = unsafe { allocation.add(allocation.align_offset(align)) };
        Self { start, allocation, size, pages: false }
    }

    /// The first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Gives back the end of a block of pages that nobody uses any more; whether something is left.
    fn shorten(&mut self, by: usize) -> bool {
        let by = by.min(self.size);
        self.size -= by;
        // SAFETY: the last `by` bytes, a whole number of pages, of a block that is ours and not used.
        unsafe { pages::unmap(self.allocation.add(self.size), by) };
        self.size > 0
    }

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub(crate) unsafe fn free(self) {
        // SAFETY: by the caller; allocated by `zeroed` with this size.
        unsafe {
            if self.pages {
                pages::unmap(self.allocation, self.size);
            } else {
                let layout = Layout::from_size_align_unchecked(self.size, NATURAL);
                alloc::dealloc(self.allocation.as_ptr(), layout);
            }
        }
    }
}

/// Blocks that nobody uses any more, on their way back to the system. Later operations take a slice each.
#[derive(Debug, Default)]
pub(crate) struct GiveBack {
    waiting: AtomicBool,
    blocks: Mutex<Vec<Block>>,
}

impl GiveBack {
    /// Takes a block over.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub(crate) unsafe fn add(&self, block: Block) {
        if !block.pages {
            // SAFETY: by the caller.
            unsafe { block.free() };
            return;
        }
        self.blocks.lock().push(block);
        // ORDERING: Relaxed: only a hint; the blocks have their own lock.
        self.waiting.store(true, Ordering::Relaxed);
    }

    /// Gives one slice back, if there is something.
    #[inline]
    pub(crate) fn step(&self) {
        // ORDERING: Relaxed: as in `add`.
        if self.waiting.load(Ordering::Relaxed) {
            self.give_slice();
        }
    }

    #[cold]
    fn give_slice(&self) {
        let mut blocks = self.blocks.lock();
        if let Some(mut block) = blocks.pop()
            && block.shorten(SLICE)
        {
            blocks.push(block);
        }
        // ORDERING: Relaxed: as in `add`.
        self.waiting.store(!blocks.is_empty(), Ordering::Relaxed);
    }

    /// Gives everything back.
    pub(crate) fn finish(&self) {
        let blocks = std::mem::take(&mut *self.blocks.lock());
        for block in blocks {
            // SAFETY: by who added it.
            unsafe { block.free() };
        }
    }
}

impl Drop for GiveBack {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Types of which all-zero memory is the default value.
///
/// # Safety
///
/// Outside of models, a `T` of zero bytes is what `T::default()` returns, and `T` needs no drop.
pub(crate) unsafe trait ZeroDefault: Default {}

/// Default values in zeroed memory. In models, where atomics are not plain words, they are made one by one.
#[derive(Debug)]
pub(crate) struct ZeroedSlice<T> {
    start: NonNull<T>,
    len: usize,
    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    block: Option<Block>,
}

// SAFETY: owns its elements.
unsafe impl<T: Send> Send for ZeroedSlice<T> {}
// SAFETY: gives out shared references only.
unsafe impl<T: Sync> Sync for ZeroedSlice<T> {}

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
impl<T: ZeroDefault> ZeroedSlice<T> {
    pub(crate) fn new(len: usize) -> Self {
        let size = len.checked_mul(size_of::<T>()).unwrap_or_else(|| capacity_overflow(len));
        let block = Block::zeroed(size.max(1), align_of::<T>());
        Self { start: block.start.cast(), len, block: Some(block) }
    }

    /// Hands the memory over, to go back to the system.
    ///
    /// # Safety
    ///
    /// Nobody uses the slice any more.
    pub(crate) unsafe fn give_back(mut self, to: &GiveBack) {
        if let Some(block) = self.block.take() {
            // SAFETY: by the caller; the elements need no drop.
            unsafe { to.add(block) };
        }
    }
}

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
impl<T> Drop for ZeroedSlice<T> {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            // SAFETY: this was the owner; the elements need no drop.
            unsafe { block.free() };
        }
    }
}

#[cfg(any(raceguard_shuttle, raceguard_loom))]
impl<T: ZeroDefault> ZeroedSlice<T> {
    pub(crate) fn new(len: usize) -> Self {
        let elements: Box<[T]> = (0..len).map(|_| T::default()).collect();
        Self { start: NonNull::from(Box::leak(elements)).cast(), len }
    }

    /// There is no block in a model.
    #[expect(clippy::unused_self, clippy::needless_pass_by_value, reason = "as where there are blocks")]
    pub(crate) unsafe fn give_back(self, _: &GiveBack) {}
}

#[cfg(any(raceguard_shuttle, raceguard_loom))]
impl<T> Drop for ZeroedSlice<T> {
    fn drop(&mut self) {
        let elements = std::ptr::slice_from_raw_parts_mut(self.start.as_ptr(), self.len);
        // SAFETY: made by `new`, and nobody refers to the elements.
        drop(unsafe { Box::from_raw(elements) });
    }
}

impl<T> std::ops::Deref for ZeroedSlice<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `len` initialized elements that live as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

const NATURAL: usize = 16;

#[cold]
fn capacity_overflow(size: usize) -> ! {
    panic!("a table of {size} bytes is more than the address space has")
}

#[cfg(target_os = "linux")]
mod pages {
    use std::ptr::{self, NonNull};

    use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

    use super::Block;

    /// Pages are at least so large, and aligned so.
    pub(super) const ALIGN: usize = 1 << 12;
    /// The largest pages in use are so large: sizes and slices are multiples of it.
    const PAGE: usize = 64 << 10;

    /// Zeroed pages.
    pub(super) fn map(size: usize) -> Option<Block> {
        let size = size.checked_next_multiple_of(PAGE)?;
        // SAFETY: a new private mapping at an address that the kernel chooses.
        let mapped = unsafe {
            mmap_anonymous(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let start = NonNull::new(mapped.ok()?.cast::<u8>())?;
        Some(Block { start, allocation: start, size, pages: true })
    }

    /// # Safety
    ///
    /// A part of a mapping made by [`map`] that nobody uses.
    pub(super) unsafe fn unmap(start: NonNull<u8>, size: usize) {
        if size > 0 {
            // It fails only if the kernel cannot split a mapping; the memory then stays with us, which is safe.
            // SAFETY: by the caller.
            let _ = unsafe { munmap(start.as_ptr().cast(), size) };
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod pages {
    use std::ptr::NonNull;

    use super::Block;

    pub(super) const ALIGN: usize = 1;

    pub(super) fn map(_: usize) -> Option<Block> {
        None
    }

    pub(super) unsafe fn unmap(_: NonNull<u8>, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_zeroed_and_aligned_at_every_size() {
        for size in [1, 64, 4096, OWN_PAGES - 1, OWN_PAGES, 3 * OWN_PAGES + 4097] {
            for align in [64, 128, 4096] {
                let block = Block::zeroed(size, align);
                assert_eq!(block.start.addr().get() % align, 0);
                // SAFETY: `size` initialized bytes, ours alone.
                let bytes = unsafe { std::slice::from_raw_parts_mut(block.start.as_ptr(), size) };
                assert!(bytes.iter().all(|byte| *byte == 0));
                bytes.fill(0xFF);
                // SAFETY: not used any more.
                unsafe { block.free() };
            }
        }
    }

    #[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
    #[test]
    fn a_large_block_goes_back_in_slices() {
        let to = GiveBack::default();
        // SAFETY: nobody uses the blocks.
        unsafe {
            to.add(Block::zeroed(64, 64));
            to.add(Block::zeroed(3 * SLICE + 1, 64));
            to.add(Block::zeroed(OWN_PAGES, 64));
        }
        let mut steps = 0;
        while to.waiting.load(Ordering::Relaxed) {
            to.step();
            steps += 1;
        }
        assert!(to.blocks.lock().is_empty());
        // Only blocks with pages of their own, of which the second is one unless thresholds are shrunk.
        let large = [3 * SLICE + 1, OWN_PAGES].into_iter().filter(|size| *size >= OWN_PAGES);
        let slices = if cfg!(target_os = "linux") { large.map(|size| size.div_ceil(SLICE)).sum() } else { 0 };
        assert!((slices.saturating_sub(1_usize)..=slices).contains(&steps), "{steps} steps");
    }
}
