//! Foreign evidence: files that other tools write, one parser per format.
//!
//! A [`Format`] recognises its files by their beginning and turns them into records, which it hands to a [`Sink`]
//! one by one, so that memory stays bounded however large the file is. [`read`] puts it together: decompression,
//! recognition, digest, counting, and the [`Source`] record at the end.
//!
//! Invariants:
//!
//! - No input makes a parser panic, hang, or take memory that grows with the file beyond what it documents.
//! - What is not understood is counted in [`Source::skipped`] or stands in [`Source::warnings`]; nothing is dropped
//!   silently.
//!
//! A new format is one file below `foreign/`, and a line in [`FORMATS`].

mod coverage;
mod evidence;
mod execution_trace;
mod go_output;
mod go_test_json;
mod go_vet_json;
mod golangci_lint;
mod input;
mod junit;
pub mod otlp;
mod pprof;
mod pprof_text;
mod protobuf;
mod sarif;
mod static_tool;
mod varint;

use crate::record::Record;
use crate::source::Source;

pub use go_output::{LogFollower, LogPosition};
pub use input::{ForeignError, Input, read};

/// How sure a format is that a file is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recognition {
    /// It is not.
    No,
    /// It may be; a format that is sure goes before.
    Maybe,
    /// It is.
    Sure,
}

/// A foreign format.
#[derive(Debug)]
pub struct Format {
    /// Name on the command line and in [`Source::format`]: `pprof`.
    pub name: &'static str,
    /// What it is, for people: `profile of pprof (protobuf)`.
    pub title: &'static str,
    /// Looks at the first bytes of a file, decompressed: all of a file shorter than [`Input::HEAD`].
    pub recognise: fn(&[u8]) -> Recognition,
    /// Reads a file.
    pub read: fn(&mut Input<'_>, &mut dyn Sink) -> Result<(), ForeignError>,
}

/// Takes what a parser makes of a file.
pub trait Sink {
    /// Takes a record. An error ends the reading and is passed on.
    fn record(&mut self, record: Record) -> Result<(), ForeignError>;

    /// The description of the file, to add what was skipped, warnings, producer and time to.
    fn source(&mut self) -> &mut Source;

    /// Counts a part that was not understood; `what` in the plural, `at` a line or an offset, 0 when unknown.
    fn skip(&mut self, what: &str, at: u64) {
        self.source().skip(what, at);
    }

    /// Adds a warning, once.
    fn warn(&mut self, text: String) {
        let warnings = &mut self.source().warnings;
        if !warnings.contains(&text) {
            warnings.push(text);
        }
    }
}

/// All formats. Of several that are equally sure of a file, the first one reads it.
pub const FORMATS: &[&Format] = &[
    &evidence::FORMAT,
    &execution_trace::FORMAT,
    &pprof::FORMAT,
    &otlp::FORMAT,
    &go_test_json::FORMAT,
    &junit::FORMAT,
    &coverage::FORMAT,
    &pprof_text::FORMAT,
    &sarif::FORMAT,
    &golangci_lint::FORMAT,
    &go_vet_json::FORMAT,
    // Any text may be a log, so this one is last.
    &go_output::FORMAT,
];

/// The format of the name `name`.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| format.name == name)
}
