//! Zeroed memory for tables. Large blocks come from the kernel, in huge pages where it has them, and cost nothing
//! until they are touched: no operation pays for the zeroing of a whole table.

use std::alloc::{self, Layout};
use std::ptr::NonNull;

/// From this size on a block gets pages of its own: the size of a huge page on x86-64 and most of aarch64.
const OWN_PAGES: usize = 2 << 20;

/// A zeroed block of memory, freed by [`Block::free`].
#[derive(Debug)]
pub(super) struct Block {
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
    pub(super) fn zeroed(size: usize, align: usize) -> Self {
        if size >= OWN_PAGES && align <= OWN_PAGES {
            if let Some(block) = pages::map(size) {
                return block;
            }
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
    pub(super) fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Gives the memory back.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub(super) unsafe fn free(self) {
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
        // Only advice: without huge pages everything works, slower.
        // SAFETY: the mapping is ours; the advice does not change what it holds.
        let _ = unsafe { madvise(start.as_ptr().cast(), size, Advice::LinuxHugepage) };
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
                assert_eq!(block.start().addr() % align, 0);
                // SAFETY: `size` initialized bytes, ours alone.
                let bytes = unsafe { std::slice::from_raw_parts_mut(block.start(), size) };
                assert!(bytes.iter().all(|byte| *byte == 0));
                bytes.fill(0xFF);
                // SAFETY: not used any more.
                unsafe { block.free() };
            }
        }
    }
}
