//! Zeroed memory for tables. Large blocks come from the kernel, in huge pages where that is asked for, and cost nothing
//! until they are touched: no operation pays for the zeroing of a whole table.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// From this size on a block gets pages of its own: the size of a huge page on x86-64 and most of aarch64.
const OWN_PAGES: usize = 2 << 20;

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
    /// `size` zeroed bytes at a multiple of `align`, a power of two. Large blocks are in huge pages if the kernel has them:
    /// whoever first touches one waits until it is zeroed, 0.1 ms and, in a virtual machine, up to 5 ms.
    pub(crate) fn zeroed(size: usize, align: usize) -> Self {
        let block = Self::zeroed_in_small_pages(size, align);
        block.advise_huge();
        block
    }

    /// As `zeroed`, in pages of the usual size: no single access waits long.
    pub(crate) fn zeroed_in_small_pages(size: usize, align: usize) -> Self {
        if size >= OWN_PAGES
            && align <= OWN_PAGES
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

    /// Lets the kernel put a large block into huge pages: what was not touched yet when it is, the rest in the background.
    pub(crate) fn advise_huge(&self) {
        if self.pages {
            pages::advise_huge(self.start, self.size);
        }
    }

    /// The first byte.
    pub(crate) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
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
        let block = Block::zeroed_in_small_pages(size.max(1), align_of::<T>());
        Self { start: block.start.cast(), len, block: Some(block) }
    }

    /// As [`Block::advise_huge`].
    pub(crate) fn advise_huge(&self) {
        if let Some(block) = &self.block {
            block.advise_huge();
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

    #[expect(clippy::unused_self, reason = "there is no block in a model")]
    pub(crate) fn advise_huge(&self) {}
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

    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

    use super::{Block, OWN_PAGES};

    /// Zeroed pages, aligned so that the kernel can make them huge.
    pub(super) fn map(size: usize) -> Option<Block> {
        let size = size.checked_next_multiple_of(1 << 12)?;
        let room = size.checked_add(OWN_PAGES)?;
        // SAFETY: a new private mapping at an address that the kernel chooses.
        let mapped = unsafe {
            mmap_anonymous(ptr::null_mut(), room, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let mapped = NonNull::new(mapped.ok()?.cast::<u8>())?;
        let before = mapped.align_offset(OWN_PAGES);
        // SAFETY: within the mapping: what lies before and after the aligned `size` bytes goes back.
        let start = unsafe {
            let start = mapped.add(before);
            unmap(mapped, before);
            unmap(start.add(size), room - size - before);
            start
        };
        Some(Block { start, allocation: start, size, pages: true })
    }

    pub(super) fn advise_huge(start: NonNull<u8>, size: usize) {
        // Only advice: without huge pages everything works, slower.
        // SAFETY: the mapping is a block's; the advice does not change what it holds.
        let _ = unsafe { madvise(start.as_ptr().cast(), size, Advice::LinuxHugepage) };
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

    pub(super) fn map(_: usize) -> Option<Block> {
        None
    }

    pub(super) fn advise_huge(_: NonNull<u8>, _: usize) {}

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
}
