//! Policies of a fleet: kept in revisions, in force within a second, evaluated on the evidence that comes in.
//!
//! ```text
//! API, CLI, git folder ─▶ registry ─▶ tables policy_* ─▶ in_force (a SnapshotMap) ─▶ everybody who asks
//! committed batches ─▶ stream (bounded queue, or the stored blocks) ─▶ evaluator ─▶ firings ─▶ crate::responses
//! ```
//!
//! [`set`] is a checked set of texts, [`revision`] how sets are kept, [`registry`] what changes them, [`in_force`] what
//! readers see. [`stream`] feeds [`evaluator`] from committed batches or, for what it missed, from stored blocks
//! ([`events`]). [`shadow`] says what a set would have done in the last hour. [`git`] watches a folder.
//!
//! Invariants:
//!
//! - A reader sees the set of one revision (or of one pair of revisions, while one is tried on some services), whole.
//! - What has a mistake or a failing example never comes into force.
//! - A batch is evaluated once; a firing, what it changes here, and the note up to where the stream was evaluated are
//!   one transaction.

pub mod evaluator;
pub mod events;
pub mod git;
pub mod in_force;
pub mod registry;
pub mod revision;
pub mod set;
pub mod shadow;
pub mod stream;

pub use registry::{Registry, RegistryError};
pub use stream::{Owns, Stream};
