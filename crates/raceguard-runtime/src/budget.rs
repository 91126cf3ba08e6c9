//! `RACEGUARD=memory_limit=SIZE`: what the runtime gives up when it needs more memory than it was given.
//!
//! In this order: above the limit no allocation stacks are recorded any more; above one and a quarter of it sets of
//! concurrent readers keep the last reader only. Both are said in every report from then on.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::memory;

static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Bytes of shadow that have been written to, and not given back.
static SHADOW: AtomicUsize = AtomicUsize::new(0);
/// Times that a set of readers was cut down.
static DROPPED_READERS: AtomicU64 = AtomicU64::new(0);

/// Sets the limit in bytes.
pub fn limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

/// More shadow is in use.
pub fn add_shadow(bytes: usize) {
    SHADOW.fetch_add(bytes, Ordering::Relaxed);
}

/// So much of the shadow in use was given back.
pub fn remove_shadow(bytes: usize) {
    SHADOW.fetch_sub(bytes, Ordering::Relaxed);
}

/// Bytes of shadow that have been written to and not given back since.
pub fn shadow() -> usize {
    SHADOW.load(Ordering::Relaxed)
}

/// Bytes that the runtime uses, shadow and its own.
pub fn used() -> usize {
    shadow() + memory::mapped_bytes()
}

/// Whether allocation stacks are still recorded.
#[inline]
pub fn allows_allocation_stacks() -> bool {
    let limit = LIMIT.load(Ordering::Relaxed);
    limit == usize::MAX || used() <= limit
}

/// Whether all concurrent readers are still kept; if not, the answer is counted.
pub fn allows_read_sets() -> bool {
    let limit = LIMIT.load(Ordering::Relaxed);
    if limit == usize::MAX || used() <= limit.saturating_add(limit / 4) {
        return true;
    }
    DROPPED_READERS.fetch_add(1, Ordering::Relaxed);
    false
}

/// What has been given up so far, for reports.
pub fn notes() -> impl Iterator<Item = &'static str> {
    let allocations = (!allows_allocation_stacks())
        .then_some("memory_limit reached: allocation stacks are not recorded any more");
    let readers = (DROPPED_READERS.load(Ordering::Relaxed) > 0)
        .then_some("memory_limit exceeded: of concurrent readers only the last one was kept in places; races with others may be missed");
    allocations.into_iter().chain(readers)
}

/// The bytes that a text like `2GiB`, `512MB` or `1000000` means.
pub fn parse_size(text: &[u8]) -> Option<usize> {
    let text = core::str::from_utf8(text).ok()?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit: usize = match &text[digits..] {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "KB" => 1_000,
        "M" | "MiB" => 1 << 20,
        "MB" => 1_000_000,
        "G" | "GiB" => 1 << 30,
        "GB" => 1_000_000_000,
        _ => return None,
    };
    text[..digits].parse::<usize>().ok()?.checked_mul(unit).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size(b"2GiB"), Some(2 << 30));
        assert_eq!(parse_size(b"512MB"), Some(512_000_000));
        assert_eq!(parse_size(b"64K"), Some(64 << 10));
        assert_eq!(parse_size(b"1000"), Some(1000));
        for wrong in [&b""[..], b"0", b"GiB", b"1XB", b"-1", b"99999999999999999999GiB"] {
            assert_eq!(parse_size(wrong), None);
        }
    }
}
