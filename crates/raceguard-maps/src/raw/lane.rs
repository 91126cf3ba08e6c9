//! A small number for each thread, by which striped structures keep threads apart.
//!
//! Threads get consecutive numbers. A thread that meets another one on its stripe moves to a new number, as in Java's
//! `LongAdder` (Striped64): numbers only spread load, and two threads with one number are slow, never wrong.

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
mod real {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    thread_local! {
        /// One more than the thread's number; 0 until it has one.
        static LANE: Cell<usize> = const { Cell::new(0) };
    }

    static NEXT: AtomicUsize = AtomicUsize::new(1);

    /// The calling thread's number.
    #[inline]
    pub(crate) fn current() -> usize {
        let lane = LANE.get();
        if lane == 0 { first() } else { lane }
    }

    /// Gives the calling thread another number.
    pub(crate) fn set(lane: usize) {
        LANE.set(lane.max(1));
    }

    #[cold]
    fn first() -> usize {
        // ORDERING: Relaxed: the number orders nothing.
        let lane = NEXT.fetch_add(1, Ordering::Relaxed).max(1);
        LANE.set(lane);
        lane
    }
}

/// Under a checker nothing may live on from one run of a program to the next. So in shuttle a thread's number is that of
/// its task, and in loom, which has no numbers that are the same in each run, all threads begin with the same.
#[cfg(any(raceguard_shuttle, raceguard_loom))]
mod modelled {
    #[cfg(raceguard_loom)]
    pub(crate) fn current() -> usize {
        0
    }

    #[cfg(raceguard_shuttle)]
    pub(crate) fn current() -> usize {
        shuttle::current::me().into()
    }

    pub(crate) fn set(_lane: usize) {}
}

#[cfg(any(raceguard_shuttle, raceguard_loom))]
pub(crate) use modelled::{current, set};
#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
pub(crate) use real::{current, set};
