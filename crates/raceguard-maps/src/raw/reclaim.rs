//! Safe memory reclamation: when may what a writer has unlinked be freed, if readers take no lock?
//!
//! A thread that follows shared pointers is [pinned](pin). A structure hands what it has unlinked to its [`Limbo`],
//! which frees it once every thread that was pinned at that time has let go.
//!
//! ```text
//! let guard = reclaim::pin();                       // reader and writer
//! let item = self.limbo.local(&guard).alloc(value); // writer: memory that was freed before, if there is some
//! let old = self.head.swap(item, AcqRel);           // writer: unlink
//! unsafe { self.limbo.local(&guard).retire(old) };  // writer: with no lock held, for it may drop earlier items
//! self.limbo.collect();                             // on close and in tests: with no guard
//! ```
//!
//! # Algorithm
//!
//! Epoch-based reclamation (K. Fraser, "Practical lock-freedom", 2004; crossbeam-epoch has the same shape) without the
//! full fence that each pin costs there. There is one epoch and one slot per thread for the process ([`domain`]). A pin
//! writes the current epoch to the thread's slot. The epoch moves from e to e+1 when no slot shows an older one. A
//! batch of garbage is stamped with the epoch after it was unlinked and freed three epochs later.
//!
//! A pin must be visible to others before the thread reads shared pointers. Instead of a fence per pin:
//!
//! - The first pin of a thread in each epoch executes a full fence and notes the epoch in its slot (`fenced`). The epoch
//!   moves on at once if all threads have done so; active threads do so without being asked.
//! - For threads that have not, because they sleep or are busy elsewhere, the reclaiming thread executes
//!   `membarrier(2)`, which makes them execute the fence ([`fence`]). It does so only when enough has piled up.
//! - Where there is no `membarrier`, every pin executes the fence.
//!
//! # Why it is right
//!
//! Let X be unlinked by U, its batch stamped e after the full fence Fs, and freed after the third advance A3, which
//! moves the epoch from e+2 to e+3. Let a thread R hold X from a pin P. Each advance executes a full fence after it
//! acquired the epoch that it moves on. Fs comes before the store of e+1, so before the fence F2 of the second advance.
//!
//! 1. P is in epoch e+2 or later: it acquired the epoch that the second advance released after F2. Fs is before F2, so
//!    R's reads see U: R cannot have found X.
//! 2. P is in an older epoch and its slot shows that to A3: A3 does not happen.
//! 3. P is in an older epoch and A3 does not see it. If A3 found R fenced in e+2: R had seen e+1 or later before that
//!    fence Fr, so Fs is before Fr. Was P before Fr, then A3, which acquired what R released after Fr, sees P. Was it after, then R's
//!    reads see U. If A3 found R not fenced it executed the heavy fence H, after F2: R's light fence in P is either
//!    before H, then A3's second look at the slots sees P, or after it, then R's reads see U. If A3 found the slot
//!    without owner, then R took it later, and its first pin has a full fence after that of A3.
//!
//! A pin that ended released its slot, and A3 acquired that, so R's reads are over before X is freed.
//!
//! # Limits
//!
//! One thread that stays pinned (a closure given to `get_with` that takes long) holds up the freeing of everything in
//! the process, though nobody waits for it. Slots are kept for the greatest number of threads that lived at once.
//! The models (loom) check the protocol with full fences and the one without `membarrier`; `membarrier` itself is
//! modelled as the full fence that it makes each thread execute.

mod biased;
mod domain;
mod fence;
mod limbo;

#[cfg(test)]
mod tests;

pub(crate) use domain::{Guard, pin};
pub(crate) use limbo::{Limbo, Local};
