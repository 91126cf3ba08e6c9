//! [`Identity`]: a number for each checked map, forgotten everywhere when the map goes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::lock_order;

/// The number of one map.
#[derive(Debug)]
pub(super) struct Identity(u64);

impl Identity {
    pub(super) fn new() -> Self {
        // A plain counter, not one of the checkers': it orders nothing, and it has to live as long as the process.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn number(&self) -> u64 {
        self.0
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        lock_order::forget(self.0);
    }
}
