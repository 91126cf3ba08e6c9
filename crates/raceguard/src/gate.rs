//! Everything of `raceguard gate` and `raceguard policy` around the policies themselves.
//!
//! The way of a gate:
//!
//! 1. [`in_force`] finds the policies, and stops with every mistake in them;
//! 2. [`runs`] finds the runs that are judged, and earlier ones for policies that look back;
//! 3. [`coverage_files`] reads coverage that the command line names, [`facts`] turns all evidence into the plain facts that policies look at, [`known`] says what is in the baseline;
//! 4. `raceguard_policy::evaluate` judges;
//! 5. [`record`] keeps the verdict with the evidence, [`tickets`] drafts tickets, [`render`] shows it.
//!
//! Invariants: what CI systems want is known here and in [`render`] alone, and no format says more than the evaluation.

pub mod ci;
pub mod coverage_files;
pub mod error;
pub mod facts;
pub mod git_history;
pub mod in_force;
pub mod known;
pub mod record;
pub mod render;
pub mod runs;
pub mod tickets;
