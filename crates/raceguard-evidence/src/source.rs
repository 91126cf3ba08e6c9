//! Foreign evidence: the files that were ingested, and what became of them.

use serde::{Deserialize, Serialize};

use crate::record::Extra;

/// A file of a foreign format that was read. Records made from it carry its `id` as `source`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Unique within the run, `s1`.
    pub id: String,
    /// As the user named it; `-` for standard input.
    #[serde(default)]
    pub path: String,
    /// Name of the format, `pprof`.
    #[serde(default)]
    pub format: String,
    /// SHA-256 of the content in lower-case hex, by which a file that comes twice is known.
    #[serde(default)]
    pub digest: String,
    /// Bytes read, before decompression.
    #[serde(default)]
    pub bytes: u64,
    /// Records made from it.
    #[serde(default)]
    pub records: u64,
    /// When the producer wrote it, in nanoseconds since the Unix epoch; 0 when the file does not say.
    #[serde(default)]
    pub produced_unix_ns: u64,
    /// What wrote it, e.g. `go1.26.8`, `gosec 2.22`; empty when the file does not say.
    #[serde(default)]
    pub producer: String,
    /// Parts that were not understood, and how often each kind came.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// What a reader must know to judge the records: a file that ends early, a profile without symbols.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Parts of a file of one kind that were not understood.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// What they are, in the plural: `race reports cut off`.
    pub what: String,
    /// How many.
    pub count: u64,
    /// Line, or offset in bytes for a binary format, of the first one; 0 when unknown.
    #[serde(default)]
    pub first_at: u64,
    /// Fields this version does not know.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Source {
    /// Counts a part that was not understood, at a line or an offset.
    pub fn skip(&mut self, what: &str, at: u64) {
        if let Some(known) = self.skipped.iter_mut().find(|skipped| skipped.what == what) {
            known.count += 1;
            return;
        }
        self.skipped.push(Skipped { what: what.to_owned(), count: 1, first_at: at, ..Skipped::default() });
    }
}
