//! `GET /metrics`: the state of the fleet and of this server for Prometheus, in the text format of OpenMetrics.
//!
//! What there is to measure is one table, [`definitions`], from which `docs/metrics.md` is made. On each scrape the
//! numbers are gathered from the tables and from live state ([`gather`]) and written in the order of that table
//! ([`encode`]).
//!
//! Invariants:
//!
//! - A number that is not defined can't be given, and one that nobody gives is left out, never 0 by mistake.
//! - Labels are bounded: of services the [`SERVICES`] with most evidence are named, the others are one.

pub mod definitions;
mod encode;
mod gather;
mod machinery;
mod samples;

pub use encode::{CONTENT_TYPE, encode};
pub use gather::gather;
pub use samples::Samples;

/// Services that have labels of their own.
pub const SERVICES: usize = 50;

/// Builds of services that are told to run under the detector.
pub const BUILDS: u64 = 200;
