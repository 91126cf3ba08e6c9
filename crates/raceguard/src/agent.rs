//! `raceguard agent`: evidence of the services of one machine, on its way to a server.
//!
//! ```text
//! files  ── tail, follow ──┐
//!                          ├─▶ spool ─▶ sender ─▶ server
//! pprof  ── scrape ────────┘     └ dead letters
//! ```
//!
//! Invariants:
//!
//! - How far a file was read and what was found in it become durable together ([`entry`]), so that a killed agent neither
//!   loses nor doubles a record.
//! - A record has its stream and number before it is sent for the first time, so that sending again does not double it.
//! - Nothing is dropped without being counted ([`state::Counts`]).
//!
//! Start reading at [`run`], then [`tail`], [`spool`], [`sender`].

pub mod config;
pub mod dead_letters;
pub mod entry;
pub mod error;
pub mod follow;
pub mod instructions;
pub mod overhead;
pub mod pause;
pub mod position;
pub mod quantity;
pub mod run;
pub mod scrape;
pub mod sender;
pub mod spool;
pub mod state;
pub mod stop;
pub mod tail;
