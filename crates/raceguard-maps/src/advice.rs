//! Which map to take: what a load looks like, and what suits it by measurement.
//!
//! [`WorkloadProfile`] is what is known of a map's load, as a file: the `Observed` layer writes one of a running map,
//! `raceguard advise --map-profile` one of a Go map, and `cargo xtask bench maps --replay` runs one on every strategy.
//! [`Workload`] is the same with every gap filled, and the list of what was filled.

mod estimate;
pub mod measured;
pub mod profile;
pub mod recommend;
pub mod strategy;
pub mod workload;

pub use measured::{Cell, Measurements, Values};
pub use profile::{Mix, Needs, ProfileError, WorkloadProfile};
pub use recommend::{Expected, Recommendation, Setting, Unsuited, advise, advise_from};
pub use strategy::Strategy;
pub use workload::{Shares, Workload};
