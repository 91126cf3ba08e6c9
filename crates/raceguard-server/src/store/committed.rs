//! What a batch changed, told once it is durable: that is what live state is made of.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::Batch;
use crate::origin::Origin;

/// A batch that was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Committed {
    /// Which program it is from.
    pub origin: Arc<Origin>,
    /// Its row in the table `block`; none when no record of it is new.
    pub block: Option<i64>,
    /// When it came, in milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// Records that are new.
    pub accepted: u64,
    /// Records that had been received before.
    pub duplicates: u64,
    /// How many records had come in all by its end: its place in the order in which batches were committed.
    /// 0 from a replica of a version that does not say.
    #[serde(default)]
    pub number: i64,
    /// The findings that its new records show, each once.
    pub seen: Vec<Seen>,
}

/// A finding that a batch shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its row in the table `finding`.
    pub finding: i64,
    /// Whether the batch was the first to show it.
    pub is_new: bool,
    /// Occurrences in the batch, and those that had waited for it.
    pub occurrences: u64,
    /// When the last of them happened, in milliseconds since the Unix epoch.
    pub last_ms: i64,
}

/// Is told what was written, in the order in which it was.
///
/// It runs on the writing thread: what takes long belongs elsewhere. What it missed because the process ended is in the
/// database, so whoever needs all of it starts from there.
pub trait Observer: Send + Sync {
    /// A batch came and is about to be queued. It may be marked with what is known now; this runs on a thread of the batch's
    /// own, so it holds up nobody else.
    fn arriving(&self, _batch: &mut Batch) {}

    /// A transaction was committed; these are its batches.
    fn committed(&self, batches: &[Committed]);
}
