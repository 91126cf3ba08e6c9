//! The cores: everything `unsafe`, and everything whose correctness rests on the order of atomic accesses.
//!
//! One door to threads and atomics, [`sync`], so that loom and shuttle can take them over.

#[cfg(any(not(any(raceguard_shuttle, raceguard_loom)), all(test, raceguard_loom)))]
#[allow(unsafe_code)]
mod brief;
#[allow(unsafe_code)]
pub(crate) mod buckets;
#[cfg(all(test, not(any(raceguard_shuttle, raceguard_loom))))]
mod entry_tests;
pub(crate) mod event;
pub(crate) mod lane;
#[allow(unsafe_code)]
pub(crate) mod lock_free;
#[cfg(not(any(raceguard_shuttle, raceguard_loom)))]
mod locks;
#[allow(unsafe_code)]
pub(crate) mod prefetch;
#[allow(unsafe_code)]
pub(crate) mod read_mostly;
#[allow(unsafe_code)]
pub(crate) mod reclaim;
#[allow(unsafe_code)]
pub(crate) mod shelves;
#[allow(unsafe_code)]
pub(crate) mod snapshot_cell;
pub(crate) mod striped_count;
pub(crate) mod sync;
#[allow(unsafe_code)]
pub(crate) mod table_memory;
pub(crate) mod tally;
mod threads;
