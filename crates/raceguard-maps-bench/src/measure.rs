//! The measurements, one file each.

pub(crate) mod all;
pub(crate) mod claims;
pub(crate) mod durable;
pub(crate) mod grid;
pub(crate) mod growth;
pub(crate) mod iteration;
pub(crate) mod latency;
pub(crate) mod memory;
pub(crate) mod replay;
