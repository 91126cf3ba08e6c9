//! Locks: how long goroutines waited for each, at which calls, and which kind of lock or map suits it.
//!
//! Waiting is seen from two ends. A mutex profile counts it at the call that released the lock, a block profile and
//! an execution trace at the call that took it. The sums of a lock are those of the waiting end where it was
//! profiled, else of the releasing end; they are never added up.

mod advice;
mod usage;

use serde::Serialize;

use crate::naming::LockCall;

pub use advice::{Decision, Known, LockAdvice, advise, duration};
pub(crate) use usage::locks;

/// What the profiles say about one lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockUse {
    /// Field or variable, `example.com/m.Store.mu`; without source the function that calls it.
    pub lock: String,
    /// `Mutex` or `RWMutex`.
    pub kind: String,
    /// How often a goroutine waited for it.
    pub contentions: u64,
    /// All waits together.
    pub total_wait_ns: u64,
    /// A wait on average.
    pub mean_wait_ns: u64,
    /// The longest wait that was seen; `None` when profiles hold sums alone.
    pub max_wait_ns: Option<u64>,
    /// The wait that 99 of 100 do not exceed, at most a quarter too long; `None` when profiles hold sums alone.
    pub p99_wait_ns: Option<u64>,
    /// Of the waits, the share of goroutines that wanted to read, from 0 to 1; of a Mutex unknown.
    pub reader_share: Option<f64>,
    /// Time over which it was profiled; 0 when unknown.
    pub profiled_ns: u64,
    /// The calls, most waiting first.
    pub sites: Vec<LockSite>,
    /// The profiles that say so.
    pub sources: Vec<String>,
    /// What suits it.
    pub advice: LockAdvice,
}

/// A call on a lock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LockSite {
    /// The function that calls.
    pub function: String,
    /// Relative to the module where it lies inside.
    pub file: String,
    /// From 1; 0 when unknown.
    pub line: u32,
    /// The call.
    pub call: LockCall,
    /// How often a goroutine waited: here for a taking call, because of this for a releasing one.
    pub contentions: u64,
    /// Those waits together.
    pub total_wait_ns: u64,
    /// The longest of them, when known.
    pub max_wait_ns: Option<u64>,
}
