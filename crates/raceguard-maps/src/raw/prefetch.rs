//! Hints to the processor: cache lines that will be needed soon.

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
