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
//! - The first pin of a thread in each epoch executes a full fence and says so (`fenced`). The epoch moves on at once if
//!   all threads have done so; active threads do so without being asked.
//! - From a thread that has not, because it sleeps or is busy elsewhere, the reclaiming thread takes the right to pin
//!   itself without a fence (`quick`) and executes `membarrier(2)` ([`fence`]), once: the epoch then moves on without
//!   asking that thread again until it comes back.
//! - Where there is no `membarrier`, no thread gets that right, and every pin executes the fence.
//!
//! # Why it is right
//!
//! Let X be unlinked by U, its batch stamped e after the full fence Fs, and freed after the third advance A3, which
//! moves the epoch from e+2 to e+3. Let a thread R hold X from a pin P. Each advance executes a full fence after it
//! acquired the epoch that it moves on: F2, F3. Fs precedes the store of e+1, so Fs is before F2, and F2 before F3.
//! Reads of R that follow a fence that is after Fs see U, so R cannot have found X after such a fence.
//!
//! 1. P is in epoch e+2 or later: it acquired the epoch that the second advance released after F2.
//! 2. P is in an older epoch and A3 sees that in R's slot: A3 does not happen.
//! 3. P is in an older epoch and A3 does not see it. Let Fr be the full fence of R's first pin in the epoch of P: it is in
//!    P or before it. If Fr is after F3, R's reads in P see U. So Fr is before F3, and P is not the pin with Fr, for A3
//!    would see that. P is a quick one, and A3 sees the word that R wrote to `quick` before Fr, or what came later.
//!    - A3 saw R fenced in e+2: R passed a fence F' after it had seen e+1 or later, so after Fs. Is P before F', then A3,
//!      which acquired what R released after F', sees P. Is P after it, R's reads see U.
//!    - A3 saw `quick` revoked: a heavy fence H was executed after that, at the latest by A3 before its last look. P found
//!      `quick` not revoked, so its light fence is before H, and A3 sees P.
//!    - A3 saw the slot without owner: R took it later, and Fr is after F3.
//!
//! A pin that ended released its slot, and A3 acquired that, so R's reads are over before X is freed.
//!
//! # Limits
//!
//! One thread that stays pinned (a closure given to `get_with` that takes long) holds up the freeing of everything in
//! the process, though nobody waits for it. Slots are kept for the greatest number of threads that lived at once.
//! The models (loom) check the protocol with a fence in every pin, and the one with quick pins among active threads; loom
//! has no `membarrier`, so revoking is checked by the argument above and by stress tests alone.

mod biased;
mod domain;
mod fence;
mod limbo;

#[cfg(test)]
mod tests;

pub(crate) use domain::{Guard, pin, pin_quickly};
pub(crate) use limbo::{Limbo, Local};
