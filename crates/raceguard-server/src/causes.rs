//! Root causes, live: findings that happen for one reason, joined as soon as the first of them is seen.
//!
//! A finding is known by its fingerprint, and a bad lock makes many of them. When a new one comes, [`diagnoser`] gathers
//! the findings that could share its cause ([`neighbourhood`]), lets `raceguard-diagnosis` join them as `raceguard
//! explain` does, and [`assignment`] writes which finding has which cause.
//!
//! Invariants:
//!
//! - A cause keeps its id for ever. Findings move only when two causes turn out to be one: the older takes them over, and
//!   the younger's id leads to it.
//! - Counts of a cause are written in the transaction of the records they count ([`counting`]).
//! - A new finding costs a diagnosis of its neighbourhood, whose size is bounded, never of everything.
//! - No source file is read: paths in evidence come from strangers.
//!
//! Start reading at [`diagnoser`], then [`state`], then [`rows`] for what the API answers.

pub mod assignment;
pub mod changes;
pub(crate) mod counting;
pub mod diagnoser;
pub mod goroutines;
pub mod neighbourhood;
pub mod questions;
pub mod rows;
pub(crate) mod services;
pub mod stacks;
pub mod state;
pub mod version;
