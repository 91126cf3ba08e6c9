//! Waiting for locks over time: by service, call and window of five minutes, out of mutex and block profiles and
//! execution traces.
//!
//! `raceguard-diagnosis` says which lock a call is about and what belongs to it; here its numbers are added up. A profile of
//! Go's runtime counts since the start of its process unless it was asked for a span of time, so of each instance what the
//! one before said is kept, and the difference counts. Of the first one all counts: it happened, if before.
//!
//! Start reading at [`digest`], then [`counting`], then [`questions`].

pub(crate) mod counting;
pub mod digest;
pub mod questions;

pub use digest::{LockWait, LockWaits};

/// How long windows are kept, in milliseconds.
pub const KEPT_MS: i64 = 7 * 86_400_000;
