//! [`Stops`]: whether the system had another thread run in this one's place.
//!
//! The longest of millions of operations is often one in which the thread did not run. The kernel counts such
//! involuntary switches of each thread (getrusage(2), `RUSAGE_THREAD`, `ru_nivcsw`).
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

/// The count of the calling thread, as it was when it was last looked at.
pub(super) struct Stops(Option<libc::c_long>);

impl Stops {
    pub(super) fn new() -> Self {
        Self(switches())
    }

    /// Whether the thread ran throughout since this was asked last. Not, if the kernel does not say.
    pub(super) fn none(&mut self) -> bool {
        let before = std::mem::replace(&mut self.0, switches());
        before.is_some() && before == self.0
    }
}

fn switches() -> Option<libc::c_long> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the kernel writes the whole structure, which is as large as it expects, when it answers 0.
    unsafe {
        (libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) == 0).then(|| usage.assume_init().ru_nivcsw)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn who_shares_a_core_is_stopped() {
        let core = crate::machine::cores()[0];
        let work = move || {
            crate::machine::stay_on(core);
            let (mut stops, begin) = (Stops::new(), Instant::now());
            while stops.none() {
                assert!(
                    begin.elapsed() < Duration::from_mins(1),
                    "two threads had one core and none was stopped"
                );
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
    }
}
