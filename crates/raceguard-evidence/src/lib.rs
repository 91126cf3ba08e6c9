//! The evidence model: what every producer writes and every consumer reads.
//!
//! Evidence of one run is a file of JSON Lines, one [`Record`] per line. Producers append to it from many
//! processes at once; consumers read it with an [`EvidenceReader`], or load it whole as a [`RunEvidence`], in
//! which records that belong together are joined into [`Finding`]s. `docs/evidence.md` documents the format.
//!
//! Invariants:
//!
//! - A record that is read and written again keeps every field and every kind this version does not know.
//! - A record of a newer schema is never guessed at: it is an error that says so.
//! - Reading takes memory that is bounded per line, whatever the input.
//! - A [`Fingerprint`] depends on function names and kinds of access alone: never on line numbers, addresses,
//!   goroutine numbers, or the machine.
//!
//! What is deliberately absent: opinions on what the evidence means, and any rendering.
//!
//! Start reading at [`Record`], then [`Race`], then [`RunEvidence`].

mod coverage;
pub mod crash;
mod error;
mod execution_trace;
mod findings;
mod fingerprint;
pub mod foreign;
mod frame;
mod goroutine_dump;
pub mod hex;
mod metric;
mod paths;
mod profile;
mod race;
mod reader;
mod record;
mod run;
mod run_folder;
mod source;
mod span;
mod static_finding;
mod summary;
mod writer;

pub use coverage::{Coverage, CoveredBlock, CoveredFile};
pub use crash::{Crash, CrashCause, CrashGoroutine, CrashParser};
pub use error::EvidenceError;
pub use execution_trace::{
    Blocked, ExecutionTrace, GcSummary, GoroutineTime, RegionInterval, TraceKey, TraceTask,
};
pub use findings::{CrashFinding, Finding, Place, Position, ProcessSighting, RunEvidence, TestName};
pub use fingerprint::{Fingerprint, normalised_function};
pub use frame::{Frame, FunctionName};
pub use goroutine_dump::{GoroutineDump, GoroutineGroup};
pub use metric::Metric;
pub use paths::{ModulePaths, Origin};
pub use profile::{Mapping, Profile, ProfileKind, Sample, SampleType};
pub use race::{Access, AccessOp, Goroutine, GoroutineState, MapOp, Object, ObjectKind, Race, Repeat};
pub use reader::{DEFAULT_LINE_LIMIT, EvidenceReader, ReadWarning, WarningCause};
pub use record::{Extra, Record, SCHEMA_VERSION};
pub use run::{Attribution, AttributionBy, Exit, Process, Run, RunEnd, RunMode, Test, TestResult};
pub use run_folder::RunFolder;
pub use source::{Skipped, Source};
pub use span::{Span, SpanEvent, SpanLink};
pub use static_finding::{
    CallStep, Reason, Severity, Site, SourcePlace, SourceProblem, StaticFinding, SuggestedEdit, SuggestedFix,
};
pub use summary::{AccessSummary, FindingSummary, RecordSummary};
pub use writer::EvidenceWriter;
