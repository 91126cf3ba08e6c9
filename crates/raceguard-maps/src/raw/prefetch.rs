//! Hints to the processor: cache lines that will be needed soon.

use hashbrown::HashTable;

/// Asks the processor to load what the pointer points to. A hint: any pointer will do.
#[inline]
pub(crate) fn to_read<T>(pointer: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching has no effect on memory and does not fault; SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(pointer.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer;
}

/// Bytes of a table that [`table`] asks for at most.
const MOST: usize = 16 << 10;

/// Asks the processor to load a small table: for a walk over many of them, a table ahead of the one that it is at. The
/// processor by itself follows a walk to the end of a page of memory only.
#[inline]
pub(crate) fn table<T>(table: &HashTable<T>) {
    if let Some(first) = table.iter().next() {
        let first = std::ptr::from_ref(first).cast::<u8>();
        // hashbrown lays out its buckets downwards from the first one, and the tags upwards.
        let buckets = table.num_buckets();
        let bytes = (buckets * size_of::<T>()).min(MOST);
        (0..bytes).step_by(64).for_each(|byte| to_read(first.wrapping_sub(byte)));
        (64..buckets.min(MOST)).step_by(64).for_each(|byte| to_read(first.wrapping_add(byte)));
    }
}

/// As [`to_read`], for a cache line that will be written: it comes once, not first to read and then to write.
#[inline]
pub(crate) fn to_write<T>(place: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(raceguard_shuttle, raceguard_loom))))]
    // SAFETY: as for `to_read`; processors without the instruction take it for one that does nothing.
    unsafe {
        std::arch::asm!("prefetchw [{}]", in(reg) place, options(nostack, preserves_flags));
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(raceguard_shuttle, raceguard_loom)))))]
    let _ = place;
}
