//! The cores: everything `unsafe`, and everything whose correctness rests on the order of atomic accesses.
//!
//! One door to threads and atomics, [`sync`], so that loom and shuttle can take them over.

pub(crate) mod lane;
#[allow(unsafe_code)]
pub(crate) mod buckets;
#[allow(unsafe_code)]
pub(crate) mod lock_free;
#[allow(unsafe_code)]
pub(crate) mod reclaim;
#[allow(unsafe_code)]
pub(crate) mod shelves;
#[allow(unsafe_code)]
pub(crate) mod snapshot_cell;
pub(crate) mod sync;
mod threads;
#[allow(unsafe_code)]
pub(crate) mod table_memory;
