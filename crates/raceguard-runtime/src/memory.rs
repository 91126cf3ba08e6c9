//! The runtime's own memory: power-of-two size classes carved from mapped chunks, a free list for each.
//!
//! Freed blocks go back to their class and are used again; nothing is returned to the system but blocks larger
//! than the largest class. Memory of a class stays memory of that class for ever, so that a reader without a lock
//! that looks at a freed block sees stale data, never an unmapped page.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::lock::SpinLock;
use crate::sys;

const SMALLEST_SHIFT: u32 = 4;
const LARGEST_SHIFT: u32 = 16;
const CLASSES: usize = (LARGEST_SHIFT - SMALLEST_SHIFT + 1) as usize;
const CHUNK: usize = 256 << 10;

struct Class {
    free: usize,
    next: usize,
    end: usize,
}

#[expect(clippy::declare_interior_mutable_const, reason = "only used to fill the array below")]
const EMPTY: SpinLock<Class> = SpinLock::new(Class { free: 0, next: 0, end: 0 });
static POOL: [SpinLock<Class>; CLASSES] = [EMPTY; CLASSES];
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that the allocator has taken from the system so far.
pub fn mapped_bytes() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

fn class_shift(size: usize) -> u32 {
    size.max(1 << SMALLEST_SHIFT).next_power_of_two().trailing_zeros()
}

fn map_or_die(size: usize) -> usize {
    let at = sys::map(size);
    if at == 0 {
        sys::fatal(
            "out of memory in the race runtime",
            "raise the memory limit of the process or run fewer tests at once",
        );
    }
    MAPPED.fetch_add(size, Ordering::Relaxed);
    at
}

/// `size` bytes, 16-byte aligned (more for larger blocks: blocks up to 4 KB are aligned to their class size).
/// The contents are undefined. Never fails: without memory the process ends with a message.
pub fn allocate(size: usize) -> NonNull<u8> {
    let shift = class_shift(size);
    let at = if shift > LARGEST_SHIFT { map_or_die(round_to_pages(size)) } else { take(shift) };
    // SAFETY: neither a mapping nor a block carved from one starts at zero.
    unsafe { NonNull::new_unchecked(at as *mut u8) }
}

fn take(shift: u32) -> usize {
    let mut class = POOL[(shift - SMALLEST_SHIFT) as usize].lock();
    if class.free != 0 {
        let block = class.free;
        // SAFETY: a block in the free list holds the address of the next one in its first word.
        class.free = unsafe { *(block as *const usize) };
        return block;
    }
    let size = 1usize << shift;
    if class.next + size > class.end {
        let chunk = if class.end == 0 { CHUNK >> 2 } else { CHUNK };
        class.next = map_or_die(chunk);
        class.end = class.next + chunk;
    }
    let block = class.next;
    class.next += size;
    block
}

/// Gives a block of `size` bytes back.
///
/// # Safety
/// `block` came from [`allocate`] with the same `size`, and nobody uses it any more.
pub unsafe fn free(block: NonNull<u8>, size: usize) {
    let shift = class_shift(size);
    let at = block.as_ptr() as usize;
    if shift > LARGEST_SHIFT {
        MAPPED.fetch_sub(round_to_pages(size), Ordering::Relaxed);
        sys::unmap(at, round_to_pages(size));
        return;
    }
    let mut class = POOL[(shift - SMALLEST_SHIFT) as usize].lock();
    // SAFETY: the block is ours and at least one word long.
    unsafe { *(at as *mut usize) = class.free };
    class.free = at;
}

fn round_to_pages(size: usize) -> usize {
    size.next_multiple_of(4096)
}

#[cfg(raceguard_object)]
mod global {
    //! The same memory for the `alloc` crate, which the report writer uses.
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::NonNull;

    struct Pool;

    // SAFETY: blocks are distinct, sized and aligned as asked (alignment is at most 16 in this crate).
    unsafe impl GlobalAlloc for Pool {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            super::allocate(layout.size().max(layout.align())).as_ptr()
        }
        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: `alloc` never returns null and the layout is the one it was called with.
            unsafe { super::free(NonNull::new_unchecked(block), layout.size().max(layout.align())) }
        }
    }

    #[global_allocator]
    static GLOBAL: Pool = Pool;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_blocks_are_used_again() {
        let first = allocate(100);
        // SAFETY: just allocated with this size.
        unsafe { free(first, 100) };
        let blocks: Vec<_> = (0..64).map(|_| allocate(120)).collect();
        assert!(blocks.contains(&first), "100 and 120 bytes share the 128-byte class");
    }

    #[test]
    fn blocks_do_not_overlap_and_are_aligned() {
        let mut blocks: Vec<usize> = (0..1000).map(|_| allocate(64).as_ptr() as usize).collect();
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[1] - pair[0] >= 64));
        assert!(blocks.iter().all(|at| at % 64 == 0));
    }

    #[test]
    fn large_blocks_come_straight_from_the_system() {
        let before = mapped_bytes();
        let block = allocate(1 << 20);
        assert!(mapped_bytes() >= before + (1 << 20));
        // SAFETY: just allocated with this size.
        unsafe { free(block, 1 << 20) };
    }
}
