//! The cores: everything `unsafe`, and everything whose correctness rests on the order of atomic accesses.
//!
//! One door to threads and atomics, [`sync`], so that loom and shuttle can take them over.

#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
mod locks;
pub(crate) mod sync;
pub(crate) mod tally;
mod threads;
