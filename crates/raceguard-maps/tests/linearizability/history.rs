//! Histories: what several threads called, what they got, and which call ended before which began.

use std::fmt;

use super::model::{Call, Outcome, State};

/// One finished call.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// Number of the thread.
    pub(crate) thread: usize,
    pub(crate) call: Call,
    pub(crate) outcome: Outcome,
    /// Ticks of the clock when it began and when it had ended.
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

/// What is known of the order of calls on different threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    /// One clock for all threads: a call that ended before another began comes before it.
    Shared,
    /// Each thread counts for itself, so that recording adds no memory barrier: only the order within a thread is
    /// known, and what the history shows about the others. A linearizable map is sequentially consistent, so there
    /// must still be one order for all keys together.
    PerThread,
}

/// The calls of one run.
#[derive(Debug, Clone)]
pub(crate) struct History {
    /// The entries at the start.
    pub(crate) initial: State,
    pub(crate) clock: Clock,
    /// In the order of each thread.
    pub(crate) events: Vec<Event>,
    /// What one thread saw when all others had ended.
    pub(crate) last: Vec<Event>,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at the start {:?}, clock {:?}", self.initial, self.clock)?;
        let mut events: Vec<&Event> = self.events.iter().collect();
        events.sort_by_key(|event| (event.began, event.thread));
        for event in events.into_iter().chain(&self.last) {
            writeln!(
                f,
                "  thread {} [{:3}, {:3}] {:?} -> {:?}",
                event.thread, event.began, event.ended, event.call, event.outcome
            )?;
        }
        Ok(())
    }
}
