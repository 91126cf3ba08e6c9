//! Fences for a rare side and a frequent side: [`heavy`] pays so that the frequent side need not.
//!
//! A frequent side that has to write a flag before it reads shared data needs a full fence in between, about 20
//! cycles. Where the kernel has `membarrier(2)` the rare side can make every running thread of the process execute
//! that fence, so that the frequent side only has to keep the compiler from reordering (the "asymmetric fences" of
//! P1202R5; folly and Windows' FlushProcessWriteBuffers do the same). A `membarrier` costs 0.2 µs alone and about
//! 10 µs where it has to interrupt other virtual processors.

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
mod platform {
    #[cfg(target_os = "linux")]
    pub(super) fn register() -> bool {
        use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};
        membarrier_query().contains(MembarrierQuery::PRIVATE_EXPEDITED)
            && membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
    }

    #[cfg(target_os = "linux")]
    pub(super) fn barrier() -> bool {
        use rustix::thread::{MembarrierCommand, membarrier};
        membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn register() -> bool {
        false
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn barrier() -> bool {
        false
    }
}

/// The checkers cannot drive a system call: there, both sides execute the full fence.
#[cfg(any(raceguard_shuttle, raceguard_loom))]
mod platform {
    pub(super) fn register() -> bool {
        false
    }

    pub(super) fn barrier() -> bool {
        false
    }
}

use std::sync::atomic::compiler_fence;

use crate::raw::sync::atomic::{Ordering, fence};

/// Which fences the two sides use. Settled before the first frequent side runs, and never changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fences {
    /// Both sides execute a full fence.
    Symmetric,
    /// The frequent side executes none, the rare side asks the kernel.
    Asymmetric,
    /// The frequent side executes none and the rare side has no means to make it: for models of what holds without.
    #[cfg(all(test, raceguard_loom))]
    None,
}

impl Fences {
    /// What this process can do. Registers it with the kernel.
    pub(super) fn detect() -> Self {
        if platform::register() { Self::Asymmetric } else { Self::Symmetric }
    }

    /// The frequent side's fence.
    #[inline]
    pub(super) fn light(self) {
        if self == Self::Symmetric {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
    }

    /// The rare side's fence. False when it could not be had: then nothing is known about the other threads.
    pub(super) fn heavy(self) -> bool {
        // ORDERING: SeqCst pairs with the fence of `light`; under Asymmetric it orders this thread, the kernel the
        // others.
        fence(Ordering::SeqCst);
        match self {
            Self::Symmetric => true,
            Self::Asymmetric => platform::barrier(),
            #[cfg(all(test, raceguard_loom))]
            Self::None => false,
        }
    }
}
