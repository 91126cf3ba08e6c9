//! The layers: maps around a map of any strategy.

#[cfg(unix)]
pub mod durable;
