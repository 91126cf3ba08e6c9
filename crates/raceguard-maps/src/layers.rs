//! The layers: maps around a map of any strategy, one file each. Layers nest.

pub mod checked;
pub mod coalesced;
#[cfg(unix)]
pub mod durable;
pub mod observed;
