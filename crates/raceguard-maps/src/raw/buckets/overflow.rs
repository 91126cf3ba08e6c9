//! Buckets for what does not fit into a table's own: the rest of the chains.
//!
//! Overflow buckets belong to their table and are freed with it, never before. So an optimistic reader that follows a
//! pointer which is out of date reads a bucket of another chain, or one that nobody uses, but never memory that is gone;
//! the header of its chain then tells it to begin again. That is why a bucket can be used again at once.

use std::ptr;

use crate::raw::sync::Mutex;

use super::header::Head;
use super::table::make_heads;
use crate::raw::table_memory::{Block, GiveBack};

/// The overflow buckets of one table.
#[derive(Debug)]
pub(super) struct Overflow {
    stride: usize,
    align: usize,
    /// Buckets that are allocated at once.
    segment: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Given back, linked by `next`.
    free: *mut Head,
    /// The part of the last segment that was never used.
    fresh: *mut Head,
    fresh_left: usize,
    segments: Vec<Block>,
}

// SAFETY: the pointers lead into the segments, which are not bound to a thread.
unsafe impl Send for State {}

impl Overflow {
    /// None yet, for a table of so many buckets.
    pub(super) fn new(stride: usize, align: usize, buckets: usize) -> Self {
        // At the load at which a table grows, one bucket in ten has overflowed.
        let largest = ((1 << 20) / stride).max(4);
        Self {
            stride,
            align,
            segment: (buckets / 32).clamp(2, largest),
            state: Mutex::new(State {
                free: ptr::null_mut(),
                fresh: ptr::null_mut(),
                fresh_left: 0,
                segments: Vec::new(),
            }),
        }
    }

    /// A bucket with nothing in it, for the owner of a chain's lock.
    pub(super) fn take(&self) -> *mut Head {
        let mut state = self.state.lock();
        if !state.free.is_null() {
            let bucket = state.free;
            // SAFETY: a bucket of ours; buckets in this list are changed under this lock alone.
            let head = unsafe { &*bucket };
            state.free = head.next();
            head.set_next(ptr::null_mut());
            return bucket;
        }
        if state.fresh_left == 0 {
            let block = Block::zeroed(self.segment * self.stride, self.align);
            state.fresh = block.start().cast();
            state.fresh_left = self.segment;
            // SAFETY: new memory for so many buckets.
            unsafe { make_heads(state.fresh, self.segment, self.stride) };
            state.segments.push(block);
        }
        let bucket = state.fresh;
        // SAFETY: within the segment, or one past its end, where it is not used since none are left.
        state.fresh = unsafe { bucket.byte_add(self.stride) };
        state.fresh_left -= 1;
        bucket
    }

    /// Takes an empty bucket back that is no longer part of its chain.
    pub(super) fn give_back(&self, bucket: *mut Head) {
        // SAFETY: a bucket of this table that no chain has any more.
        let head = unsafe { &*bucket };
        let mut state = self.state.lock();
        head.set_tags(0);
        head.set_next(state.free);
        state.free = bucket;
    }

    /// Hands the memory over.
    ///
    /// # Safety
    ///
    /// Nobody uses any of the buckets.
    pub(super) unsafe fn free(self, to: &GiveBack) {
        let state = std::mem::replace(
            &mut *self.state.lock(),
            State { free: ptr::null_mut(), fresh: ptr::null_mut(), fresh_left: 0, segments: Vec::new() },
        );
        for segment in state.segments {
            // SAFETY: by the caller.
            unsafe { to.add(segment) };
        }
    }
}
