//! A dump of all goroutines of a process, with equal ones joined.

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::record::Extra;

/// All goroutines of a process at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GoroutineDump {
    /// When, in nanoseconds since the Unix epoch; 0 when unknown.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Why there is a dump: `crash`, `signal` (SIGQUIT), `profile` (/debug/pprof/goroutine).
    #[serde(default)]
    pub reason: String,
    /// First line of the crash, or name of the signal; empty for a profile.
    #[serde(default)]
    pub message: String,
    /// How many goroutines there were.
    #[serde(default)]
    pub goroutines: u64,
    /// Those that stand in the same state at the same place, waiting for the same thing.
    #[serde(default)]
    pub groups: Vec<GoroutineGroup>,
    /// Goroutines that are in no group, because the dump has too many different ones or leaves them out itself.
    #[serde(default)]
    pub left_out: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Goroutines of a dump that do not differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GoroutineGroup {
    /// How many.
    #[serde(default)]
    pub count: u64,
    /// Go's numbers of the first of them, at most [`Self::MAX_IDS`].
    #[serde(default)]
    pub ids: Vec<u64>,
    /// As Go prints it, without the time: `chan receive`, `sync.Mutex.Lock`, `semacquire`.
    #[serde(default)]
    pub state: String,
    /// How long the one that waits longest has waited, in minutes; absent below one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_minutes: Option<u64>,
    /// Whether they are locked to a thread.
    #[serde(default)]
    pub locked_to_thread: bool,
    /// Address of the lock or channel that they wait for, when an argument of the stack shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_on: Option<String>,
    /// Innermost frame first.
    #[serde(default)]
    pub stack: Vec<Frame>,
    /// Goroutine that started the first of them, when the dump says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The `go` statement that started them: one frame, when the dump says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created_at: Vec<Frame>,
    /// Labels of the profiler, `key: value`, as the dump prints them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl GoroutineGroup {
    /// How many numbers of goroutines a group keeps.
    pub const MAX_IDS: usize = 32;
}
