//! What an execution trace of Go's runtime shows, in sums that stay small however long the trace is.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::record::Extra;

/// An execution trace as a whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ExecutionTrace {
    /// Version of the format, `go 1.26`.
    #[serde(default)]
    pub version: String,
    /// Start in nanoseconds since the Unix epoch; 0 when the trace has no wall clock (before Go 1.25).
    #[serde(default)]
    pub started_unix_ns: u64,
    /// Length.
    #[serde(default)]
    pub duration_ns: u64,
    /// Events read.
    #[serde(default)]
    pub events: u64,
    /// How many of each kind, by the names that Go's own tools give them: `GoBlock`, `UserLog`, …
    #[serde(default)]
    pub event_kinds: BTreeMap<String, u64>,
    /// Different goroutines seen.
    #[serde(default)]
    pub goroutines: u64,
    /// Different processors (P) seen.
    #[serde(default)]
    pub processors: u64,
    /// Different threads (M) seen.
    #[serde(default)]
    pub threads: u64,
    /// What the goroutines did with their time, all of them together.
    #[serde(default)]
    pub time: GoroutineTime,
    /// Where goroutines were blocked, longest first.
    #[serde(default)]
    pub blocked: Vec<Blocked>,
    /// Where goroutines were in system calls, longest first.
    #[serde(default)]
    pub syscalls: Vec<Blocked>,
    /// Garbage collections: how many, and how long marking took and the world stood still.
    #[serde(default)]
    pub gc: GcSummary,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Time of goroutines by their state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoroutineTime {
    /// Running, outside of system calls.
    #[serde(default)]
    pub running_ns: u64,
    /// Able to run, without a processor to run on.
    #[serde(default)]
    pub runnable_ns: u64,
    /// Blocked.
    #[serde(default)]
    pub blocked_ns: u64,
    /// In system calls.
    #[serde(default)]
    pub syscall_ns: u64,
}

/// Goroutines that were blocked at one place for one reason.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Blocked {
    /// As the trace says, `sync`, `chan send`, `select`, `sleep`, …; empty for waits that had begun before the trace,
    /// of which it does not say why, and for system calls.
    #[serde(default)]
    pub reason: String,
    /// How many waits ended.
    #[serde(default)]
    pub count: u64,
    /// Those together.
    #[serde(default)]
    pub total_ns: u64,
    /// How many waits had not ended when the trace did.
    #[serde(default)]
    pub open: u64,
    /// Those together, until then.
    #[serde(default)]
    pub open_ns: u64,
    /// The longest wait.
    #[serde(default)]
    pub max_ns: u64,
    /// How long the waits were that ended: bounds in nanoseconds, rising, each with how many waits were at most as long
    /// and longer than the bound before. There are four bounds for each power of two, so a quantile read off them is
    /// at most a quarter too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lengths: Vec<(u64, u64)>,
    /// Where, innermost frame first. Empty when the trace does not say, and for the sum of all places that were left
    /// out because others waited longer.
    #[serde(default)]
    pub stack: Vec<Frame>,
    /// How many places the record is the sum of, when they were left out; absent for a place of its own.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub places: u64,
    /// Where the goroutines were that ended the wait, most frequent first: at most eight stacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unblocked_at: Vec<Vec<Frame>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Garbage collection during a trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcSummary {
    /// Collections that began.
    #[serde(default)]
    pub collections: u64,
    /// Time in collections.
    #[serde(default)]
    pub total_ns: u64,
    /// Time in which the world stood still.
    #[serde(default)]
    pub stopped_ns: u64,
    /// The longest of those.
    #[serde(default)]
    pub max_stopped_ns: u64,
}

/// A user region of a trace with the key that was logged inside it, over all goroutines.
///
/// A program makes one with `trace.WithRegion(ctx, "map_access", …)` around `trace.Log(ctx, "map_key", key)`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceKey {
    /// Type of the region, `map_access`.
    #[serde(default)]
    pub region: String,
    /// Category of the log, `map_key`; empty for regions in which nothing was logged.
    #[serde(default)]
    pub category: String,
    /// The message that was logged.
    #[serde(default)]
    pub key: String,
    /// Whether this is the sum of all keys beyond the first [`Self::MAX_KEYS`] of the trace, of which it is not known
    /// which accesses overlapped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub others: bool,
    /// How many regions.
    #[serde(default)]
    pub accesses: u64,
    /// How many goroutines ran them.
    #[serde(default)]
    pub goroutines: u64,
    /// How many began while another goroutine was inside one of the same key.
    #[serde(default)]
    pub overlaps: u64,
    /// The most goroutines inside at one moment.
    #[serde(default)]
    pub max_concurrent: u64,
    /// Time inside, waits included.
    #[serde(default)]
    pub total_ns: u64,
    /// Time in which the goroutine was blocked inside.
    #[serde(default)]
    pub blocked_ns: u64,
    /// Time in which it could have run but did not.
    #[serde(default)]
    pub runnable_ns: u64,
    /// Where the regions began: different stacks, at most eight.
    #[serde(default)]
    pub sites: Vec<Vec<Frame>>,
    /// The first of them, for a timeline: at most [`Self::MAX_INTERVALS`].
    #[serde(default)]
    pub intervals: Vec<RegionInterval>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl TraceKey {
    /// How many intervals a record keeps. It may be fewer when a trace has many keys.
    pub const MAX_INTERVALS: usize = 256;
    /// How many keys a trace has records of its own for.
    pub const MAX_KEYS: usize = 10_000;
}

/// One region of one goroutine, in nanoseconds from the start of the trace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionInterval {
    /// Go's number of it.
    pub goroutine: u64,
    /// Task it belonged to; 0 for none.
    #[serde(default)]
    pub task: u64,
    /// Start.
    pub start_ns: u64,
    /// End; absent when the trace ended first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_ns: Option<u64>,
    /// Time in which the goroutine was blocked inside.
    #[serde(default)]
    pub blocked_ns: u64,
}

/// User tasks of one type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceTask {
    /// Type of the task.
    pub name: String,
    /// How many began.
    #[serde(default)]
    pub count: u64,
    /// How many ended within the trace.
    #[serde(default)]
    pub ended: u64,
    /// Time of those that ended.
    #[serde(default)]
    pub total_ns: u64,
    /// The longest of those.
    #[serde(default)]
    pub max_ns: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}
