//! Crashes of a Go program: the record, what kind of mistake the message names, and the parser that finds
//! them in the program's output.

mod dump;
mod parser;
mod traceback;
mod waits;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;
use crate::record::Extra;

pub use parser::CrashParser;

pub(crate) use dump::{DumpParser, EndedDump};
pub(crate) use traceback::{frame_position, header};

/// The program died by a fatal error of Go's runtime or an unrecovered panic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Crash {
    /// When the crash was seen, in nanoseconds since the Unix epoch.
    #[serde(default)]
    pub time_unix_ns: u64,
    /// Import path of the package under test, when known.
    #[serde(default)]
    pub package: Option<String>,
    /// The test that ran, when known.
    #[serde(default)]
    pub test: Option<String>,
    /// First line of the crash, e.g. `fatal error: concurrent map writes`.
    #[serde(default)]
    pub message: String,
    /// The dump, in Go's order: the goroutine that crashed first.
    #[serde(default)]
    pub goroutines: Vec<CrashGoroutine>,
    /// Goroutines of the dump that were left out because it was too long.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub goroutines_left_out: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if passes a reference")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

impl Crash {
    /// The kind of mistake that the message names.
    pub fn cause(&self) -> CrashCause {
        CrashCause::of_message(&self.message)
    }
}

/// One goroutine of the dump of a crash.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CrashGoroutine {
    /// Go's number of it.
    #[serde(default)]
    pub id: u64,
    /// As Go prints it, e.g. `running`, `chan receive, 2 minutes`.
    #[serde(default)]
    pub state: String,
    /// Innermost frame first.
    #[serde(default)]
    pub stack: Vec<Frame>,
    /// Number of the goroutine that started it, when the dump says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The `go` statement that started it: one frame, when the dump says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created_at: Vec<Frame>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The kind of mistake that a crash message names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CrashCause {
    /// Two goroutines wrote a map.
    ConcurrentMapWrites,
    /// One goroutine read a map while another wrote it.
    ConcurrentMapReadWrite,
    /// One goroutine iterated over a map while another wrote it.
    ConcurrentMapIterationWrite,
    /// No goroutine can go on.
    Deadlock,
    /// A mutex was unlocked that nobody held.
    UnlockOfUnlockedMutex,
    /// A channel was closed twice.
    CloseOfClosedChannel,
    /// A value was sent on a closed channel.
    SendOnClosedChannel,
    /// A value was put into a map that was never made.
    NilMapWrite,
    /// A `sync.WaitGroup` was counted down too often, or reused too early.
    WaitGroupMisuse,
    /// Anything else.
    Other,
}

impl CrashCause {
    /// Reads the cause off the first line of a crash.
    pub fn of_message(message: &str) -> Self {
        let known = Self::MESSAGES.iter().find(|(text, _)| message.contains(text));
        known.map_or(Self::Other, |(_, cause)| *cause)
    }

    /// Whether the crash is a mistake of concurrency, whatever else the program did. A write to a nil map is a mistake
    /// without any concurrency.
    pub fn is_concurrency(self) -> bool {
        !matches!(self, Self::Other | Self::NilMapWrite)
    }

    /// Messages of Go's runtime and the sync package, in the spelling of every version from Go 1.22.
    const MESSAGES: &[(&str, Self)] = &[
        ("concurrent map writes", Self::ConcurrentMapWrites),
        ("concurrent map clone and map write", Self::ConcurrentMapReadWrite),
        ("concurrent map read and map write", Self::ConcurrentMapReadWrite),
        ("concurrent map iteration and map write", Self::ConcurrentMapIterationWrite),
        ("all goroutines are asleep - deadlock!", Self::Deadlock),
        ("no goroutines (main called runtime.Goexit) - deadlock!", Self::Deadlock),
        ("sync: unlock of unlocked mutex", Self::UnlockOfUnlockedMutex),
        ("sync: Unlock of unlocked RWMutex", Self::UnlockOfUnlockedMutex),
        ("sync: RUnlock of unlocked RWMutex", Self::UnlockOfUnlockedMutex),
        ("close of closed channel", Self::CloseOfClosedChannel),
        ("send on closed channel", Self::SendOnClosedChannel),
        ("assignment to entry in nil map", Self::NilMapWrite),
        ("sync: negative WaitGroup counter", Self::WaitGroupMisuse),
        ("sync: WaitGroup is reused before previous Wait has returned", Self::WaitGroupMisuse),
        ("sync: WaitGroup misuse", Self::WaitGroupMisuse),
    ];
}
