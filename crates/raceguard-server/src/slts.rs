//! Service-level thread safety (SLTS): the share of requests that ran only through code without an open race finding and
//! without observed lock trouble. `docs/slts.md` has the definition, the formula and what they can't tell.
//!
//! ```text
//! span ──digest──▶ counting (in the transaction of its batch) ──▶ slts_window ──▶ compliance ──▶ watch ──▶ alerts
//!                        ▲
//!                 code of open findings (live)
//! ```
//!
//! Invariants:
//!
//! - A request counts once, in the window in which it began, however often its span is sent.
//! - A request that counted as unaffected becomes affected when a later span of its trace is; never the other way round.
//! - Windows, operations and late spans are bounded; what does not fit is counted under a name that says so.
//!
//! Start reading at [`digest`], then [`counting`], then [`compliance`].

pub mod bundle;
pub mod code;
pub mod compliance;
pub(crate) mod counting;
pub mod digest;
pub mod questions;
pub mod watch;

pub use digest::SpanDigest;

/// Length of a window, in milliseconds.
pub const WINDOW_MS: i64 = 5 * 60_000;

/// The share of unaffected requests that a window must have.
pub const TARGET: f64 = 0.95;

/// The share of windows that must reach [`TARGET`].
pub const OBJECTIVE: f64 = 0.995;

/// How long after its window a span still counts.
pub const LATE_MS: i64 = 3_600_000;

/// How far back the error budget goes, and how long windows are kept.
pub const PERIOD_MS: i64 = 30 * 86_400_000;

/// Operations of a service that are counted apart in one period; the others are one.
pub const OPERATIONS: usize = 100;

/// Services that are counted apart; the others are one.
pub const SERVICES: usize = 1_000;

/// The name of what is not counted apart.
pub const OTHER: &str = "(other)";

/// The number of the window that a time is in.
pub fn window_of(ms: i64) -> i64 {
    ms.div_euclid(WINDOW_MS)
}
