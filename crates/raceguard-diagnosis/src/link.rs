//! Links: what connects pieces of evidence, each with the reason it was drawn for.

use serde::Serialize;

/// A connection between two pieces of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    /// One end.
    pub from: Node,
    /// The other.
    pub to: Node,
    /// Why it was drawn, without a full stop.
    pub reason: String,
}

/// A piece of evidence that a link leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Node {
    /// The member of this place in [`crate::cluster::Cluster::members`].
    Member {
        /// Its place.
        member: usize,
    },
    /// The statement of this place in [`crate::cluster::Cluster::statements`].
    Statement {
        /// Its place.
        statement: usize,
    },
    /// Waiting for a lock.
    LockProfile {
        /// The lock.
        lock: String,
        /// What the profile says, in words.
        text: String,
    },
    /// What tests execute.
    Coverage {
        /// In words: `no test executes line 88`.
        text: String,
    },
    /// A region of an execution trace.
    TraceRegion {
        /// In words.
        text: String,
    },
    /// Spans that touched the code.
    Spans {
        /// Service and operation.
        operation: String,
        /// In words.
        text: String,
    },
    /// Goroutines of a dump that stand there.
    Goroutines {
        /// In words.
        text: String,
    },
}
