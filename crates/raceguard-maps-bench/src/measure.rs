//! The measurements, one file each.

pub(crate) mod grid;
pub(crate) mod growth;
pub(crate) mod iteration;
pub(crate) mod latency;
pub(crate) mod memory;
