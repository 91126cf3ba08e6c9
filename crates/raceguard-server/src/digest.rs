//! What a record says beside findings, in the few words that counting needs: the request that a span is, the waits that
//! a profile saw, the build that a run is of.
//!
//! It is read off the record's line by parsers of its own that take a field or two, while the batch is read, so that the
//! one writing thread only adds numbers.

use serde::Deserialize;

use crate::locks::LockWaits;
use crate::slts::SpanDigest;

/// What a record adds to what is counted while it is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Digest {
    /// A span.
    Span(Box<SpanDigest>),
    /// Waiting for locks.
    Locks(Box<LockWaits>),
    /// A run of a build.
    Run {
        /// `test`, `run`, `build`, `check`, `ingest`, …
        mode: String,
    },
}

#[derive(Deserialize)]
struct RunLine {
    #[serde(default)]
    mode: String,
}

impl Digest {
    /// The digest of a record of this kind, when it has one. `line` is one that was read as a record already.
    pub fn of(kind: &str, line: &[u8]) -> Option<Self> {
        match kind {
            "span" => SpanDigest::read(line).map(|span| Self::Span(Box::new(span))),
            "profile" | "execution_trace" => LockWaits::read(line).map(|waits| Self::Locks(Box::new(waits))),
            "run" => {
                let run: RunLine = serde_json::from_slice(line).ok()?;
                Some(Self::Run { mode: run.mode })
            }
            _ => None,
        }
    }
}
