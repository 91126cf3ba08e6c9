//! How much of anything a request may take.

use std::time::Duration;

/// Limits on what strangers send. The defaults fit an agent that sends every few seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as it is sent.
    pub body: usize,
    /// Bytes of a body when decompressed.
    pub decompressed: usize,
    /// Lines of a batch.
    pub lines: usize,
    /// How long a client may take for the head of a request.
    pub head_time: Duration,
    /// How long it may take for a body.
    pub body_time: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Listeners to live updates at once.
    pub listeners: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 16 << 20,
            decompressed: 64 << 20,
            lines: 50_000,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            connections: 2_000,
            listeners: 1_200,
        }
    }
}
