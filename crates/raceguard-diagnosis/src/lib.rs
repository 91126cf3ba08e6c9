//! From scattered evidence to one diagnosis.
//!
//! [`Evidence`] is what several runs recorded: static findings, races, crashes, profiles, coverage, traces, spans.
//! [`Diagnosis::of`] joins it into [`Cluster`]s with one root cause each, says which class of mistake each is and
//! why, links it to the other kinds of evidence, and ranks all.
//!
//! Invariants:
//!
//! - Every verdict, link and rank carries the reasons for it; "unknown" is an answer.
//! - Joining is stable over shifted lines, renumbered closures, goroutine numbers and the order of the evidence.
//! - Nothing that was recorded is dropped: what fits no cluster stands alone or is counted.
//!
//! What is deliberately absent: reading of files (source text comes through a function that the caller gives), and any
//! rendering but the drawings that the command's page and the server's share ([`drawing`]).
//!
//! Start reading at [`Diagnosis`], then [`cluster`], then [`class`].

pub mod advice;
mod alignment;
pub mod blocking;
mod chain;
pub mod class;
mod classify;
pub mod cluster;
pub mod comparison;
mod diagnosis;
pub mod drawing;
mod evidence;
pub mod flame;
pub mod go_source;
pub mod heap;
mod join;
pub mod link;
pub mod locks;
mod naming;
pub mod observation;
pub mod operand;
pub mod rank;
pub mod rule;
mod source_text;
pub mod statement;
pub mod top_causes;

pub use diagnosis::{Basis, Diagnosis};
pub use evidence::{Evidence, EvidenceRun};
pub use naming::LockCall;
