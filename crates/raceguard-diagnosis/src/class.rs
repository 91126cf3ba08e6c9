//! Classes: which map trap a cluster is, and which root cause it has.

use serde::Serialize;

/// What goes wrong with a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MapTrap {
    /// Two goroutines change it.
    ConcurrentWrite,
    /// One looks up while another changes it.
    ReadAgainstWrite,
    /// One ranges over it, perhaps hidden in a call, while another changes it.
    IterationAgainstWrite,
    /// One uses it while another makes it grow, or puts another map into its place.
    GrowthOrSwap,
    /// Different keys or counters on one cache line.
    FalseSharing,
}

impl MapTrap {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::ConcurrentWrite => "concurrent map writes",
            Self::ReadAgainstWrite => "map read against write",
            Self::IterationAgainstWrite => "map iteration against write",
            Self::GrowthOrSwap => "map used while it grows or is swapped",
            Self::FalseSharing => "false sharing",
        }
    }
}

/// Why it can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootCause {
    /// A map that goroutines share without a common lock.
    SharedMap,
    /// A map that leaves the lock which guards it: returned, sent, copied with its struct.
    MapEscapesLock,
    /// A package-level variable that goroutines share without synchronisation.
    UnsynchronisedGlobal,
    /// A `sync.Once` that guards the making of a value alone.
    OnceMisuse,
    /// A pointer to local state inside a `context.Context`.
    ContextValue,
    /// A channel closed by a receiver, twice, or before the last send.
    ChannelClose,
    /// An object of a `sync.Pool` used after it was put back.
    Pool,
    /// A loop variable captured by a goroutine.
    LoopVariable,
    /// `err` captured by a goroutine.
    CapturedError,
    /// A named result captured by a goroutine.
    NamedResult,
    /// Another variable captured by a goroutine.
    CapturedVariable,
    /// A slice that goroutines append to.
    SharedSlice,
    /// A `sync.WaitGroup` counted up too late, or reused too early.
    WaitGroup,
    /// Subtests that run in parallel and share state.
    ParallelSubtest,
    /// Memory accessed through `sync/atomic` and plainly.
    MixedAtomic,
    /// A check without the lock before the check with it.
    DoubleCheckedLock,
    /// A lock taken twice, in another order, not released, released by a stranger, or the wrong one.
    LockMisuse,
    /// Goroutines that wait for each other.
    Deadlock,
    /// A value read, changed and written back by two goroutines.
    LostUpdate,
    /// A field that goroutines share without a common lock.
    SharedField,
    /// A map that was never made.
    NilMap,
    /// Something else, or not enough is known.
    Unknown,
}

impl RootCause {
    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::SharedMap => "map shared without a lock",
            Self::MapEscapesLock => "guarded map leaves its lock",
            Self::UnsynchronisedGlobal => "package-level variable without synchronisation",
            Self::OnceMisuse => "sync.Once guards only the first use",
            Self::ContextValue => "shared state in a context",
            Self::ChannelClose => "channel closed too early or twice",
            Self::Pool => "pooled object used after Put",
            Self::LoopVariable => "loop variable captured by a goroutine",
            Self::CapturedError => "err captured by a goroutine",
            Self::NamedResult => "named result captured by a goroutine",
            Self::CapturedVariable => "variable captured by a goroutine",
            Self::SharedSlice => "append to a shared slice",
            Self::WaitGroup => "WaitGroup misused",
            Self::ParallelSubtest => "parallel subtests share state",
            Self::MixedAtomic => "atomic and plain access mixed",
            Self::DoubleCheckedLock => "double-checked lock",
            Self::LockMisuse => "lock misused",
            Self::Deadlock => "deadlock",
            Self::LostUpdate => "update lost",
            Self::SharedField => "field shared without a lock",
            Self::NilMap => "write to a nil map",
            Self::Unknown => "unknown",
        }
    }
}

/// A class for an observation, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// What goes wrong with a map, when one is concerned.
    pub trap: Option<MapTrap>,
    /// Why it can go wrong.
    pub cause: RootCause,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// One sentence without a full stop.
    pub reason: String,
}
